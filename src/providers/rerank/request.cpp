#include "providers/rerank/request.h"

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

bool query(Reading& reading, yyjson_val* value) {
  reading.marks |= k_has_query;
  if (yyjson_is_obj(value)) return reading.record(value, 1);
  if (!yyjson_is_str(value)) return reading.not_understood();
  if (chat::text_of(value) == k_check_query) reading.marks |= k_asks_for_capital;
  reading.text(chat::text_of(value), {}, chat::TextUse::other);
  return true;
}

bool documents(Reading& reading, yyjson_val* value) {
  if ((reading.marks & k_has_documents) != 0) return reading.not_understood();
  reading.marks |= k_has_documents;
  yyjson_val* first = yyjson_arr_get_first(value);
  if (yyjson_is_str(first) && chat::text_of(first).starts_with(k_check_document)) reading.marks |= k_tells_of_carson_city;
  return reading.list(value, chat::TextUse::exact);
}

bool finish(Reading& reading, std::string_view /*body*/) {
  if ((reading.marks & k_has_query) == 0 || (reading.marks & k_has_documents) == 0) return reading.not_understood();
  if ((reading.marks & k_is_check) == k_is_check) {
    reading.note(chat::BypassReason::ping);
    reading.request.needs.ping = true;
  }
  // Each document is read with the query: together they are the longest prompt.
  reading.longest = 0;
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
