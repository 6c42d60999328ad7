#include "app/app.h"

#include <csignal>
#include <cstdio>

#include "admin/admin_door.h"
#include "app/process.h"
#include "app/settings.h"
#include "fmt/format.h"
#include "http/client.h"
#include "net/file.h"
#include "net/log_sinks.h"
#include "net/random.h"
#include "net/uv_loop.h"
#include "net/uv_net.h"
#include "proxy/llm_door.h"

namespace outrigger::app {
namespace {

// How long the first answer of Redis is waited for before serving without it.
constexpr Duration k_secret_wait = 500ms;

std::unique_ptr<obs::LineSink> open_access_log(net::UvLoop& loop, const config::Log& log) {
  if (log.access == "off") return nullptr;
  if (log.access == "stdout") return std::make_unique<net::FdSink>(loop, 1);
  return std::make_unique<net::FdSink>(loop, log.access);
}

void report(obs::Log& log, const std::vector<config::Diagnostic>& diagnostics) {
  for (const config::Diagnostic& diagnostic : diagnostics) {
    log.line(diagnostic.error ? LogLevel::error : LogLevel::warning, config::to_string(diagnostic));
  }
}

class App {
 public:
  App(const ServeOptions& options, std::shared_ptr<const config::Config> config);
  int run();

 private:
  config::Loaded load() const;
  bool bind_admin();
  void begin_serving();
  std::string reload();
  void drain();
  void declare_gauges();

