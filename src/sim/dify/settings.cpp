#include "sim/dify/settings.h"

#include <array>
#include <set>
#include <utility>

#include "sim/dify/settings_read.h"
#include "sim/toml_reader.h"

namespace outrigger::sim_dify {
namespace {

using sim_provider::Reader;

constexpr std::int64_t k_many = 1'000'000'000;
constexpr std::array k_modes{
    std::pair{Mode::chat, std::string_view("chat")},
    std::pair{Mode::agent_chat, std::string_view("agent-chat")},
    std::pair{Mode::advanced_chat, std::string_view("advanced-chat")},
    std::pair{Mode::completion, std::string_view("completion")},
    std::pair{Mode::workflow, std::string_view("workflow")},
};

App read_app(const toml::table& table, const std::string& file, std::string& problem) {
  App app;
  Reader reader(table, file, problem);
  reader.text("key", app.key);
  reader.text("id", app.id);
  reader.text("name", app.name);
  std::string mode = "chat";
  reader.text("mode", mode);
  if (const auto known = mode_from(mode)) {
    app.mode = *known;
  } else {
    reader.report(table, "`mode` must be \"chat\", \"agent-chat\", \"advanced-chat\", \"completion\" or \"workflow\"");
  }
  reader.duration("think", app.think);
  reader.duration("between_tokens", app.between_tokens);
  reader.count("tokens", app.tokens, 1, 1'000'000);
  reader.count("max_active", app.max_active, 1, k_many);
  reader.flag("rare", app.rare);
  reader.flag("pauses", app.pauses);
  reader.done();
  if (app.key.empty()) reader.report(table, "an app needs a `key`");
  if (app.name.empty()) app.name = name(app.mode);
  return app;
}

void read_apps(Reader& reader, const std::string& file, Settings& to, std::string& problem) {
  const toml::node* node = reader.named("app");
  if (node == nullptr) return;
  const toml::array* list = node->as_array();
  if (list == nullptr || (!list->empty() && !list->is_homogeneous<toml::table>())) {
    return reader.report(*node, "`app` must be written as [[dify.app]]");
  }
  std::set<std::string> keys;
  for (const toml::node& item : *list) {
    to.apps.push_back(read_app(*item.as_table(), file, problem));
    if (!keys.insert(to.apps.back().key).second) reader.report(item, "two apps have the same `key`");
  }
}

void read_llm(Reader& reader, std::optional<Settings::Llm>& to) {
  Settings::Llm llm;
  std::string url;
  reader.text("llm", url);
  reader.text("llm_model", llm.model);
  reader.text("llm_key", llm.key);
  if (url.empty()) return;
  constexpr std::string_view k_scheme = "http://";
  const std::string rest = url.starts_with(k_scheme) ? url.substr(k_scheme.size()) : std::string();
  llm.host = rest.substr(0, rest.find('/'));
  llm.path = rest.substr(llm.host.size());
  while (llm.path.ends_with('/')) llm.path.pop_back();
  const bool has_port = llm.host.rfind(':') != std::string::npos && !llm.host.ends_with(']');
  auto address = io::parse_address(has_port ? llm.host : llm.host + ":80");
  if (llm.host.empty() || !address)
    return reader.report(*reader.named("llm"), "`llm` must be an address such as \"http://127.0.0.1:8080/v1\"");
  llm.address = std::move(*address);
  to = std::move(llm);
}

}  // namespace

std::string_view name(Mode mode) {
  for (const auto& [known, text] : k_modes) {
    if (known == mode) return text;
  }
  return "";
}

std::optional<Mode> mode_from(std::string_view name) {
  for (const auto& [known, text] : k_modes) {
    if (text == name) return known;
  }
  return std::nullopt;
}

Settings read_settings(const toml::node& node, const std::string& file, std::string& problem) {
  Settings to;
  const toml::table* table = node.as_table();
  if (table == nullptr) {
    if (problem.empty()) problem = sim_provider::place(file, node.source()) + ": `dify` must be written as [dify]";
    return to;
  }
  Reader reader(*table, file, problem);
  reader.text("listen", to.listen);
  reader.text("admin_listen", to.admin_listen);
  read_llm(reader, to.llm);
  read_apps(reader, file, to, problem);
  reader.text("dataset_key", to.dataset_key);
  reader.count("connections", to.connections, 1, k_many);
  std::string over = "wait";
  reader.text("over", over);
  if (over == "429") {
    to.over = Over::refuse;
  } else if (over != "wait") {
    reader.report(node, "`over` must be \"wait\" or \"429\"");
  }
  reader.duration("keep_alive", to.keep_alive);
  reader.duration("think", to.think);
  reader.duration("between_tokens", to.between_tokens);
  reader.count("tokens", to.tokens, 1, 1'000'000);
  reader.duration("ping", to.ping);
  if (to.ping < 1ms) reader.report(node, "`ping` must be at least 1ms");
  reader.size("max_upload", to.max_upload);
  reader.count("remember", to.remember, 0, 100'000);
  reader.size("remember_body", to.remember_body);
  if (const toml::node* faults = reader.named("fault")) sim_provider::read_faults(*faults, file, to.faults, problem);
  reader.done();
  return to;
}

}  // namespace outrigger::sim_dify
