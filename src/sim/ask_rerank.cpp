// Rerank: Jina's and Cohere's bodies differ in no member that matters here.
#include "sim/ask_parts.h"

namespace outrigger::sim_provider {
namespace {

constexpr std::size_t k_max_documents = 10'000;

// A document is a text, or an object with one.
std::string document_text(yyjson_val* document) {
  return std::string(yyjson_is_str(document) ? text_of(document) : text_at(document, "text"));
}

}  // namespace

std::optional<BadAsk> read_rerank(yyjson_val* root, Ask& ask) {
  yyjson_val* query = yyjson_obj_get(root, "query");
  ask.question = document_text(query);
  if (ask.question.empty()) return BadAsk{"Missing required parameter: 'query'.", "query"};
  say(ask, ask.question);
  yyjson_arr_iter list = yyjson_arr_iter_with(yyjson_obj_get(root, "documents"));
  while (yyjson_val* document = yyjson_arr_iter_next(&list)) {
    if (ask.inputs.size() > k_max_documents) break;
    ask.inputs.push_back(document_text(document));
    say(ask, ask.inputs.back());
  }
  if (ask.inputs.empty() || ask.inputs.size() > k_max_documents) {
    return BadAsk{"'documents' must be a list of 1 to 10000 texts.", "documents"};
  }
  yyjson_val* most = yyjson_obj_get(root, "top_n");
  if (yyjson_is_uint(most)) ask.top_n = yyjson_get_uint(most);
  if ((most != nullptr && !yyjson_is_null(most) && !ask.top_n) || ask.top_n == 0u) {
    return BadAsk{"'top_n' must be a number from 1 up.", "top_n"};
  }
  ask.return_documents = !yyjson_is_false(yyjson_obj_get(root, "return_documents"));
  return std::nullopt;
}

}  // namespace outrigger::sim_provider
