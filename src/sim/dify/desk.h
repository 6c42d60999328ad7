// Desk: decides what every request to the simulated Dify is answered. No I/O: it takes a request and the time. One per Door.
//
//   /sim/..., /health ──> own (neither counted nor spoiled)
//   the rest          ──> count ──> fault in place of an answer? ──> whose key? ──> call ──> spoil
//
// A call that runs an app begins a run (runs.h), which lives on without its stream.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/rng.h"
#include "core/time.h"
#include "sim/dify/delivery.h"
#include "sim/dify/form.h"
#include "sim/dify/records.h"
#include "sim/dify/runs.h"
#include "sim/dify/settings.h"
#include "sim/json.h"
#include "sim/ledger.h"
#include "sim/received.h"
#include "sim/schedule.h"
#include "sim/script.h"

namespace outrigger::sim_dify {

using sim_provider::Received;
using sim_provider::Script;

// The Door's connections, for /sim/stats.
struct Sockets {
  std::uint64_t total = 0, open = 0, open_max = 0, waiting = 0, waiting_max = 0, refused = 0, web_sockets = 0;
};

class Desk {
 public:
  Desk(Settings settings, Rng rng, MonoTime now);

  // A run whose model has to be asked first.
  struct Pending {
    Owner owner;
    Answer answer;
    Pace pace;
    Fault fault;
    bool stream = false;
    std::string question;  // the body of a chat completion
  };
  struct Reply {
    Script script = {};
    std::string task_id = {};                 // of a run that is streamed; else empty
    std::vector<Script::Step> farewell = {};  // when it is stopped
    std::unique_ptr<Pending> pending = {};
  };
  // With `pending`, the model is asked, and finish() gives the rest.
  Reply answer(const Received& request, MonoTime now, WallTime wall);
  // `said` is the body of the model's answer; nothing: it failed.
  Reply finish(Pending pending, const std::optional<std::string>& said, MonoTime now);

  // Bodies up to this size are needed whole; of longer ones only size and hash.
  [[nodiscard]] std::uint64_t body_limit() const;
  [[nodiscard]] bool refuses(MonoTime now) const { return schedule_.refuses(now); }

  [[nodiscard]] const Settings& settings() const { return settings_; }
  [[nodiscard]] sim_provider::Ledger& ledger() { return ledger_; }
  [[nodiscard]] Runs& runs() { return runs_; }
  [[nodiscard]] Sockets& sockets() { return sockets_; }
  [[nodiscard]] std::string stats(MonoTime now);
  // Replaces the schedule, whose clock begins `now`.
  void set_faults(std::vector<Fault> faults, MonoTime now) { schedule_ = {std::move(faults), now}; }
  // Counts, records and schedule from the beginning.
  void reset(MonoTime now);

 private:
  // A call on its way.
  struct Call {
    const Received& request;
    std::string_view path;  // the whole of it
    std::string_view query;
    std::vector<std::string_view> parts;  // of the path, after "v1" or "console/api"
    MonoTime now;
    WallTime wall;
    Fault fault = {};
    const App* app = nullptr;
    sim_provider::Json doc = {};
    yyjson_val* body = nullptr;  // an object, or null
    std::string user = {};

    [[nodiscard]] bool is(std::string_view method) const { return request.head.method == method; }
    // Does the path match, "*" standing for any part?
    [[nodiscard]] bool fits(std::string_view pattern) const;
    [[nodiscard]] bool fits(std::string_view method, std::string_view pattern) const { return is(method) && fits(pattern); }
    [[nodiscard]] Owner owner() const;
  };

  Reply answer_sim(const Received& request, std::string_view name, std::string_view query, MonoTime now);
  Reply answer_call(Call& call);
  Reply answer_service(Call& call);
  Reply answer_console(Call& call);
  Script answer_dataset(Call& call);
  Script answer_other(const Call& call) const;

  // desk_runs.cpp
  Reply run(Call& call, bool of_chat);
  Reply begin(Call& call, Answer answer, bool stream);
  Reply deliver(const Owner& owner, Answer answer, const Pace& pace, const Fault& fault, bool stream);
  std::string question_for_model(const Answer& answer, const Conversation* conversation);
  Script stop(Call& call, std::string_view task, bool any_user);
  Script told_failure(Call& call, int status, std::string_view code);
  Answer compose(const Call& call, const Conversation* conversation);
  std::string files_in(yyjson_val* files);
  void record(const Owner& owner, const Answer& answer);

  // desk_records.cpp
  Script answer_record(Call& call);
  Script messages(Call& call);
  Script conversations(Call& call);
  Script rename(Call& call);
  Script answer_about_app(Call& call) const;

  // desk_files.cpp
  Script upload(Call& call);
  Script preview(const Call& call);
  Script audio_to_text(const Call& call);
  Script text_to_audio(const Call& call);

  [[nodiscard]] const App* app_by_key(std::string_view key) const;
  void change_app(std::string_view id) { ++records_.app_versions.try_emplace(std::string(id), 1).first->second; }
  [[nodiscard]] std::uint64_t version_of(const App& app) const;
  std::string fresh_id();

  Settings settings_;
  Rng rng_;
  sim_provider::Schedule schedule_;
  sim_provider::Ledger ledger_;
  Runs runs_;
  Records records_;
  Sockets sockets_;
};

}  // namespace outrigger::sim_dify
