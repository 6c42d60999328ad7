// The command line. Everything it can do is in app/, config/ and admin/; nothing here is shared with the tests.
#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <optional>

#include "admin/explain.h"
#include "app/app.h"
#include "app/prices.h"
#include "config/reference.h"
#include "net/environment.h"

namespace {

namespace config = outrigger::config;

void print(const std::vector<config::Diagnostic>& diagnostics) {
  for (const config::Diagnostic& diagnostic : diagnostics) {
    std::fprintf(stderr, "%s\n", config::to_string(diagnostic).c_str());
  }
}

int check(const std::string& file) {
  const config::Loaded loaded = config::load_file(file, outrigger::net::environment());
  print(loaded.diagnostics);
  if (loaded.config == nullptr) return 1;
  print(outrigger::app::price_warnings(*loaded.config, file));
  std::fputs(config::summary(*loaded.config).c_str(), stdout);
  return 0;
}

int explain(const std::string& file, const std::string& path, const std::vector<std::string>& fields) {
  const config::Loaded loaded = config::load_file(file, outrigger::net::environment());
  print(loaded.diagnostics);
  if (loaded.config == nullptr) return 1;
  outrigger::http::Headers headers;
  for (const std::string& field : fields) {
    const std::size_t colon = field.find(':');
    if (colon == std::string::npos) {
      std::fprintf(stderr, "--header takes \"Name: value\", not \"%s\"\n", field.c_str());
      return 1;
    }
    const std::size_t value = std::min(field.find_first_not_of(' ', colon + 1), field.size());
    headers.add(std::string_view(field).substr(0, colon), std::string_view(field).substr(value));
  }
  const std::string body{std::istreambuf_iterator<char>(std::cin), {}};
  const outrigger::proxy::Snapshot snapshot(loaded.config);
  // Without a secret in the file the running instances agree on one of their own; then keys compare among each other only.
  const outrigger::chat::KeyMaker keys(loaded.config->cache.secret ? loaded.config->cache.secret->text : "");
  const auto explanation = outrigger::admin::explain(snapshot, keys, path, headers, body);
  std::fputs(outrigger::admin::to_json(explanation, {}, nullptr, {}).c_str(), stdout);
  return 0;
}

std::optional<outrigger::Duration> seconds_of(std::string_view text) {
  if (text.ends_with('s')) text.remove_suffix(1);
  double value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size() || !(value >= 0.1 && value <= 3600)) return std::nullopt;
  return std::chrono::duration_cast<outrigger::Duration>(std::chrono::duration<double>(value));
}

}  // namespace

int main(int argc, char** argv) {
  outrigger::net::keep_standard_descriptors();
  CLI::App app("Outrigger: a caching and resilience proxy that stands beside Dify.", "outrigger");
  app.require_subcommand(1);
  std::string config_file;
  std::string upstream;
  std::string listen;
  std::string path = "/v1/chat/completions";
  std::vector<std::string> headers;
  std::string url;
  std::string interval = "1s";
  bool once = false;

  CLI::App* serve = app.add_subcommand("serve", "Run.");
  serve->add_option("--config", config_file, "The TOML file (conf/outrigger.toml explains every key).");
  serve->add_option("--listen", listen, "Address of the llm door, over the file's (default 0.0.0.0:8080).");
  serve->add_option("--upstream", upstream, "Without a file: the provider's base URL, such as https://api.openai.com/v1.");
  CLI::App* check_command = app.add_subcommand("check", "Check a configuration file.");
  check_command->add_option("--config", config_file)->required();
  CLI::App* explain_command = app.add_subcommand("explain", "What the cache thinks of a request body (standard input).");
  explain_command->add_option("--config", config_file)->required();
  explain_command->add_option("--path", path, "The path as a client would send it.")->capture_default_str();
  explain_command->add_option("--header", headers, "\"Name: value\", as a client would send it; repeatable.");
  CLI::App* health = app.add_subcommand("health", "Is the running instance ready? For container probes.");
  health->add_option("--config", config_file);
  CLI::App* top = app.add_subcommand("top", "What the running instance is doing, in the terminal. Ends with q or Ctrl-C.");
  top->add_option("--config", config_file, "Its file: says where its admin door is, and the token.");
  top->add_option("--url", url, "Or its admin door's URL; the token is then in OUTRIGGER_ADMIN_TOKEN.");
  top->add_option("--interval", interval, "Between two looks, in seconds: 1 or 0.5s.")->capture_default_str();
  top->add_flag("--once", once, "Print once.");
  CLI::App* reference = app.add_subcommand("reference", "Print every key of the configuration, as Markdown.");
  CLI::App* version = app.add_subcommand("version", "Print the version.");
  app.set_version_flag("--version", "outrigger " OUTRIGGER_VERSION);
  app.failure_message(CLI::FailureMessage::help);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // the argument library's way; 2 is the usual code for wrong usage
    return app.exit(error) == 0 ? 0 : 2;
  }

  if (*version) {
    std::puts("outrigger " OUTRIGGER_VERSION);
    return 0;
  }
  if (*reference) {
    std::fputs(config::reference_markdown().c_str(), stdout);
    return 0;
  }
  if (*check_command) return check(config_file);
  if (*explain_command) return explain(config_file, path, headers);
  if (*health) return outrigger::app::health(config_file, outrigger::net::environment());
  if (*top) {
    const auto length = seconds_of(interval);
    if (!length) {
      std::fputs("outrigger top: --interval takes seconds between 0.1 and 3600, such as 2 or 0.5s\n", stderr);
      return 1;
    }
    return outrigger::app::top({config_file, url, *length, once, outrigger::net::environment()});
  }
  if (*serve) {
    if (config_file.empty() == upstream.empty()) {
      std::fputs(
          config_file.empty()
              ? "outrigger serve: say where the model provider is: --upstream https://api.openai.com/v1, or --config FILE\n"
              : "outrigger serve: --config and --upstream exclude each other: put the URL into the file\n",
          stderr);
      return 1;
    }
    return outrigger::app::serve({config_file, upstream, listen, outrigger::net::environment(), OUTRIGGER_VERSION});
  }
  return 1;
}
