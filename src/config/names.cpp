// What several sections share: names, patterns, headers, references between sections, PEM texts.
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

// Framing and hop-by-hop fields are the HTTP side's business.
constexpr std::array<std::string_view, 12> k_own_headers{
    "host",    "content-length", "transfer-encoding", "connection",          "keep-alive",      "te", "trailer",
    "upgrade", "expect",         "proxy-connection",  "proxy-authorization", "content-encoding"};
constexpr std::size_t k_max_headers = 32;

// RFC 9110 token.
bool is_field_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool is_field_value(std::string_view value) {
  return std::none_of(value.begin(), value.end(), [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; });
}

// v1, v2, v1beta, v4, …
bool is_version(std::string_view word) { return word.size() >= 2 && word[0] == 'v' && word[1] >= '0' && word[1] <= '9'; }

}  // namespace

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

std::string field_problem(std::string_view name, std::string_view value) {
  if (!is_field_name(name)) return "is not the name of a header; letters, digits and `-` can be used";
  if (std::find(k_own_headers.begin(), k_own_headers.end(), lower(name)) != k_own_headers.end()) {
    return "is set by outrigger itself; take it out";
  }
  if (!is_field_value(value)) return "has a line break or a control character in its value; write one line";
  return {};
}

std::vector<std::pair<std::string, Secret>> read_headers(
    TableReader& owner, const std::function<std::string(std::string_view, std::string_view)>& problem_of) {
  std::vector<std::pair<std::string, Secret>> read;
  const Node* node = owner.table("headers");
  if (node == nullptr) return read;
  TableReader headers(owner.context(), *node, fmt::format("the headers of {}", owner.where()));
  if (node->members.size() > k_max_headers) {
    owner.context().error(node->place, fmt::format("there may be at most {} headers; take some out", k_max_headers));
    return read;
  }
  for (const Member& member : node->members) {
    const auto value = headers.text(member.key);
    if (!value) continue;
    const std::string problem = problem_of(member.key, value->value);
    if (problem.empty()) {
      read.emplace_back(member.key, value->secret());
    } else {
      owner.context().error(member.place, fmt::format("`{}` in {} {}", member.key, headers.where(), problem));
    }
  }
  return read;
}

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
