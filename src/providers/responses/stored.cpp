#include "providers/responses/stored.h"

#include "providers/sealed.h"

namespace outrigger::providers::responses {
namespace {

constexpr std::string_view k_magic = "ORR\x01";

constexpr std::uint64_t k_head_streamed = 1;
constexpr std::uint64_t k_head_usage = 2;
constexpr std::uint64_t k_head_flags_max = 3;

constexpr std::uint64_t k_same_frame = 1;  // and name, and response
constexpr std::uint64_t k_delta = 2;
constexpr std::uint64_t k_response = 4;
constexpr std::uint64_t k_same_response = 8;
constexpr std::uint64_t k_final_response = 16;
constexpr std::uint64_t k_event_flags_max = 31;

}  // namespace

void EventWriter::add(const StoredEvent& event) {
  std::uint64_t flags = 0;
  const bool same = event.frame == last_frame_ && event.response.empty() && !event.is_final;
  if (same) flags |= k_same_frame;
  if (!event.delta.empty()) flags |= k_delta;
  if (event.is_final) {
    flags |= k_final_response;
  } else if (!event.response.empty()) {
    flags |= event.response == last_response_ ? k_same_response : k_response;
  }
  put(text_, flags);
  if (!same) {
    put(text_, event.name);
    put(text_, event.frame);
    last_frame_ = event.frame;
  }
  if ((flags & k_delta) != 0) put(text_, event.delta);
  if ((flags & k_response) != 0) {
    put(text_, event.response);
    last_response_ = event.response;
  }
}

Bytes encode(const Head& head, std::string_view events) {
  std::string text;
  text.reserve(head.response.size() + events.size() + head.usage_json.size() + head.model.size() + 64);
  put(text, (head.streamed ? k_head_streamed : 0) | (head.usage ? k_head_usage : 0));
  put(text, head.model);
  put(text, head.estimated_completion_tokens);
  if (head.usage) {
    put(text, head.usage->prompt_tokens);
    put(text, head.usage->completion_tokens);
    put(text, head.usage_json);
  }
  put(text, head.response);
  text += events;
  return seal(k_magic, text);
}

std::optional<StoredReader> StoredReader::open(std::string_view encoded) {
  const std::optional<std::string_view> contents = unseal(k_magic, encoded);
  if (!contents) return std::nullopt;
  StoredReader reader(*contents);
  Head& head = reader.head_;
  Taker taker{reader.rest_};
  const std::uint64_t flags = taker.number(k_head_flags_max);
  head.streamed = (flags & k_head_streamed) != 0;
  head.model = taker.text();
  head.estimated_completion_tokens = taker.number(UINT64_MAX);
  if ((flags & k_head_usage) != 0) {
    Usage& usage = head.usage.emplace();
    usage.prompt_tokens = taker.number(UINT64_MAX);
    usage.completion_tokens = taker.number(UINT64_MAX);
    head.usage_json = taker.text();
  }
  head.response = taker.text();
  if (!taker.ok) return std::nullopt;
  return reader;
}

bool StoredReader::next(StoredEvent& event) {
  event = {};
  if (broken_ || rest_.empty()) return false;
  Taker taker{rest_};
  const std::uint64_t flags = taker.number(k_event_flags_max);
  if ((flags & k_same_frame) == 0) {
    last_name_ = taker.text();
    last_frame_ = taker.text();
  }
  event.name = last_name_;
  event.frame = last_frame_;
  if ((flags & k_delta) != 0) event.delta = taker.text();
  if ((flags & k_response) != 0) last_response_ = taker.text();
  event.is_final = (flags & k_final_response) != 0;
  if (event.is_final) {
    event.response = head_.response;
  } else if ((flags & (k_response | k_same_response)) != 0) {
    event.response = last_response_;
  }
  broken_ = !taker.ok;
  return taker.ok;
}

}  // namespace outrigger::providers::responses
