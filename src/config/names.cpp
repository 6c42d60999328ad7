// What several sections share: names, patterns, references between sections, PEM texts.
#include "config/sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/suggest.h"

namespace outrigger::config {
namespace {

// First segments of the paths of the OpenAI, Anthropic, Cohere, Jina and Ollama APIs, with or without their version in front.
constexpr std::array<std::string_view, 38> k_api_words{
    "api",         "assistants",    "audio",         "batches",  "beta",       "chat",     "complete",
    "completions", "containers",    "conversations", "embed",    "embeddings", "engines",  "evals",
    "files",       "fine-tuning",   "fine_tuning",   "generate", "images",     "messages", "models",
    "moderations", "organization",  "organizations", "ocr",      "paas",       "realtime", "rerank",
    "responses",   "score",         "speech",        "tags",     "threads",    "tokenize", "uploads",
    "usage",       "vector_stores", "videos"};

// v1, v2, v1beta, v4, …
bool is_version(std::string_view word) { return word.size() >= 2 && word[0] == 'v' && word[1] >= '0' && word[1] <= '9'; }

}  // namespace

bool is_api_word(std::string_view word) {
  return is_version(word) || std::find(k_api_words.begin(), k_api_words.end(), word) != k_api_words.end();
}

bool Names::add(Context& context, const Text& name, std::string_view key) {
  const auto [at, is_new] = places_.emplace(name.value, name.place);
  if (is_new) return true;
  context.error(name.place, fmt::format("the {} `{}` stands in {} on line {} already; write another, or make one of the two",
                                        key, name.value, section_, at->second.line));
  return false;
}

const Upstream* named_upstream(Context& context, const Config& config, Place place, std::string_view key,
                               std::string_view name) {
  const Upstream* upstream = config.upstream_named(name);
  if (upstream != nullptr) return upstream;
  std::vector<std::string_view> names;
  for (const Upstream& known : config.upstreams) {
    if (!known.name.empty()) names.push_back(known.name);
  }
  std::string hint = did_you_mean(name, names);
  if (hint.empty() && names.empty()) hint = "; there is no [[upstream]] yet";
  if (hint.empty()) {
    hint = "; there are ";
    for (const std::string_view known : names) hint += fmt::format("{}`{}`", known == names.front() ? "" : ", ", known);
  }
  context.error(place, fmt::format("`{}` names the upstream `{}`, which is not there{}", key, name, hint));
  return nullptr;
}

TargetName split_target(std::string_view target) {
  const std::size_t colon = target.find(':');
  if (colon == std::string_view::npos) return {target, std::nullopt};
  return {target.substr(0, colon), target.substr(colon + 1)};
}

const Upstream* check_target(Context& context, const Config& config, const Text& target, std::string_view key) {
  const auto [upstream_name, model] = split_target(target.value);
  const Upstream* upstream = named_upstream(context, config, target.place, key, upstream_name);
  if (upstream == nullptr || !model || !model->empty()) return upstream;
  context.error(target.place, fmt::format("`{}` ends with a colon; write \"upstream:model\", or \"upstream\" alone", key));
  return nullptr;
}

bool is_glob(std::string_view text) { return text.find_first_of("*?") != std::string_view::npos; }

bool shadows(std::string_view earlier, std::string_view later) {
  const bool unsure = earlier.find('?') != std::string_view::npos && later.find('*') != std::string_view::npos;
  return !unsure && glob_matches(earlier, later);
}

std::optional<Text> read_pem(TableReader& table, std::string_view key, std::string_view kind) {
  auto text = table.text(key);
  if (!text) return std::nullopt;
  const std::size_t begin = text->value.find("-----BEGIN ");
  if (begin != std::string::npos && text->value.find(fmt::format("{}-----", kind), begin) != std::string::npos) return text;
  const bool is_path = text->is_inline() && text->value.starts_with('/');
  table.context().error(text->place,
                        is_path ? fmt::format("`{}` needs \"file:\" in front of a path; write \"file:{}\"", key, text->value)
                                : fmt::format("`{}` holds no PEM block `{}`; write \"file:/path/to/file.pem\"", key, kind));
  return std::nullopt;
}

}  // namespace outrigger::config
