#include "sim/settings.h"

#include <fstream>
#include <iterator>

#include "sim/dify/settings_read.h"
#include "sim/toml_reader.h"

namespace outrigger::sim_provider {
namespace {

constexpr std::int64_t k_many = 1'000'000'000;

void read_models(Reader& reader, std::vector<std::string>& to) {
  const toml::node* node = reader.named("models");
  if (node == nullptr) return;
  const toml::array* list = node->as_array();
  if (list == nullptr) return reader.report(*node, "`models` must be a list of names");
  for (const toml::node& item : *list) {
    const auto name = item.value_exact<std::string>();
    if (!name) return reader.report(item, "`models` must be a list of names");
    to.push_back(*name);
  }
}

void read_mode(Reader& reader, AnswerMode& to) {
  const toml::node* node = reader.named("answer");
  if (node == nullptr) return;
  const std::string name = node->value_or(std::string());
  if (name == "derived") {
    to = AnswerMode::derived;
  } else if (name == "echo") {
    to = AnswerMode::echo;
  } else if (name == "fixed") {
    to = AnswerMode::fixed;
  } else if (name == "size") {
    to = AnswerMode::size;
  } else {
    reader.report(*node, "`answer` must be \"derived\", \"echo\", \"fixed\" or \"size\"");
  }
}

void read_settings(const toml::table& table, const std::string& file, Settings& to, std::string& problem) {
  Reader reader(table, file, problem);
  reader.text("listen", to.listen);
  read_models(reader, to.models);
  reader.text("key", to.key);
  read_mode(reader, to.mode);
  reader.text("text", to.text);
  reader.size("size", to.size);
  reader.count("tokens", to.tokens, 1, 1'000'000);
  reader.duration("first_token", to.first_token);
  reader.duration("between_tokens", to.between_tokens);
  reader.count("dimensions", to.dimensions, 1, 65'536);
  reader.count("requests_per_minute", to.requests_per_minute, 1, k_many);
  reader.count("tokens_per_minute", to.tokens_per_minute, 1, k_many);
  reader.count("burst", to.burst, 1, k_many);
  reader.count("window_requests", to.window_requests, 1, 1'000'000);
  if (const toml::node* node = reader.named("window")) {
    reader.duration("window", to.window);
    if (to.window <= 0s) reader.report(*node, "`window` must be above 0");
  }
  reader.count("concurrency", to.concurrency, 1, k_many);
  reader.count("remember", to.remember, 0, 100'000);
  reader.size("remember_body", to.remember_body);
  reader.size("max_body", to.max_body);
  reader.flag("fast", to.fast);
  reader.count("events_per_write", to.events_per_write, 1, 100'000);
  if (const toml::node* node = reader.named("fault")) read_faults(*node, file, to.faults, problem);
  if (const toml::node* node = reader.named("dify")) to.dify = sim_dify::read_settings(*node, file, problem);
  reader.done();
}

}  // namespace

Result<Settings> settings_from_toml(std::string_view toml, const std::string& file_name) {
  auto table = parse_toml(toml, file_name);
  if (!table) return std::unexpected(table.error());
  Settings settings;
  std::string problem;
  read_settings(*table, file_name, settings, problem);
  if (!problem.empty()) return fail(ErrorCode::bad_config, std::move(problem));
  return settings;
}

Result<Settings> settings_from_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(ErrorCode::io_failed, path + ": the file cannot be read");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return settings_from_toml(text, path);
}

}  // namespace outrigger::sim_provider
