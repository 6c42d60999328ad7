// Instance: the whole program over an io::World. App runs it over sockets, tests/sim in virtual time, so the same wiring is tested.
//
//   starting ──secret agreed──► serving ──drain()──► leaving ──drain_delay──► draining ──idle, or the drain time over──► over
//                                                       └──────── stop(), the second ────────────────┘
//
// leaving: /readyz says no, so that whoever sends requests here learns of it, and what comes meanwhile is still answered. over:
// on_over runs.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "admin/admin_door.h"
#include "cache/store.h"
#include "config/config.h"
#include "http/client.h"
#include "http/server.h"
#include "obs/journal.h"
#include "obs/log.h"
#include "proxy/client_ledger.h"
#include "proxy/dify_door.h"
#include "proxy/fleet.h"
#include "proxy/lane_gauges.h"
#include "proxy/llm_door.h"
#include "trace/tracer.h"

namespace outrigger::app {

// What the world outside is told of.
enum class Phase : unsigned char { ready, reloading, stopping };

struct InstanceParts {
  io::World world;
  std::shared_ptr<const config::Config> config;
  obs::Log& log;
  obs::LineSink* access = nullptr;       // null: no access log
  std::function<config::Loaded()> load;  // reads the configuration again
  // Where access lines go from now on, or why they cannot, and then all stays as it is; null: nowhere. May be empty.
  std::function<Result<obs::LineSink*>(const config::Log&)> move_access_log = {};
  std::function<void(Phase, std::string_view)> on_phase = {};  // with a line for people; may be empty
  std::function<std::uint64_t()> resident_bytes;               // may be empty
  std::string fresh_secret;  // at least 32 random bytes: the cache keys' secret if none is known
  std::string version;
};

class Instance {
 public:
  // `on_over` runs once, with the exit code.
  Instance(InstanceParts parts, std::function<void(int)> on_over);
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  // Opens the admin door, agrees on the secret, then opens the other doors.
  void start();
  // Reads the configuration again. Empty: in force; else why not, and the old one stays.
  std::string reload();
  // After drain_delay: no new connections; running answers may end. Further calls change nothing.
  void drain();
  // What SIGTERM asks for: the first drains, if that has not begun; a second ends at once, and whoever still waits is told so.
  void stop();
  // A connection to the door that listens on `at` was turned away before it could ask for anything. `why`: the metric's label;
  // `words`: what else is known of it, for people, may be empty.
  void note_refused(const io::Address& at, std::string_view why, std::string_view words);

  [[nodiscard]] bool serving() const { return state_ == State::serving; }
  [[nodiscard]] std::optional<io::Address> llm_address() const;
  [[nodiscard]] std::optional<io::Address> dify_address() const;
  [[nodiscard]] std::optional<io::Address> admin_address() const;

  // For checkers.
  proxy::LlmDoor& llm_door() { return door_; }
  proxy::DifyDoor& dify_door() { return dify_door_; }
  cache::Store& store() { return store_; }
  obs::Registry& registry() { return registry_; }
  [[nodiscard]] std::size_t connections() const { return llm_server_.connections() + dify_server_.connections(); }

 private:
  // How long the first answer of Redis is waited for before serving without it.
  static constexpr Duration k_secret_wait = 500ms;
  // Connections that are turned away are spoken of this often, by door and reason.
  static constexpr Duration k_between_refusals = 60s;
  // A certificate is spoken of from this long before its end.
  static constexpr Duration k_certificate_soon = 14 * 24h;
  // How long the last error messages may take to leave.
  static constexpr Duration k_last_words = 50ms;
  // How long the collector of spans may take for the last of them.
  static constexpr Duration k_last_spans = 2s;

  void set_secret(const std::string& secret);
  void declare_gauges();
  // What clients spend is kept in Redis, as soon as there are both.
  void keep_ledger();
  // Of budgets; then ends with that code.
  void save_and_end(int code);
  bool open_admin_door();
  void open_doors();
  // What the doors show from now on. Not empty: why that cannot be, and nothing has changed.
  std::string show_certificates(const config::Config& config);
  void warn_of_certificates() const;
  std::string apply(std::shared_ptr<const config::Config> config);
  void log_changes(const config::Config& before) const;
  void tell(Phase phase, std::string_view words) const;
  using Limits = http::ServerLimits (*)(const config::Config&);
  // A connection that has come, unless the door is full.
  void accept(std::string_view door, http::Server& server, Limits limits, std::unique_ptr<io::Stream> stream);
  void count_refused(std::string_view door, std::string_view why, std::string_view words);
  // Null: it could not, which ends the instance.
  std::unique_ptr<io::Listener> open_door(std::string_view name, const std::string& at, http::Server& server, Limits limits);
  [[nodiscard]] bool is_stopping() const { return state_ == State::leaving || state_ == State::draining; }
  void begin_drain();
  // Ends what is still under way.
  void cut();
  void end_when_idle();
  void allow_admin(const io::Address& address);
  void end(int code);
  void end_now(int code);

  InstanceParts parts_;
  std::function<void(int)> on_over_;
  std::shared_ptr<const config::Config> config_;
  obs::Registry registry_;
  obs::Journal journal_;
  cache::Store store_;
  http::Client client_;
  trace::Tracer tracer_;
  proxy::Metrics metrics_;
  proxy::LlmDoor door_;
  proxy::DifyDoor dify_door_;
  std::unique_ptr<proxy::Fleet> fleet_;          // null without [redis]
  std::unique_ptr<proxy::ClientLedger> ledger_;  // null without [redis], or without [[client]]s
  proxy::LaneGauges lane_gauges_;
  admin::AdminDoor admin_;
  http::Server llm_server_;
  http::Server dify_server_;
  http::Server admin_server_;
  std::unique_ptr<io::Listener> llm_listener_;
  std::unique_ptr<io::Listener> dify_listener_;  // null: off
  std::unique_ptr<io::Listener> admin_listener_;
  enum class State : unsigned char { starting, serving, leaving, draining };
  State state_ = State::starting;
  io::Timer drain_timer_;       // of the delay, then of the drain
  std::string reload_problem_;  // why the last reload was refused; empty: it was not
  unsigned stops_ = 0;          // how often stop() was called
  bool saving_ = false;
  struct Refusals {
    std::uint64_t untold = 0;
    io::Timer told;  // pending: not again yet
  };
  std::map<std::pair<std::string, std::string>, Refusals> refusals_;  // by door and reason
};

// For people: one line each.
void report(obs::Log& log, const std::vector<config::Diagnostic>& diagnostics);

}  // namespace outrigger::app
