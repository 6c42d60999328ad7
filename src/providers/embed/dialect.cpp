#include "providers/embed/dialect.h"

#include "providers/embed/request.h"
#include "providers/json_doc.h"
#include "providers/openai/chunk.h"
#include "providers/whole_body.h"

namespace outrigger::providers::embed {
namespace {

using enum chat::NoStoreReason;

// Cohere: a list of vectors, or one for each type that was asked for.
std::optional<chat::NoStoreReason> judge_vectors(yyjson_val* vectors) {
  if (yyjson_is_arr(vectors)) {
    if (yyjson_get_len(vectors) == 0) return empty;
    yyjson_arr_iter iterator = yyjson_arr_iter_with(vectors);
    while (yyjson_val* vector = yyjson_arr_iter_next(&iterator)) {
      if (!yyjson_is_arr(vector) && !yyjson_is_str(vector)) return not_understood;
      if (is_nothing(vector)) return empty;
    }
    return std::nullopt;
  }
  if (!yyjson_is_obj(vectors)) return not_understood;
  bool any = false;
  yyjson_obj_iter iterator = yyjson_obj_iter_with(vectors);
  while (yyjson_val* type = yyjson_obj_iter_next(&iterator)) {
    yyjson_val* of_type = yyjson_obj_iter_get_val(type);
    if (is_nothing(of_type)) continue;  // types that were not asked for are null in some answers
    if (!yyjson_is_arr(of_type)) return not_understood;
    if (const auto reason = judge_vectors(of_type)) return reason;
    any = true;
  }
  return any ? std::nullopt : std::optional(empty);
}

// OpenAI's and Jina's: `embedding`, or `embeddings` where each token has its vector.
std::optional<chat::NoStoreReason> judge_data(yyjson_val* data) {
  if (!yyjson_is_arr(data)) return not_understood;
  if (yyjson_get_len(data) == 0) return empty;
  yyjson_arr_iter iterator = yyjson_arr_iter_with(data);
  while (yyjson_val* element = yyjson_arr_iter_next(&iterator)) {
    yyjson_val* vector = member(element, "embedding");
    if (vector == nullptr) vector = member(element, "embeddings");
    if (!yyjson_is_ctn(vector) && !yyjson_is_str(vector)) return not_understood;
    if (is_nothing(vector)) return empty;
  }
  return std::nullopt;
}

std::optional<chat::NoStoreReason> judge(yyjson_val* root) {
  if (!yyjson_is_obj(root)) return not_understood;
  if (openai::is_error(root)) return error_in_answer;
  if (yyjson_val* vectors = member(root, "embeddings")) return judge_vectors(vectors);
  return judge_data(member(root, "data"));
}

}  // namespace

const Dialect& dialect() {
  static const WholeBodyDialect dialect(k_shape, judge);
  return dialect;
}

const Dialect& dialect_v2() {
  static const WholeBodyDialect dialect(k_shape_v2, judge);
  return dialect;
}

}  // namespace outrigger::providers::embed
