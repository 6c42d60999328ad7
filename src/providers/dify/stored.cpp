#include "providers/dify/stored.h"

#include "providers/sealed.h"

namespace outrigger::providers::dify {
namespace {

constexpr std::string_view k_magic = "ORD\x01";

constexpr std::uint64_t k_same_frame = 1;
constexpr std::uint64_t k_piece = 2;
constexpr std::uint64_t k_event_flags_max = 3;

// A piece is put into a longer text without its quotes.
bool is_quoted(std::string_view text) { return text.size() >= 2 && text.front() == '"' && text.back() == '"'; }

}  // namespace

void EventWriter::add(const StoredEvent& event) {
  const bool same = event.frame == last_frame_;
  put(text_, (same ? k_same_frame : 0) | (event.piece.empty() ? 0 : k_piece));
  if (!same) {
    put(text_, event.frame);
    last_frame_ = event.frame;
  }
  if (!event.piece.empty()) put(text_, event.piece);
}

Bytes encode(const StoredHead& head, std::string_view events) {
  std::string text;
  text.reserve(head.shared.size() + head.body.size() + events.size() + 32);
  put(text, static_cast<std::uint64_t>(head.kind));
  put(text, head.streamed ? 1 : 0);
  put(text, head.shared);
  put(text, head.body);
  text += events;
  return seal(k_magic, text);
}

std::optional<StoredReader> StoredReader::open(std::string_view encoded) {
  const std::optional<std::string_view> contents = unseal(k_magic, encoded);
  if (!contents) return std::nullopt;
  StoredReader reader(*contents);
  Taker taker{reader.rest_};
  reader.head_.kind = static_cast<RunKind>(taker.number(static_cast<std::uint64_t>(RunKind::workflow)));
  reader.head_.streamed = taker.number(1) != 0;
  reader.head_.shared = taker.text();
  reader.head_.body = taker.text();
  if (!taker.ok || reader.head_.kind == RunKind::none) return std::nullopt;
  return reader;
}

bool StoredReader::next(StoredEvent& event) {
  event = {};
  if (broken_ || rest_.empty()) return false;
  Taker taker{rest_};
  const std::uint64_t flags = taker.number(k_event_flags_max);
  if ((flags & k_same_frame) == 0) last_frame_ = taker.text();
  if ((flags & k_piece) != 0) event.piece = taker.text();
  event.frame = last_frame_;
  broken_ = !taker.ok || event.frame.empty() || ((flags & k_piece) != 0 && !is_quoted(event.piece));
  return !broken_;
}

}  // namespace outrigger::providers::dify
