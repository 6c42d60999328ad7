#include "providers/embed/request.h"

#include "chat/reading.h"

namespace outrigger::providers::embed {
namespace {

using chat::Reading;

// Cohere repeats the texts in its answer, so they stay byte for byte.
bool texts(Reading& reading, yyjson_val* value) {
  reading.tiny_output = true;  // vectors are no words
  yyjson_val* first = yyjson_arr_get_first(value);
  reading.says_ping = yyjson_get_len(value) == 1 && yyjson_is_str(first) && chat::text_of(first) == chat::k_ping;
  return reading.list(value, chat::TextUse::exact);
}

constexpr chat::OwnMember k_members[] = {
    {.name = "texts", .read = texts, .asks = true},
    {.name = "inputs",
     .read = [](Reading& reading, yyjson_val* value) { return reading.list(value, chat::TextUse::exact); },
     .asks = true},
    {.name = "images", .read = [](Reading& reading, yyjson_val* value) { return reading.pictures(value); }, .asks = true},
    {.name = "input_type", .field = chat::Field::plain},
    {.name = "embedding_types", .field = chat::Field::plain},
    {.name = "output_dimension", .field = chat::Field::number},
    {.name = "truncate", .field = chat::Field::plain},
};

constexpr chat::Shape shape_of(chat::Endpoint endpoint) {
  return {.endpoint = endpoint, .own = k_members, .needs_model = false, .highest = Level::safe};
}

}  // namespace

constinit const chat::Shape k_shape = shape_of(chat::Endpoint::embed);
constinit const chat::Shape k_shape_v2 = shape_of(chat::Endpoint::embed_v2);

}  // namespace outrigger::providers::embed
