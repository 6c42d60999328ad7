#include <csignal>
#include <cstdio>

#include <fmt/format.h>
#include "app/app.h"
#include "app/instance.h"
#include "app/process.h"
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
  config::Loaded loaded = options.config_file.empty() ? config::from_upstream(options.upstream, options.environment)
                                                      : config::load_file(options.config_file, options.environment);
  if (loaded.config != nullptr && !options.listen.empty()) {
    auto changed = std::make_shared<config::Config>(*loaded.config);
    changed->listen.llm = options.listen;
    loaded.config = std::move(changed);
  }
  return loaded;
}

}  // namespace

int serve(const ServeOptions& options) {
  net::UvLoop loop;
  net::StderrLog log(loop);
  const config::Loaded loaded = load(options);
  report(log, loaded.diagnostics);
  if (loaded.config == nullptr) return 1;
  std::fputs(config::summary(*loaded.config).c_str(), stderr);
  if (const std::string warning = raise_descriptor_limit(loaded.config->limits.connections); !warning.empty()) {
    log.warning(warning);
  }

  net::UvNet net(loop);
  Rng rng(net::random_seed());
  const auto access = open_access_log(loop, loaded.config->log);
  if (!access) {
    log.error(fmt::format("the access log cannot be written: {}", access.error().detail));
    return 1;
  }
  int exit_code = 0;
  Instance instance({.world = {loop, net, rng},
                     .config = loaded.config,
                     .log = log,
                     .access = access->get(),
                     .load = [&options] { return load(options); },
                     .resident_bytes = resident_bytes,
                     .fresh_secret = net::random_secret(32),
                     .version = options.version},
                    [&](int code) {
                      exit_code = code;
                      loop.stop();
                    });
  const auto reload = [&instance] { static_cast<void>(instance.reload()); };
  const auto terminate = loop.on_signal(SIGTERM, [&] { instance.drain(); });
  const auto interrupt = loop.on_signal(SIGINT, [&] { instance.drain(); });
  const auto hang_up = loop.on_signal(SIGHUP, reload);
  std::unique_ptr<net::FileWatch> watch;
  if (!options.config_file.empty()) watch = std::make_unique<net::FileWatch>(loop, options.config_file, reload);
  instance.start();
  loop.run();
  return exit_code;
}

}  // namespace outrigger::app
