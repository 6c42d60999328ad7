// Rerank in Jina's shape (/v1/rerank, /rerank) and in Cohere's (/v2/rerank).
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <utility>

#include "sim/answers.h"
#include "sim/delivery.h"
#include "sim/hash.h"
#include "sim/json.h"
#include "sim/prose.h"

namespace outrigger::sim_provider {
namespace {

using Words = std::set<std::string>;

Words words_of(std::string_view text) {
  Words words;
  for (std::string_view token : tokens_of(text)) {
    if (token.starts_with(' ')) token.remove_prefix(1);
    std::string word(token);
    std::ranges::transform(word, word.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (word.size() > 1) words.insert(std::move(word));
  }
  return words;
}

// From 0 to 1: mostly how many of the query's words are in the document; a little is chance, by both texts.
double score(const Words& query, std::string_view query_text, std::string_view document) {
  const Words words = words_of(document);
  const auto shared = std::ranges::count_if(query, [&](const std::string& word) { return words.contains(word); });
  const double overlap = query.empty() ? 0 : static_cast<double>(shared) / static_cast<double>(query.size());
  const double chance = static_cast<double>(stable_hash(document, stable_hash(query_text)) % 1000) / 1000.0;
  return 0.9 * overlap + 0.1 * chance;
}

struct Ranked {
  std::size_t index;
  double score;
};

std::vector<Ranked> rank(const Ask& ask) {
  const Words query = words_of(ask.question);
  std::vector<Ranked> ranked;
  for (std::size_t i = 0; i < ask.inputs.size(); ++i) ranked.push_back({i, score(query, ask.question, ask.inputs[i])});
  std::ranges::stable_sort(ranked, std::ranges::greater{}, &Ranked::score);
  if (ask.top_n && *ask.top_n < ranked.size()) ranked.resize(*ask.top_n);
  return ranked;
}

std::string results_json(const Ask& ask, bool documents, const Fault& fault) {
  std::string json;
  if (fault.empty) return json;
  for (const Ranked& one : rank(ask)) {
    json += fmt::format(R"({}{{"index":{},"relevance_score":{:.6f})", json.empty() ? "" : ",", one.index, one.score);
    if (documents) json += fmt::format(R"(,"document":{{"text":{}}})", json_quoted(ask.inputs[one.index]));
    json += '}';
  }
  return json;
}

}  // namespace

Spoken answer_rerank(const Ask& ask, Wire wire, const Settings& settings, const Fault& fault, const Stamp& stamp) {
  std::string body;
  if (wire == Wire::cohere) {
    body = fmt::format(R"({{"id":"{}","results":[{}])", stamp.id, results_json(ask, false, fault));
    if (!fault.no_usage) body += R"(,"meta":{"api_version":{"version":"2"},"billed_units":{"search_units":1}})";
  } else {
    body = fmt::format(R"({{"model":{},"object":"list")", json_quoted(ask.model));
    if (!fault.no_usage) body += fmt::format(R"(,"usage":{{"total_tokens":{0},"prompt_tokens":{0}}})", ask.prompt_tokens);
    body += fmt::format(R"(,"results":[{}])", results_json(ask, ask.return_documents, fault));
  }
  return {blocking(body + "}", 1, settings, fault), ask.prompt_tokens, 0};
}

}  // namespace outrigger::sim_provider
