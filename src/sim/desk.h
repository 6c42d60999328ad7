// Desk: decides what every request is answered. No I/O: it takes a request and the time and gives a Script. One per Provider.
//
//   /sim/...  ──> stats, reset, faults, echo (neither counted nor spoiled)
//   the rest  ──> count ──> place free? ──> fault in place of an answer? ──> key ──> rate limit ──> model known? ──> answer ──> spoil
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/rng.h"
#include "core/time.h"
#include "sim/answers.h"
#include "sim/ledger.h"
#include "sim/memory.h"
#include "sim/places.h"
#include "sim/rate_limit.h"
#include "sim/received.h"
#include "sim/schedule.h"
#include "sim/script.h"
#include "sim/settings.h"

namespace outrigger::sim_provider {

class Desk {
 public:
  Desk(Settings settings, Rng rng, MonoTime now);

  Script answer(const Received& request, MonoTime now, WallTime wall);

  // Bodies up to this size are needed whole; of longer ones only size and hash.
  [[nodiscard]] std::uint64_t body_limit(const http::RequestHead& head) const;
  [[nodiscard]] bool refuses(MonoTime now) const { return schedule_.refuses(now); }
  // Nothing to decide: answers may come from FastAnswers.
  [[nodiscard]] bool is_plain() const;
  [[nodiscard]] const Settings& settings() const { return settings_; }
  [[nodiscard]] Ledger& ledger() { return ledger_; }
  void set_faults(std::vector<Fault> faults, MonoTime now) { schedule_ = Schedule(std::move(faults), now); }
  // Counts and schedule from the beginning.
  void reset(MonoTime now);

 private:
  Script answer_sim(const Received& request, std::string_view name, std::string_view query, MonoTime now);
  // One request on its way over the desk.
  struct Order {
    const Received& request;
    std::string_view path, query;
    Endpoint endpoint;
    Wire wire;
    Ask ask;
    std::optional<BadAsk> problem;
    std::string request_id;
    MonoTime now;
    WallTime wall;
  };
  [[nodiscard]] Ask read(const Order& order, std::optional<BadAsk>& problem) const;
  Script answer_api(Order& order, const Fault& fault);
  Script answer_endpoint(const Order& order, const Fault& fault, const Stamp& stamp);
  Script spoken(Spoken spoken);
  std::optional<Script> over_limit(const Order& order, http::Headers& headers);
  // Looks up what the request refers to; an answer when that is not there.
  std::optional<Script> recall(Order& order);
  [[nodiscard]] std::uint64_t in_flight() const { return static_cast<std::uint64_t>(seats_.use_count()) - 1; }
  [[nodiscard]] bool knows(std::string_view model) const;
  void note(const Order& order);
  std::string fresh_id();

  Settings settings_;
  Rng rng_;
  Schedule schedule_;
  Ledger ledger_;
  Memory memory_;
  std::optional<RateLimit> requests_, tokens_;
  std::optional<WindowLimit> window_;
  // Each Script that is being played holds it: how many do is how many requests are under way.
  std::shared_ptr<const void> seats_ = std::make_shared<char>();
};

}  // namespace outrigger::sim_provider