  const ServeOptions& options_;
  std::shared_ptr<const config::Config> config_;
  net::StderrLog log_;
  net::UvLoop loop_;
  net::UvNet net_;
  Rng rng_;
  io::World world_;
  obs::Registry registry_;
  std::unique_ptr<obs::LineSink> access_;
  cache::Store store_;
  http::Client client_;
  proxy::Metrics metrics_;
  proxy::LlmDoor door_;
  admin::AdminDoor admin_;
  http::Server llm_server_;
  http::Server admin_server_;
  std::unique_ptr<io::Listener> llm_listener_;
  std::unique_ptr<io::Listener> admin_listener_;
  std::vector<std::unique_ptr<net::Signal>> signals_;
  std::vector<std::unique_ptr<net::FileWatch>> watches_;
  io::Timer drain_limit_;
  bool serving_ = false;
  bool draining_ = false;
  int exit_code_ = 0;
};

App::App(const ServeOptions& options, std::shared_ptr<const config::Config> config)
    : options_(options),
      config_(std::move(config)),
      log_(loop_),
      net_(loop_),
      rng_(net::random_seed()),
      world_{loop_, net_, rng_},
      access_(open_access_log(loop_, config_->log)),
      store_(world_, store_settings(*config_)),
      client_(world_, {}),
      metrics_(registry_),
      door_(world_, std::make_shared<const proxy::Snapshot>(config_), store_, client_, metrics_, access_.get()),
      admin_(world_, door_, registry_,
             {.is_ready = [this] { return serving_ && !draining_; },
              .drain = [this] { drain(); },
              .reload = [this] { return reload(); }},
             options.version),
      llm_server_(world_, server_limits(*config_), door_),
      admin_server_(world_, admin_limits(*config_), admin_) {
  declare_gauges();
}

void App::declare_gauges() {
  registry_.declare_gauge("outrigger_redis_up", "1 while Redis is connected and answers in time.");
  registry_.declare_gauge("outrigger_cache_entries", "Answers in the memory tier.");
  registry_.declare_gauge("outrigger_cache_bytes", "Bytes that they hold.");
  registry_.declare_gauge("outrigger_upstream_calls", "Calls upstream that are under way.");
  registry_.declare_gauge("outrigger_connections", "Open client connections, by door.");
  registry_.declare_gauge("outrigger_build_info", "Always 1; the version is in the label.");
  registry_.declare_gauge("process_resident_memory_bytes", "Resident memory.");
  registry_.gauge("outrigger_build_info", {{"version", options_.version}}).set(1);
  registry_.before_scrape([this] {
    const cache::StoreStats stats = store_.stats();
    if (stats.redis_configured) registry_.gauge("outrigger_redis_up").set(stats.redis_up ? 1 : 0);
    registry_.gauge("outrigger_cache_entries").set(static_cast<double>(stats.entries));
    registry_.gauge("outrigger_cache_bytes").set(static_cast<double>(stats.bytes));
    registry_.gauge("outrigger_upstream_calls").set(static_cast<double>(door_.fills().size()));
    registry_.gauge("outrigger_connections", {{"door", "llm"}}).set(static_cast<double>(llm_server_.connections()));
    registry_.gauge("process_resident_memory_bytes").set(static_cast<double>(resident_bytes()));
  });
}

int App::run() {
  if (const std::string warning = raise_descriptor_limit(config_->limits.connections); !warning.empty()) log_.warning(warning);
  if (!bind_admin()) return 1;
  for (const int number : {SIGTERM, SIGINT}) signals_.push_back(loop_.on_signal(number, [this] { drain(); }));
  signals_.push_back(loop_.on_signal(SIGHUP, [this] { static_cast<void>(reload()); }));
  if (!options_.config_file.empty()) {
    watches_.push_back(std::make_unique<net::FileWatch>(loop_, options_.config_file, [this] { static_cast<void>(reload()); }));
  }
  std::optional<std::string> preset;
  if (config_->cache.secret) preset = config_->cache.secret->text;
  store_.start(
      std::move(preset), k_secret_wait,
      [this](const std::string& secret) {
        door_.set_secret(secret);
        begin_serving();
      },
      [this](const std::string& secret) { door_.set_secret(secret); });
  loop_.run();
  return exit_code_;
}

bool App::bind_admin() {
  auto address = io::parse_address(config_->listen.admin);
  if (!address) {
    log_.error(address.error().detail);
    return false;
  }
  admin_.set_access(io::is_loopback(*address), config_->admin_token ? config_->admin_token->text : std::string());
  auto listener =
      net_.listen(*address, std::nullopt, [this](std::unique_ptr<io::Stream> stream) { admin_server_.accept(std::move(stream)); });
  if (!listener) {
    log_.error(fmt::format("the admin door cannot listen on {}: {}. Set [listen] admin to a free address.",
                           config_->listen.admin, listener.error().detail));
    return false;
  }
  admin_listener_ = std::move(*listener);
  return true;
}

void App::begin_serving() {
  auto address = io::parse_address(config_->listen.llm);
  auto listener = address ? net_.listen(*address, tls_settings(*config_),
                                        [this](std::unique_ptr<io::Stream> stream) { llm_server_.accept(std::move(stream)); })
                          : Result<std::unique_ptr<io::Listener>>(std::unexpected(address.error()));
  if (!listener) {
    log_.error(fmt::format("the llm door cannot listen on {}: {}. Set [listen] llm, or --listen, to a free address.",
                           config_->listen.llm, listener.error().detail));
    exit_code_ = 1;
    loop_.stop();
    return;
  }
  llm_listener_ = std::move(*listener);
  serving_ = true;
  log_.info(fmt::format("outrigger {} is ready: llm door on {}, admin door on {}", options_.version,
                        io::to_string(llm_listener_->bound()), io::to_string(admin_listener_->bound())));
}

config::Loaded App::load() const {
  return options_.config_file.empty() ? config::from_upstream(options_.upstream, options_.environment)
                                      : config::load_file(options_.config_file, options_.environment);
}

std::string App::reload() {
  if (options_.config_file.empty()) return "There is no configuration file to read again.";
  const config::Loaded loaded = load();
  report(log_, loaded.diagnostics);
  if (loaded.config == nullptr) {
    log_.error("the configuration was not reloaded; the old one stays in force");
    std::string why = "Not reloaded.";
    for (const config::Diagnostic& diagnostic : loaded.diagnostics) {
      if (diagnostic.error) why += " " + config::to_string(diagnostic);
    }
    return why;
  }
  if (const std::string words = needs_restart(*config_, *loaded.config); !words.empty()) {
    log_.warning(fmt::format("changed, but only a restart puts it in force: {}", words));
  }
  const bool new_secret = loaded.config->cache.secret &&
                          (!config_->cache.secret || config_->cache.secret->text != loaded.config->cache.secret->text);
  config_ = loaded.config;
  door_.set_snapshot(std::make_shared<const proxy::Snapshot>(config_));
  if (new_secret) door_.set_secret(config_->cache.secret->text);
  admin_.set_access(io::is_loopback(admin_listener_->bound()), config_->admin_token ? config_->admin_token->text : std::string());
  llm_server_.set_limits(server_limits(*config_));
  log_.info("configuration reloaded");
  return {};
}

void App::drain() {
  if (draining_) {
    log_.warning("told to stop again: ending now");
    loop_.stop();
    return;
  }
  draining_ = true;
  log_.info(fmt::format("draining: {} connections, at most {} s", llm_server_.connections(),
                        std::chrono::duration_cast<std::chrono::seconds>(config_->drain).count()));
  llm_listener_.reset();
  llm_server_.drain();
  if (!serving_) return loop_.stop();
  llm_server_.when_idle([this] { loop_.stop(); });
  drain_limit_ = loop_.after(config_->drain, [this] {
    log_.warning(fmt::format("the drain time is over: {} connections are cut", llm_server_.connections()));
    loop_.stop();
  });
}

}  // namespace

int serve(const ServeOptions& options) {
  config::Loaded loaded = options.config_file.empty() ? config::from_upstream(options.upstream, options.environment)
                                                      : config::load_file(options.config_file, options.environment);
  for (const config::Diagnostic& diagnostic : loaded.diagnostics) {
    std::fprintf(stderr, "%s%s\n", diagnostic.error ? "" : "warning: ", config::to_string(diagnostic).c_str());
  }
  if (loaded.config == nullptr) return 1;
  if (!options.listen.empty()) {
    auto changed = std::make_shared<config::Config>(*loaded.config);
    changed->listen.llm = options.listen;
    loaded.config = changed;
  }
  std::fputs(config::summary(*loaded.config).c_str(), stderr);
  App app(options, loaded.config);
  return app.run();
}

namespace {

// One GET to the admin door, with an end.
class Probe final : private http::CallHandler {
 public:
  Probe(net::UvLoop& loop, net::UvNet& net, Rng& rng, const io::Address& address)
      : loop_(loop), client_({loop, net, rng}, {}), limit_(loop.after(2s, [this] { end("no answer within 2 s"); })) {
    http::RequestHead head;
    head.method = "GET";
    head.target = "/readyz";
    head.headers.add("Host", "localhost");
    call_ = client_.start({.address = address, .tls = {}, .proxy = {}}, head, {}, *this);
  }
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  void on_head(http::ResponseHead head) override {
    end(head.status == 200 ? "" : fmt::format("it answers {}: starting, draining, or not Outrigger", head.status));
  }
  void on_body(const Bytes&) override {}
  void on_end() override {}
  void on_error(Error error) override { end(fmt::format("{} {}", traits(error.code).name, error.detail)); }
  void on_drained() override {}
  void end(std::string problem) {
    problem_ = std::move(problem);
    loop_.stop();
  }

