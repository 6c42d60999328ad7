#include "providers/openai/embeddings.h"

#include <expected>

#include "providers/json_doc.h"
#include "providers/json_text.h"
#include "providers/openai/chunk.h"

namespace outrigger::providers::openai {
namespace {

using enum chat::NoStoreReason;
using Vector = std::expected<std::string, chat::NoStoreReason>;

// `body` and `parsed` have the same bytes at the same places, but for what the parser wrote between values.
struct Source {
  std::string_view body;
  const char* parsed;

  [[nodiscard]] std::string_view from(std::string_view first, std::string_view last) const {
    const auto begin = static_cast<std::size_t>(first.data() - parsed);
    const auto end = static_cast<std::size_t>(last.data() - parsed) + last.size();
    return body.substr(begin, end - begin);
  }
};

Vector numbers(yyjson_val* list, const Source& source) {
  if (yyjson_get_len(list) == 0) return std::unexpected(empty);
  yyjson_arr_iter iterator = yyjson_arr_iter_with(list);
  std::optional<std::string_view> first;
  std::optional<std::string_view> last;
  while (yyjson_val* element = yyjson_arr_iter_next(&iterator)) {
    last = number_of(element);
    if (!last) return std::unexpected(not_understood);
    if (!first) first = last;
  }
  std::string text = "[";
  text += source.from(*first, *last);
  text += ']';
  return text;
}

// A list of numbers, or base64 of them.
Vector vector_in(yyjson_val* value, const Source& source) {
  if (yyjson_is_arr(value)) return numbers(value, source);
  const std::optional<std::string_view> base64 = string_of(value);
  if (!base64) return std::unexpected(not_understood);
  if (base64->empty()) return std::unexpected(empty);
  std::string text;
  append_string(text, *base64);
  return text;
}

}  // namespace

std::expected<EmbeddingsAnswer, chat::NoStoreReason> read_embeddings(std::string_view body, std::size_t expected_count) {
  std::string text(body);
  const JsonDoc doc = JsonDoc::read_in_place(text);
  yyjson_val* root = doc.root();
  if (!yyjson_is_obj(root)) return std::unexpected(not_understood);
  if (is_error(root)) return std::unexpected(error_in_answer);
  yyjson_val* data = member(root, "data");
  if (!yyjson_is_arr(data) || yyjson_get_len(data) != expected_count || expected_count == 0) {
    return std::unexpected(not_understood);
  }
  EmbeddingsAnswer answer;
  answer.model = string_of(member(root, "model")).value_or(std::string_view());
  if (const std::optional<UsageTold> usage = usage_in(member(root, "usage")))
    answer.prompt_tokens = usage->usage.prompt_tokens;
  answer.embeddings.resize(expected_count);
  const Source source{body, text.data()};
  yyjson_arr_iter iterator = yyjson_arr_iter_with(data);
  while (yyjson_val* element = yyjson_arr_iter_next(&iterator)) {
    const std::optional<std::uint64_t> index = whole_number_of(member(element, "index"));
    if (!index || *index >= expected_count || !answer.embeddings[*index].empty()) return std::unexpected(not_understood);
    Vector vector = vector_in(member(element, "embedding"), source);
    if (!vector) return std::unexpected(vector.error());
    answer.embeddings[*index] = std::move(*vector);
  }
  return answer;
}

std::string render_embeddings(const EmbeddingsAnswer& answer) {
  std::string text;
  std::size_t size = 128 + answer.model.size();
  for (const std::string& embedding : answer.embeddings) size += embedding.size() + 64;
  text.reserve(size);
  text += "{\"object\":\"list\",\"data\":[";
  for (std::size_t i = 0; i < answer.embeddings.size(); ++i) {
    text += i == 0 ? "{\"object\":\"embedding\",\"index\":" : ",{\"object\":\"embedding\",\"index\":";
    append_number(text, i);
    text += ",\"embedding\":";
    text += answer.embeddings[i];
    text += '}';
  }
  text += "],\"model\":";
  append_string(text, answer.model);
  text += ",\"usage\":{\"prompt_tokens\":";
  append_number(text, answer.prompt_tokens);
  text += ",\"total_tokens\":";
  append_number(text, answer.prompt_tokens);
  text += "}}";
  return text;
}

}  // namespace outrigger::providers::openai
