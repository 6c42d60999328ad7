#include "providers/dify/stored.h"

#include "providers/sealed.h"

namespace outrigger::providers::dify {
namespace {

constexpr std::string_view k_magic = "ORD\x02";

constexpr std::uint64_t k_same_frame = 1;
constexpr std::uint64_t k_piece = 2;
constexpr std::uint64_t k_event_flags_max = 3;
constexpr std::uint64_t k_micro_usd_max = 1'000'000'000'000;  // a run of a million dollars

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
  put(text, head.micro_usd);
  put(text, head.shared);
  put(text, head.body);
  text += events;
  return seal(k_magic, text);
}

std::optional<StoredReader> StoredReader::open(std::string_view encoded) {
  const std::optional<std::string_view> contents = unseal(k_magic, encoded);
  if (!contents) return std::nullopt;
  StoredReader reader;
  reader.events_ = *contents;
  Taker taker{reader.events_};
  reader.head_.kind = static_cast<RunKind>(taker.number(static_cast<std::uint64_t>(RunKind::workflow)));
  reader.head_.streamed = taker.number(1) != 0;
  reader.head_.micro_usd = taker.number(k_micro_usd_max);
  reader.head_.shared = taker.text();
  reader.head_.body = taker.text();
  if (!taker.ok || reader.head_.kind == RunKind::none) return std::nullopt;
  return reader;
}

bool EventCursor::next(std::string_view text, StoredEvent& event) {
  event = {};
  if (broken_ || at_ >= text.size()) return false;
  std::string_view rest = text.substr(at_);
  Taker taker{rest};
  const std::uint64_t flags = taker.number(k_event_flags_max);
  if ((flags & k_same_frame) == 0) {
    const std::string_view frame = taker.text();
    frame_at_ = frame.empty() ? 0 : static_cast<std::size_t>(frame.data() - text.data());
    frame_size_ = frame.size();
  }
  if ((flags & k_piece) != 0) event.piece = taker.text();
  broken_ = !taker.ok || frame_size_ == 0 || ((flags & k_piece) != 0 && !is_quoted(event.piece));
  if (broken_) return false;
  event.frame = text.substr(frame_at_, frame_size_);
  at_ = text.size() - rest.size();
  return true;
}

}  // namespace outrigger::providers::dify
