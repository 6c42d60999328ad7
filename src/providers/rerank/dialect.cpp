#include "providers/rerank/dialect.h"

#include "providers/json_doc.h"
#include "providers/openai/chunk.h"
#include "providers/rerank/request.h"
#include "providers/whole_body.h"

namespace outrigger::providers::rerank {
namespace {

using enum chat::NoStoreReason;

bool is_result(yyjson_val* value) {
  if (!whole_number_of(member(value, "index"))) return false;
  return number_of(member(value, "relevance_score")) || number_of(member(value, "score"));
}

std::optional<chat::NoStoreReason> judge(yyjson_val* root) {
  if (openai::is_error(root)) return error_in_answer;
  yyjson_val* results = root;
  if (yyjson_is_obj(root)) {
    results = member(root, "results");
    if (results == nullptr) results = member(root, "data");
  }
  if (!yyjson_is_arr(results)) return not_understood;
  // Right for no documents, and what a server in trouble sends for any. To ask again costs little.
  if (yyjson_get_len(results) == 0) return empty;
  yyjson_arr_iter iterator = yyjson_arr_iter_with(results);
  while (yyjson_val* result = yyjson_arr_iter_next(&iterator)) {
    if (!is_result(result)) return not_understood;
  }
  return std::nullopt;
}

}  // namespace

const Dialect& dialect() {
  static const WholeBodyDialect dialect(k_shape, judge);
  return dialect;
}

}  // namespace outrigger::providers::rerank