  net::UvLoop& loop_;
  http::Client client_;
  std::unique_ptr<http::Call> call_;
  io::Timer limit_;
  std::string problem_ = "no answer";
};

}  // namespace

int health(const std::string& config_file, const config::Environment& environment) {
  std::string admin = config::Listen{}.admin;
  if (!config_file.empty()) {
    const config::Loaded loaded = config::load_file(config_file, environment);
    if (loaded.config == nullptr) {
      for (const config::Diagnostic& diagnostic : loaded.diagnostics) {
        if (diagnostic.error) std::fprintf(stderr, "%s\n", config::to_string(diagnostic).c_str());
      }
      return 1;
    }
    admin = loaded.config->listen.admin;
  }
  auto address = io::parse_address(admin);
  if (!address) {
    std::fprintf(stderr, "%s\n", address.error().detail.c_str());
    return 1;
  }
  if (address->host == "0.0.0.0") address->host = "127.0.0.1";
  if (address->host == "::") address->host = "::1";
  net::UvLoop loop;
  net::UvNet net(loop);
  Rng rng(net::random_seed());
  Probe probe(loop, net, rng, *address);
  loop.run();
  if (probe.problem().empty()) {
    std::puts("ready");
    return 0;
  }
  std::fprintf(stderr, "not ready: the admin door at %s: %s\n", admin.c_str(), probe.problem().c_str());
  return 1;
}

}  // namespace outrigger::app
