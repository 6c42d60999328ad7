#include "providers/responses/wire.h"

#include <utility>

#include "providers/json_text.h"

namespace outrigger::providers::responses {

template <class Fill>
void Wire::event(std::string_view type, Fill&& fill) {
  to_ += "event: ";
  to_ += type;
  to_ += "\ndata: ";
  {
    Object object(to_);
    object.string("type", type);
    fill(object);
    object.number("sequence_number", events_++);
  }
  to_ += "\n\n";
}

void Wire::response(std::string_view type, std::string_view object) {
  event(type, [&](Object& to) { to.json("response", object); });
}

void Wire::item(std::string_view type, std::uint32_t output, std::string_view item) {
  event(type, [&](Object& to) { to.number("output_index", output).json("item", item); });
}

void Wire::part(const TextKind& kind, std::string_view type, const Spot& spot, std::string_view part) {
  event(type, [&](Object& to) {
    to.string("item_id", spot.item_id).number("output_index", spot.output).number(kind.counted, spot.content);
    to.json("part", part);
  });
}

void Wire::text_delta(const TextKind& kind, const Spot& spot, std::string_view piece, std::string_view logprobs) {
  event(kind.delta, [&](Object& to) {
    to.string("item_id", spot.item_id).number("output_index", spot.output).number(kind.counted, spot.content);
    to.string("delta", piece);
    if (&kind == &k_output_text) to.json("logprobs", logprobs);
  });
}

void Wire::text_done(const TextKind& kind, const Spot& spot, std::string_view text, std::string_view logprobs) {
  event(kind.done, [&](Object& to) {
    to.string("item_id", spot.item_id).number("output_index", spot.output).number(kind.counted, spot.content);
    to.string(kind.member, text);
    if (&kind == &k_output_text) to.json("logprobs", logprobs);
  });
}

void Wire::annotation(const Spot& spot, std::uint32_t index, std::string_view annotation) {
  event("response.output_text.annotation.added", [&](Object& to) {
    to.string("item_id", spot.item_id).number("output_index", spot.output).number("content_index", spot.content);
    to.number("annotation_index", index).json("annotation", annotation);
  });
}

void Wire::call_delta(const CallKind& kind, const Spot& spot, std::string_view piece) {
  event(kind.delta,
        [&](Object& to) { to.string("item_id", spot.item_id).number("output_index", spot.output).string("delta", piece); });
}

void Wire::call_done(const CallKind& kind, const Spot& spot, std::string_view whole) {
  event(kind.done, [&](Object& to) {
    to.string("item_id", spot.item_id).number("output_index", spot.output).string(kind.member, whole);
  });
}

void Wire::error(std::string_view code, std::string_view message) {
  event("error", [&](Object& to) { to.string("code", code).string("message", message).json("param", "null"); });
}

void append_part(std::string& to, const TextKind& kind, std::string_view text) {
  Object part(to);
  part.string("type", kind.part).string(kind.member, text);
  if (&kind == &k_output_text) part.json("annotations", "[]").json("logprobs", "[]");
}

void append_usage(std::string& to, const UsageSaid& usage) {
  Object object(to);
  object.number("input_tokens", usage.input);
  {
    Object details(object.name("input_tokens_details"));
    details.number("cached_tokens", usage.cached).number("cache_write_tokens", usage.cache_written);
  }
  object.number("output_tokens", usage.output);
  Object(object.name("output_tokens_details")).number("reasoning_tokens", usage.reasoning);
  object.number("total_tokens", usage.input + usage.output);
}

}  // namespace outrigger::providers::responses
