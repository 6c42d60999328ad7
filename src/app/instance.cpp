#include "app/instance.h"

#include <fmt/format.h>
#include "app/settings.h"
#include "config/changes.h"

namespace outrigger::app {
namespace {

// Why the door of that name cannot be opened, and what to do about it, for people.
std::string why_shut(std::string_view name, const std::string& at, const Error& error) {
  if (error.code == ErrorCode::bad_config) {
    return fmt::format("the {} door cannot be opened: {}. Put that right in [listen] {}.", name, error.detail,
                       name == "admin" ? "admin_tls" : "tls");
  }
  return fmt::format("the {0} door cannot listen on {1}: {2}. Set [listen] {0}{3} to a free address.", name, at,
                     error.detail, name == "llm" ? ", or --listen," : "");
}

}  // namespace

void report(obs::Log& log, const std::vector<config::Diagnostic>& diagnostics) {
  for (const config::Diagnostic& diagnostic : diagnostics) {
    log.line(diagnostic.error ? LogLevel::error : LogLevel::warning, config::to_string(diagnostic));
  }
}

Instance::Instance(InstanceParts parts, std::function<void(int)> on_over)
    : parts_(std::move(parts)),
      on_over_(std::move(on_over)),
      config_(parts_.config),
      store_(parts_.world, store_settings(*config_, parts_.fresh_secret, parts_.log)),
      client_(parts_.world, {}),
      tracer_(parts_.world, client_, registry_, parts_.log, parts_.version),
      metrics_(registry_),
      door_(parts_.world, std::make_shared<const proxy::Snapshot>(config_), store_, client_, metrics_, parts_.access),
      dify_door_(parts_.world, door_.snapshot(), store_, door_.lanes(), client_, metrics_, parts_.access),
      lane_gauges_(door_.lanes(), registry_),
      admin_(parts_.world, door_, registry_, journal_,
             {.is_ready = [this] { return serving(); },
              .drain = [this] { drain(); },
              .reload = [this] { return reload(); },
              .fleet = [this] { return fleet_.get(); },
              .dify = [this] { return config_->listen.dify ? &dify_door_ : nullptr; },
              .is_draining = [this] { return is_stopping(); },
              .reload_problem = [this] { return reload_problem_; },
              .log_lines_lost = [this] { return parts_.access != nullptr ? parts_.access->dropped() : 0; },
              .log = [this](LogLevel level, std::string_view words) { parts_.log.line(level, words); }},
             parts_.version),
      llm_server_(parts_.world, server_limits(*config_), door_),
      dify_server_(parts_.world, dify_limits(*config_), dify_door_),
      admin_server_(parts_.world, admin_limits(*config_), admin_) {
  declare_gauges();
  door_.set_journal(&journal_);
  dify_door_.set_journal(&journal_);
  tracer_.configure(config_->trace);
  door_.set_tracer(&tracer_);
  dify_door_.set_tracer(&tracer_);
  door_.lanes().set_log([this](LogLevel level, std::string_view words) { parts_.log.line(level, words); });
  if (auto redis = redis_settings(*config_)) {
    fleet_ = std::make_unique<proxy::Fleet>(parts_.world, std::move(*redis), door_.lanes());
  }
}

Instance::~Instance() = default;

void Instance::set_secret(const std::string& secret) {
  door_.set_secret(secret);
  dify_door_.set_keys(door_.shared_keys());
  if (fleet_ != nullptr) fleet_->set_secret(secret);
}

void Instance::keep_ledger() {
  auto redis = redis_settings(*config_);
  if (ledger_ != nullptr || !redis || config_->clients.empty()) return;
  ledger_ = std::make_unique<proxy::ClientLedger>(parts_.world, std::move(*redis), door_.clients());
  ledger_->open();
}

void Instance::declare_gauges() {
  registry_.declare_gauge("outrigger_redis_up", "1 while Redis is connected and answers in time.");
  registry_.declare_gauge("outrigger_fleet_replicas", "Replicas that share rate limits and health, this one included.");
  registry_.declare_gauge("outrigger_cache_entries", "Answers in the memory tier.");
  registry_.declare_gauge("outrigger_cache_bytes", "Bytes that they hold.");
  registry_.declare_gauge("outrigger_upstream_calls", "Calls upstream that are under way.");
  registry_.declare_gauge("outrigger_connections", "Open client connections, by door.");
  registry_.declare_counter("outrigger_connections_refused_total",
                            "Connections that were turned away before they could ask for anything, by door and reason.");
  registry_.declare_gauge("outrigger_build_info", "Always 1; the version is in the label.");
  registry_.declare_gauge("outrigger_certificate_expires_timestamp_seconds",
                          "When the certificate of a door ends, in seconds since 1970.");
  registry_.declare_gauge("process_resident_memory_bytes", "Resident memory.");
  registry_.gauge("outrigger_build_info", {{"version", parts_.version}}).set(1);
  registry_.before_scrape([this] {
    lane_gauges_.refresh();
    door_.clients().refresh_gauges();
    const cache::StoreStats stats = store_.stats();
    if (stats.redis_configured) registry_.gauge("outrigger_redis_up").set(stats.redis_up ? 1 : 0);
    if (fleet_ != nullptr) registry_.gauge("outrigger_fleet_replicas").set(static_cast<double>(fleet_->replicas()));
    registry_.gauge("outrigger_cache_entries").set(static_cast<double>(stats.entries));
    registry_.gauge("outrigger_cache_bytes").set(static_cast<double>(stats.bytes));
    registry_.gauge("outrigger_upstream_calls").set(static_cast<double>(door_.fills().size()));
    registry_.gauge("outrigger_connections", {{"door", "llm"}}).set(static_cast<double>(llm_server_.connections()));
    if (dify_listener_ != nullptr) {
      registry_.gauge("outrigger_connections", {{"door", "dify"}}).set(static_cast<double>(dify_server_.connections()));
    }
    const auto certificate = [this](std::string_view key, const std::optional<config::Tls>& tls) {
      constexpr std::string_view k_family = "outrigger_certificate_expires_timestamp_seconds";
      // A door that a reload has taken TLS from must not warn of the old one's end for ever.
      if (!tls) return registry_.drop_gauge(k_family, {{"listen", key}});
      registry_.gauge(k_family, {{"listen", key}}).set(static_cast<double>(unix_seconds(tls->not_after)));
    };
    certificate("tls", config_->listen.tls);
    certificate("admin_tls", config_->listen.admin_tls);
    if (parts_.resident_bytes) {
      registry_.gauge("process_resident_memory_bytes").set(static_cast<double>(parts_.resident_bytes()));
    }
  });
}

void Instance::start() {
  if (!open_admin_door()) return end(1);
  keep_ledger();
  std::optional<std::string> preset;
  if (config_->cache.secret) preset = config_->cache.secret->text;
  store_.start(
      std::move(preset), k_secret_wait,
      [this](const std::string& secret) {
        set_secret(secret);
        if (state_ == State::starting) open_doors();
      },
      [this](const std::string& secret) { set_secret(secret); });
}

bool Instance::open_admin_door() {
  const auto address = io::parse_address(config_->listen.admin);
  if (!address) {
    parts_.log.error(address.error().detail);
    return false;
  }
  auto listener = parts_.world.net.listen(
      *address, tls_settings(config_->listen.admin_tls),
      [this](std::unique_ptr<io::Stream> stream) { accept("admin", admin_server_, admin_limits, std::move(stream)); });
  if (!listener) {
    parts_.log.error(why_shut("admin", config_->listen.admin, listener.error()));
    return false;
  }
  admin_listener_ = std::move(*listener);
  allow_admin(*address);
  return true;
}

void Instance::allow_admin(const io::Address& address) {
  admin_.set_access({io::is_loopback(address), config_->admin_token ? config_->admin_token->text : std::string()});
}

std::unique_ptr<io::Listener> Instance::open_door(std::string_view name, const std::string& at, http::Server& server,
                                                  Limits limits) {
  const auto address = io::parse_address(at);
  if (!address) {
    parts_.log.error(address.error().detail);
    end(1);
    return nullptr;
  }
  auto listener = parts_.world.net.listen(*address, tls_settings(config_->listen.tls),
                                          [this, name, &server, limits](std::unique_ptr<io::Stream> stream) {
                                            accept(name, server, limits, std::move(stream));
                                          });
  if (listener) return std::move(*listener);
  parts_.log.error(why_shut(name, at, listener.error()));
  end(1);
  return nullptr;
}

void Instance::accept(std::string_view door, http::Server& server, Limits limits, std::unique_ptr<io::Stream> stream) {
  const http::ServerLimits now = limits(*config_);
  if (server.connections() < now.connections || now.makes_room) return server.accept(std::move(stream));
  count_refused(door, "limit", fmt::format("its {} are taken, raise [limits] connections", now.connections));
}

void Instance::note_refused(const io::Address& at, std::string_view why, std::string_view words) {
  for (const auto& [door, listener] :
       {std::pair{"llm", &llm_listener_}, {"dify", &dify_listener_}, {"admin", &admin_listener_}}) {
    if (*listener != nullptr && (*listener)->bound() == at) return count_refused(door, why, words);
  }
}

void Instance::count_refused(std::string_view door, std::string_view why, std::string_view words) {
  registry_.counter("outrigger_connections_refused_total", {{"door", door}, {"reason", why}}).add();
  Refusals& refusals = refusals_[{std::string(door), std::string(why)}];
  ++refusals.untold;
  if (refusals.told.pending()) return;
  const std::string how_many = refusals.untold == 1 ? "a connection" : fmt::format("{} connections", refusals.untold);
  const std::string_view reason = why == "tls"         ? "no TLS came about"
                                  : why == "tls_limit" ? "too many TLS handshakes are under way"
                                                       : "it is full";
  parts_.log.warning(
      fmt::format("the {} door has turned away {}: {}{}{}", door, how_many, reason, words.empty() ? "" : "; ", words));
  refusals.untold = 0;
  refusals.told = parts_.world.loop.after(k_between_refusals, [] {});
}

void Instance::open_doors() {
  llm_listener_ = open_door("llm", config_->listen.llm, llm_server_, server_limits);
  if (llm_listener_ == nullptr) return;
  if (config_->listen.dify) {
    dify_listener_ = open_door("dify", *config_->listen.dify, dify_server_, dify_limits);
    if (dify_listener_ == nullptr) return;
  }
  state_ = State::serving;
  const std::string doors = fmt::format("llm door on {}, admin door on {}{}", io::to_string(llm_listener_->bound()),
                                        io::to_string(admin_listener_->bound()),
                                        dify_listener_ ? ", dify door on " + io::to_string(dify_listener_->bound()) : "");
  parts_.log.info(fmt::format("outrigger {} is ready: {}", parts_.version, doors));
  warn_of_certificates();
  tell(Phase::ready, doors);
}

std::string Instance::show_certificates(const config::Config& config) {
  const auto show = [](const std::unique_ptr<io::Listener>& listener, const std::optional<config::Tls>& tls) {
    return listener != nullptr ? listener->set_tls(tls_settings(tls)) : Result<void>();
  };
  for (const auto* listener : {&llm_listener_, &dify_listener_}) {
    if (const auto set = show(*listener, config.listen.tls); !set) return set.error().detail;
  }
  if (const auto set = show(admin_listener_, config.listen.admin_tls); !set) {
    const std::string why = set.error().detail;
    for (const auto* listener : {&llm_listener_, &dify_listener_}) static_cast<void>(show(*listener, config_->listen.tls));
    return why;
  }
  return {};
}

void Instance::warn_of_certificates() const {
  const auto warn = [this](std::string_view key, const std::optional<config::Tls>& tls) {
    if (!tls) return;
    const Duration left = tls->not_after - parts_.world.loop.wall_now();
    if (left > k_certificate_soon) return;
    parts_.log.warning(
        fmt::format("the certificate in [listen] {} {}; put a new one into its place, which needs no restart", key,
                    left <= 0s ? std::string("has expired")
                               : fmt::format("expires in {} days", std::chrono::floor<std::chrono::days>(left).count())));
  };
  warn("tls", config_->listen.tls);
  warn("admin_tls", config_->listen.admin_tls);
}

void Instance::tell(Phase phase, std::string_view words) const {
  if (parts_.on_phase) parts_.on_phase(phase, words);
}

std::string Instance::reload() {
  // Before it is ready and after it was told to stop, a reload is no phase of its own.
  if (serving()) tell(Phase::reloading, {});
  const config::Loaded loaded = parts_.load();
  report(parts_.log, loaded.diagnostics);
  std::string why;
  if (loaded.config != nullptr) {
    why = apply(loaded.config);
    if (!why.empty()) parts_.log.error(why);
  } else {
    for (const config::Diagnostic& diagnostic : loaded.diagnostics) {
      if (!diagnostic.error) continue;
      if (!why.empty()) why += ' ';
      why += config::to_string(diagnostic);
    }
  }
  reload_problem_ = why;
  if (!why.empty()) {
    parts_.log.error("the configuration was not reloaded; the old one stays in force");
    why.insert(0, "Not reloaded. ");
  }
  if (serving()) tell(Phase::ready, why.empty() ? "configuration reloaded" : why);
  return why;
}

// All of it, or, with the reason, nothing.
std::string Instance::apply(std::shared_ptr<const config::Config> config) {
  if (std::string why = show_certificates(*config); !why.empty()) return why;
  if (parts_.move_access_log && config->log.access != config_->log.access) {
    const auto access = parts_.move_access_log(config->log);
    if (!access) {
      static_cast<void>(show_certificates(*config_));
      return fmt::format("the access log cannot be written: {}", access.error().detail);
    }
    parts_.access = *access;
    door_.set_access_log(*access);
    dify_door_.set_access_log(*access);
  }
  const std::shared_ptr<const config::Config> before = std::exchange(config_, std::move(config));
  const auto secret_of = [](const config::Config& one) { return one.cache.secret ? one.cache.secret->text : std::string(); };
  door_.set_snapshot(std::make_shared<const proxy::Snapshot>(config_));
  dify_door_.set_snapshot(door_.snapshot());
  keep_ledger();
  if (config_->cache.secret && secret_of(*before) != secret_of(*config_)) set_secret(config_->cache.secret->text);
  tracer_.configure(config_->trace);
  allow_admin(admin_listener_->bound());
  llm_server_.set_limits(server_limits(*config_));
  dify_server_.set_limits(dify_limits(*config_));
  admin_server_.set_limits(admin_limits(*config_));
  log_changes(*before);
  warn_of_certificates();
  return {};
}

void Instance::log_changes(const config::Config& before) const {
  if (const std::string words = needs_restart(before, *config_); !words.empty()) {
    parts_.log.warning(fmt::format("changed, but only a restart puts it in force: {}", words));
  }
  const std::vector<std::string> lines = config::changes(before, *config_);
  for (const std::string& line : lines) parts_.log.info("changed: " + line);
  parts_.log.info(lines.empty() ? "configuration read again: nothing has changed" : "configuration reloaded");
}

void Instance::stop() {
  ++stops_;
  if (stops_ > 2) return;  // it is ending
  if (stops_ == 2) {
    parts_.log.warning("told to stop again: ending now");
    return cut();
  }
  if (is_stopping()) parts_.log.info("told to stop: it is draining already; told again, it ends at once");
  drain();
}

void Instance::drain() {
  if (is_stopping()) return;
  tell(Phase::stopping, "draining");
  if (state_ == State::starting || config_->drain_delay == 0s) return begin_drain();
  state_ = State::leaving;
  parts_.log.info(
      fmt::format("told to stop: not ready any more; requests are still taken for {} s", seconds(config_->drain_delay)));
  drain_timer_ = parts_.world.loop.after(config_->drain_delay, [this] { begin_drain(); });
}

void Instance::begin_drain() {
  state_ = State::draining;
  parts_.log.info(fmt::format("draining: {} connections, at most {} s", connections(),
                              std::chrono::duration_cast<std::chrono::seconds>(config_->drain).count()));
  llm_listener_.reset();
  dify_listener_.reset();
  llm_server_.drain();
  dify_server_.drain();
  llm_server_.when_idle([this] { end_when_idle(); });
  dify_server_.when_idle([this] { end_when_idle(); });
  drain_timer_ = parts_.world.loop.after(config_->drain, [this] {
    parts_.log.warning(fmt::format("the drain time is over: {} connections are cut", connections()));
    cut();
  });
}

void Instance::cut() {
  if (state_ != State::draining) begin_drain();
  // Whoever waits is told, inside the stream if need be; the next turn of the loop is the last.
  door_.fills().abandon_all(ErrorCode::draining);
  dify_door_.abandon_all(ErrorCode::draining);
  drain_timer_ = parts_.world.loop.after(k_last_words, [this] { save_and_end(0); });
}

void Instance::end_when_idle() {
  if (connections() == 0) save_and_end(0);
}

void Instance::save_and_end(int code) {
  // Each door may have become idle, and then the last words' time is over.
  if (std::exchange(saving_, true)) return;
  if (ledger_ == nullptr) return end(code);
  ledger_->save([this, code] { end(code); });
}

void Instance::end(int code) {
  drain_timer_.cancel();
  if (tracer_.is_idle()) return end_now(code);
  tracer_.flush(k_last_spans, [this, code] { end_now(code); });
}

void Instance::end_now(int code) {
  drain_timer_.cancel();
  if (on_over_) std::exchange(on_over_, nullptr)(code);
}

std::optional<io::Address> Instance::llm_address() const {
  return llm_listener_ ? std::optional(llm_listener_->bound()) : std::nullopt;
}

std::optional<io::Address> Instance::dify_address() const {
  return dify_listener_ ? std::optional(dify_listener_->bound()) : std::nullopt;
}

std::optional<io::Address> Instance::admin_address() const {
  return admin_listener_ ? std::optional(admin_listener_->bound()) : std::nullopt;
}

}  // namespace outrigger::app
