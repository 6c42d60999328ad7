// outrigger-sim: the simulated provider on real sockets, and a simulated Dify if the settings want one. Prints one line when it listens; ends at once at SIGTERM or SIGINT.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <optional>
#include <string>

#include "net/environment.h"
#include "net/random.h"
#include "net/uv_loop.h"
#include "net/uv_net.h"
#include "sim/dify/door.h"
#include "sim/provider.h"

namespace {

using outrigger::sim_provider::Provider;
using outrigger::sim_provider::Settings;

int complain(const outrigger::Error& error) {
  std::fprintf(stderr, "outrigger-sim: %s\n", error.detail.c_str());
  return 1;
}

int run(const Settings& settings, bool port_only) {
  outrigger::net::raise_open_files_limit();
  outrigger::net::UvLoop loop;
  outrigger::net::UvNet net(loop);
  outrigger::Rng rng(outrigger::net::random_seed());
  Provider provider({loop, net, rng}, settings);
  const auto bound = provider.listen();
  if (!bound) return complain(bound.error());
  std::optional<outrigger::sim_dify::Door> dify;
  std::string dify_lines;
  if (settings.dify) {
    dify.emplace(outrigger::io::World{loop, net, rng}, *settings.dify);
    const auto door = dify->listen();
    if (!door) return complain(door.error());
    dify_lines = "dify listening on " + outrigger::io::to_string(*door) + "\n";
    if (!settings.dify->admin_listen.empty()) {
      const auto admin = dify->listen_admin();
      if (!admin) return complain(admin.error());
      dify_lines += "dify admin listening on " + outrigger::io::to_string(*admin) + "\n";
    }
  }
  const auto on_term = loop.on_signal(SIGTERM, [&] { loop.stop(); });
  const auto on_int = loop.on_signal(SIGINT, [&] { loop.stop(); });
  if (port_only) {
    std::printf("%u\n", static_cast<unsigned>(bound->port));
  } else {
    std::printf("listening on %s\n", outrigger::io::to_string(*bound).c_str());
  }
  std::fflush(stdout);  // whoever started this waits for the line
  std::fputs(dify_lines.c_str(), stderr);
  loop.run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  outrigger::net::keep_standard_descriptors();
  CLI::App app(
      "A simulated model provider (OpenAI's, Anthropic's and rerankers' wires), and with a [dify] table a simulated Dify, "
      "for demos, "
      "tests and benchmarks.",
      "outrigger-sim");
  std::string config_file;
  std::string listen;
  bool port_only = false;
  bool fast = false;
  app.footer(
      "It can be slow, limited and broken: see conf/sim.toml for keys, rate and concurrency limits, and the schedule of\n"
      "faults. While it runs: GET /sim/stats (what it was asked), POST /sim/reset, POST /sim/faults (a new schedule), "
      "/sim/echo.");
  app.add_option("--config", config_file, "The TOML file (conf/sim.toml explains every key).");
  app.add_option("--listen", listen, "Address, over the file's (default 127.0.0.1:9999; port 0: the kernel chooses).");
  app.add_flag("--print-port", port_only, "Print the port alone instead of \"listening on ADDRESS\".");
  app.add_flag("--fast", fast, "No waits, answers made once: for benchmarks.");
  CLI11_PARSE(app, argc, argv);

  Settings settings;
  if (!config_file.empty()) {
    auto read = outrigger::sim_provider::settings_from_file(config_file);
    if (!read) return complain(read.error());
    settings = std::move(*read);
  }
  if (!listen.empty()) settings.listen = listen;
  if (fast) settings.fast = true;
  return run(settings, port_only);
}
