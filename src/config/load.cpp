// From bytes to a snapshot: parse, read the sections in order, and look at the whole.
#include <fmt/format.h>

#include "config/changes.h"
#include "config/config.h"
#include "config/sections.h"
#include "config/url.h"

namespace outrigger::config {
namespace {

// Where the first upstream with keys says so.
Place place_of_keys(TableReader& top) {
  const Member* upstreams = top.find("upstream");
  if (upstreams == nullptr) return {};
  for (const Node& upstream : upstreams->value.items) {
    if (const Member* keys = upstream.find("keys")) return keys->place;
  }
  return {};
}

// Keys that outrigger puts in for its clients are money.
void check_open_door(TableReader& top, const Config& config) {
  std::string error;
  const auto llm = parse_door(config.listen.llm, error);
  if (!llm || llm->loopback || !config.clients.empty()) return;
  for (const Upstream& upstream : config.upstreams) {
    if (upstream.keys.empty()) continue;
    top.context().warning(
        place_of_keys(top),
        fmt::format("ANYBODY who reaches {} spends the keys of the upstream `{}`, because there is no [[client]]; add one "
                    "per caller, or listen on 127.0.0.1 or on a network that only Dify is on",
                    config.listen.llm, upstream.name));
    return;
  }
}

// The address of the command line, which has no place in the file.
void override_llm(Context& context, std::string_view llm, Config& config) {
  std::string error;
  if (llm.empty()) return;
  if (parse_door(llm, error)) {
    config.listen.llm = llm;
  } else {
    context.error({}, fmt::format("--listen cannot be \"{}\": {}", llm, error));
  }
}

Config read_config(Context& context, const Node& root, std::string_view llm) {
  Config config;
  TableReader top(context, root, "the top level");
  read_edge(top, config);
  read_cache(top, config);
  read_redis(top, config);
  read_upstreams(top, config);
  read_dify(top, config);
  read_models(top, config);
  read_targets(top, config);
  read_routes(top, config);
  read_clients(top, config);
  read_apps(top, config);
  read_trace(top, config);
  override_llm(context, llm, config);
  check_open_door(top, config);
  top.finish();
  return config;
}

Loaded load_node(const Node& root, const std::string& file, const Environment& environment, std::string_view llm) {
  Context context(file, environment);
  Config config = read_config(context, root, llm);
  config.settings = settings_of(root, context);
  Loaded loaded;
  if (!context.failed()) loaded.config = std::make_shared<const Config>(std::move(config));
  loaded.diagnostics = context.take_diagnostics();
  loaded.files = context.take_files();
  return loaded;
}

Loaded failure(const std::string& file, Place place, std::string message) {
  Loaded loaded;
  loaded.diagnostics.push_back({file, place.line, place.column, true, std::move(message)});
  return loaded;
}

Node text_node(std::string_view text) {
  Node node;
  node.kind = Node::Kind::string;
  node.text = text;
  return node;
}

}  // namespace

Loaded load_text(std::string_view toml, const std::string& file_name, const Environment& environment, std::string_view llm) {
  SyntaxError error;
  const auto root = parse_document(toml, error);
  if (!root) return failure(file_name, error.place, std::move(error.message));
  return load_node(*root, file_name, environment, llm);
}

Loaded load_file(const std::string& path, const Environment& environment, std::string_view llm) {
  std::string problem;
  const auto text = read_file(path, problem);
  if (!text)
    return failure(path, {},
                   fmt::format("the file {}; name one with --config, or use --upstream URL without a file", problem));
  return load_text(*text, path, environment, llm);
}

Loaded from_upstream(std::string_view url, const Environment& environment, std::string_view llm) {
  Node upstream;
  upstream.members.push_back({"url", {}, text_node(url)});
  Node list;
  list.kind = Node::Kind::array;
  list.items.push_back(std::move(upstream));
  Node root;
  root.members.push_back({"upstream", {}, std::move(list)});
  return load_node(root, "--upstream", environment, llm);
}

}  // namespace outrigger::config
