#include "providers/rerank/request.h"

#include <algorithm>
#include <array>

#include "chat/reading.h"

namespace outrigger::providers::rerank {
namespace {

using chat::Reading;

// What a request has shown so far (Reading::marks).
constexpr unsigned k_has_query = 1;
constexpr unsigned k_has_documents = 2;
constexpr unsigned k_asks_for_capital = 4;
constexpr unsigned k_tells_of_carson_city = 8;
constexpr unsigned k_is_check = k_asks_for_capital | k_tells_of_carson_city;

// Dify's check of credentials (reference): always this query, and the first of its two documents begins like this.
constexpr std::string_view k_check_query = "What is the capital of the United States?";
constexpr std::string_view k_check_document = "Carson City is the capital city of the American state of Nevada";

constexpr int k_document_depth = 3;  // body, list, document

// Members of a document, or of a query, that hold a picture or where one is; any other may be a text that names a URL.
constexpr std::array<std::string_view, 7> k_media{"image", "image_url", "images", "video", "video_url", "audio", "pdf"};

bool is_media(std::string_view name) { return std::ranges::find(k_media, name) != k_media.end(); }

// Counts what is in an object, and looks at its pictures.
bool object(Reading& reading, yyjson_val* value, int depth) {
  yyjson_obj_iter iterator = yyjson_obj_iter_with(value);
  while (yyjson_val* name = yyjson_obj_iter_next(&iterator)) {
    yyjson_val* content = yyjson_obj_iter_get_val(name);
    if (is_media(chat::text_of(name))) {
      reading.inspect_media(content);
      reading.request.needs.vision = true;
      reading.request.prompt_tokens += chat::k_media_tokens;
    } else if (yyjson_is_str(content)) {
      reading.request.prompt_tokens += chat::estimate_tokens(chat::text_of(content));
    }
  }
  return reading.value(value, depth);
}

bool query(Reading& reading, yyjson_val* value) {
  reading.marks |= k_has_query;
  if (yyjson_is_obj(value)) return object(reading, value, 1);
  if (!yyjson_is_str(value)) return reading.not_understood();
  if (chat::text_of(value) == k_check_query) reading.marks |= k_asks_for_capital;
  reading.text(chat::text_of(value), {}, chat::Turn::other);
  return true;
}

bool documents(Reading& reading, yyjson_val* value) {
  if (!yyjson_is_arr(value) || (reading.marks & k_has_documents) != 0) return reading.not_understood();
  reading.marks |= k_has_documents;
  const std::size_t mark = reading.form.open_array();
  std::size_t index = 0;
  std::size_t count = 0;
  yyjson_val* document = nullptr;
  yyjson_arr_foreach(value, index, count, document) {
    if (yyjson_is_obj(document)) {
      if (!object(reading, document, k_document_depth - 1)) return false;
    } else if (yyjson_is_str(document)) {
      const std::string_view text = chat::text_of(document);
      if (index == 0 && text.starts_with(k_check_document)) reading.marks |= k_tells_of_carson_city;
      reading.text(text, {}, chat::Turn::exact);
    } else {
      return reading.not_understood();
    }
  }
  reading.form.close(mark, count);
  return true;
}

bool finish(Reading& reading, std::string_view /*body*/) {
  if ((reading.marks & k_has_query) == 0 || (reading.marks & k_has_documents) == 0) return reading.not_understood();
  if ((reading.marks & k_is_check) == k_is_check) {
    reading.note(chat::BypassReason::ping);
    reading.request.needs.ping = true;
  }
  return true;
}

constexpr chat::OwnMember k_members[] = {
    {.name = "query", .read = query, .asks = true},
    {.name = "documents", .read = documents, .asks = true},
    {.name = "texts", .read = documents, .asks = true},  // text-embeddings-inference
    {.name = "top_n", .field = chat::Field::number},
    {.name = "max_chunks_per_doc", .field = chat::Field::number},
    {.name = "max_tokens_per_doc", .field = chat::Field::number},
    {.name = "return_documents", .field = chat::Field::plain},
    {.name = "return_text", .field = chat::Field::plain},
    {.name = "rank_fields", .field = chat::Field::plain},
    {.name = "truncation", .field = chat::Field::plain},
    {.name = "truncate", .field = chat::Field::plain},
};

}  // namespace

// Without a model a server has only one, or Cohere its default.
constinit const chat::Shape k_shape{
    .endpoint = chat::Endpoint::rerank, .own = k_members, .finish = finish, .needs_model = false, .highest = Level::safe};

}  // namespace outrigger::providers::rerank
