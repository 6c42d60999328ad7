#include <algorithm>
#include <csignal>
#include <cstdio>
#include <map>

#include <fmt/format.h>
#include "app/app.h"
#include "app/instance.h"
#include "app/prices.h"
#include "app/process.h"
#include "net/environment.h"
#include "net/file.h"
#include "net/log_sinks.h"
#include "net/random.h"
#include "net/service_manager.h"
#include "net/uv_loop.h"
#include "net/uv_net.h"

namespace outrigger::app {
namespace {

// Where access lines go: standard output, a file, or nowhere.
class AccessLog {
 public:
  explicit AccessLog(net::UvLoop& loop) : loop_(loop) {}

  // Null: nowhere. On an error all stays as it was.
  Result<obs::LineSink*> move(const config::Log& log) {
    std::unique_ptr<net::FdSink> next;
    if (log.access == "stdout") {
      next = std::make_unique<net::FdSink>(loop_, 1);
    } else if (log.access != "off") {
      auto opened = net::FdSink::open(loop_, log.access);
      if (!opened) return std::unexpected(opened.error());
      next = std::move(*opened);
    }
    sink_ = std::move(next);
    return sink_.get();
  }

  // After a rotation.
  void reopen(obs::Log& log) {
    if (sink_ == nullptr) return;
    if (const auto done = sink_->reopen(); done) {
      log.info("access log reopened");
    } else {
      log.error(fmt::format("the access log cannot be opened again, the old file stays in use: {}", done.error().detail));
    }
  }

 private:
  net::UvLoop& loop_;
  std::unique_ptr<net::FdSink> sink_;
};

std::string_view value_of(const config::Environment& environment, std::string_view name) {
  const auto found = environment.find(name);
  return found != environment.end() ? std::string_view(found->second) : std::string_view();
}

void tell(net::ServiceManager& manager, Phase phase, std::string_view words) {
  switch (phase) {
    case Phase::ready:
      return manager.ready(words);
    case Phase::reloading:
      return manager.reloading();
    case Phase::stopping:
      return manager.stopping(words);
  }
}

config::Loaded load(const ServeOptions& options) {
  if (options.config_file.empty()) return config::from_upstream(options.upstream, options.environment, options.listen);
  config::Loaded loaded = config::load_file(options.config_file, options.environment, options.listen);
  if (loaded.config == nullptr) return loaded;
  for (config::Diagnostic& warning : price_warnings(*loaded.config, options.config_file)) {
    loaded.diagnostics.push_back(std::move(warning));
  }
  return loaded;
}

// Reloads when the configuration, or a file that it takes a value from, changes: that is how keys rotate.
class Watches {
 public:
  Watches(net::UvLoop& loop, Instance& instance) : loop_(loop), instance_(instance) {}

  // A file that is watched already goes on being watched: between two watches a change could pass unseen.
  void watch(const std::string& config_file, std::vector<std::string> files) {
    if (config_file.empty()) return;
    files.push_back(config_file);
    std::erase_if(watches_, [&](const auto& entry) { return std::ranges::find(files, entry.first) == files.end(); });
    for (const std::string& file : files) {
      if (watches_.contains(file)) continue;
      watches_[file] = std::make_unique<net::FileWatch>(loop_, file, [this] { reload_soon(); });
    }
  }

 private:
  // Several files often change together, and one reload reads them all.
  static constexpr Duration k_together = 200ms;
  void reload_soon() {
    timer_ = loop_.after(k_together, [this] { static_cast<void>(instance_.reload()); });
  }

  net::UvLoop& loop_;
  Instance& instance_;
  std::map<std::string, std::unique_ptr<net::FileWatch>> watches_;
  io::Timer timer_;
};

}  // namespace

int serve(const ServeOptions& options) {
  net::UvLoop loop;
  net::StderrLog log(loop);
  const config::Loaded loaded = load(options);
  report(log, loaded.diagnostics);
  if (loaded.config == nullptr) return 1;
  std::fputs(config::summary(*loaded.config).c_str(), stderr);
  for (const std::string& warning : {open_files_warning(net::raise_open_files_limit(), loaded.config->limits.connections),
                                     memory_warning(memory_limit(), loaded.config->cache.memory)}) {
    if (!warning.empty()) log.warning(warning);
  }

  net::UvNet net(loop, &log);
  Instance* running = nullptr;
  net.on_refused([&running](const io::Address& at, std::string_view why, std::string_view words) {
    if (running != nullptr) running->note_refused(at, why, words);
  });
  Rng rng(net::random_seed());
  AccessLog access_log(loop);
  const auto access = access_log.move(loaded.config->log);
  if (!access) {  // somebody counts on it
    log.error(fmt::format("the access log cannot be written: {}", access.error().detail));
    return 1;
  }
  net::ServiceManager manager(loop, value_of(options.environment, "NOTIFY_SOCKET"),
                              value_of(options.environment, "WATCHDOG_USEC"));
  int exit_code = 0;
  Watches* watches = nullptr;
  Instance instance({.world = {loop, net, rng},
                     .config = loaded.config,
                     .log = log,
                     .access = *access,
                     .load =
                         [&] {
                           config::Loaded again = load(options);
                           // A file named by an invalid configuration may be what has to change: watch it as well.
                           if (watches != nullptr) watches->watch(options.config_file, again.files);
                           return again;
                         },
                     .move_access_log = [&](const config::Log& to) { return access_log.move(to); },
                     .on_phase = [&](Phase phase, std::string_view words) { tell(manager, phase, words); },
                     .resident_bytes = resident_bytes,
                     .fresh_secret = net::random_secret(32),
                     .version = options.version},
                    [&](int code) {
                      exit_code = code;
                      loop.stop();
                    });
  running = &instance;
  Watches watched(loop, instance);
  watched.watch(options.config_file, loaded.files);
  watches = &watched;
  const auto terminate = loop.on_signal(SIGTERM, [&] { instance.stop(); });
  const auto interrupt = loop.on_signal(SIGINT, [&] { instance.stop(); });
  const auto rotated = loop.on_signal(SIGUSR1, [&] { access_log.reopen(log); });
  const auto hang_up = loop.on_signal(SIGHUP, [&] { static_cast<void>(instance.reload()); });
  instance.start();
  loop.run();
  return exit_code;
}

}  // namespace outrigger::app
