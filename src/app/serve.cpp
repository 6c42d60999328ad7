#include <csignal>
#include <cstdio>

#include <fmt/format.h>
#include "app/app.h"
#include "app/instance.h"
#include "app/process.h"
#include "net/environment.h"
#include "net/file.h"
#include "net/log_sinks.h"
#include "net/random.h"
#include "net/uv_loop.h"
#include "net/uv_net.h"

namespace outrigger::app {
namespace {

// Null: no access log. A file that cannot be opened ends the start: somebody counts on it.
Result<std::unique_ptr<net::FdSink>> open_access_log(net::UvLoop& loop, const config::Log& log) {
  if (log.access == "off") return nullptr;
  if (log.access == "stdout") return std::make_unique<net::FdSink>(loop, 1);
  return net::FdSink::open(loop, log.access);
}

config::Loaded load(const ServeOptions& options) {
  return options.config_file.empty() ? config::from_upstream(options.upstream, options.environment, options.listen)
                                     : config::load_file(options.config_file, options.environment, options.listen);
}

// Reloads when the configuration, or a file that it takes a value from, changes: that is how keys rotate.
class Watches {
 public:
  Watches(net::UvLoop& loop, Instance& instance) : loop_(loop), instance_(instance) {}

  void watch(const std::string& config_file, const std::vector<std::string>& files) {
    watches_.clear();
    if (config_file.empty()) return;
    add(config_file);
    for (const std::string& file : files) add(file);
  }

 private:
  void add(const std::string& path) {
    watches_.push_back(std::make_unique<net::FileWatch>(loop_, path, [this] { static_cast<void>(instance_.reload()); }));
  }

  net::UvLoop& loop_;
  Instance& instance_;
  std::vector<std::unique_ptr<net::FileWatch>> watches_;
};

}  // namespace

int serve(const ServeOptions& options) {
  net::UvLoop loop;
  net::StderrLog log(loop);
  const config::Loaded loaded = load(options);
  report(log, loaded.diagnostics);
  if (loaded.config == nullptr) return 1;
  std::fputs(config::summary(*loaded.config).c_str(), stderr);
  const std::string warning = open_files_warning(net::raise_open_files_limit(), loaded.config->limits.connections);
  if (!warning.empty()) log.warning(warning);

  net::UvNet net(loop, &log);
  Rng rng(net::random_seed());
  const auto access = open_access_log(loop, loaded.config->log);
  if (!access) {
    log.error(fmt::format("the access log cannot be written: {}", access.error().detail));
    return 1;
  }
  int exit_code = 0;
  Watches* watches = nullptr;
  Instance instance({.world = {loop, net, rng},
                     .config = loaded.config,
                     .log = log,
                     .access = access->get(),
                     .load =
                         [&] {
                           config::Loaded again = load(options);
                           // A file named by an invalid configuration may be what has to change: watch it as well.
                           if (watches != nullptr) watches->watch(options.config_file, again.files);
                           return again;
                         },
                     .resident_bytes = resident_bytes,
                     .fresh_secret = net::random_secret(32),
                     .version = options.version},
                    [&](int code) {
                      exit_code = code;
                      loop.stop();
                    });
  Watches watched(loop, instance);
  watched.watch(options.config_file, loaded.files);
  watches = &watched;
  const auto terminate = loop.on_signal(SIGTERM, [&] { instance.drain(); });
  const auto interrupt = loop.on_signal(SIGINT, [&] { instance.drain(); });
  const auto hang_up = loop.on_signal(SIGHUP, [&] { static_cast<void>(instance.reload()); });
  instance.start();
  loop.run();
  return exit_code;
}

}  // namespace outrigger::app
