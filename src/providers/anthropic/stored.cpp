#include "providers/anthropic/stored.h"

#include "providers/sealed.h"

namespace outrigger::providers::anthropic {
namespace {

constexpr std::string_view k_magic = "ORM\x01";

constexpr std::uint64_t k_head_streamed = 1;
constexpr std::uint64_t k_head_usage = 2;
constexpr std::uint64_t k_head_flags_max = 3;

// Takes a head off the front of what `from` has left.
void take_head(Taker& from, Head& to) {
  const std::uint64_t bits = from.number(k_head_flags_max);
  to.streamed = (bits & k_head_streamed) != 0;
  to.model = from.text();
  to.estimated_completion_tokens = from.number(UINT64_MAX);
  if ((bits & k_head_usage) == 0) return;
  Usage& usage = to.usage.emplace();
  usage.prompt_tokens = from.number(UINT64_MAX);
  usage.completion_tokens = from.number(UINT64_MAX);
}

// What of a record is written, in the order in which it is: index, text, members, usage.
struct Layout {
  bool index, text, members, usage;
};
Layout layout_of(Record::Kind kind) {
  switch (kind) {
    case Record::Kind::block_stop:
      return {.index = true, .text = false, .members = false, .usage = false};
    case Record::Kind::message_start:
    case Record::Kind::message_delta:
    case Record::Kind::body:
      return {.index = false, .text = false, .members = true, .usage = true};
    case Record::Kind::event:
      return {.index = false, .text = true, .members = true, .usage = false};
    default:
      return {.index = true, .text = true, .members = false, .usage = false};
  }
}

}  // namespace

void RecordWriter::add(const Record& record) {
  const Layout layout = layout_of(record.kind);
  put(records_, static_cast<std::uint64_t>(record.kind));
  if (layout.index) put(records_, record.index);
  if (layout.text) put(records_, record.text);
  if (layout.members) put(records_, record.members);
  if (layout.usage) put(records_, record.usage);
}

Bytes encode(const Head& head, std::string_view records) {
  std::string text;
  text.reserve(records.size() + head.model.size() + 64);
  put(text, (head.streamed ? k_head_streamed : 0) | (head.usage ? k_head_usage : 0));
  put(text, head.model);
  put(text, head.estimated_completion_tokens);
  if (head.usage) {
    put(text, head.usage->prompt_tokens);
    put(text, head.usage->completion_tokens);
  }
  text += records;
  return seal(k_magic, text);
}

std::optional<RecordReader> RecordReader::open(std::string_view encoded) {
  const std::optional<std::string_view> contents = unseal(k_magic, encoded);
  if (!contents) return std::nullopt;
  RecordReader reader(*contents);
  Taker taker{reader.rest_};
  take_head(taker, reader.head_);
  if (!taker.ok) return std::nullopt;
  return reader;
}

bool RecordReader::next(Record& record) {
  record = {};
  if (broken_ || rest_.empty()) return false;
  Taker taker{rest_};
  const std::uint64_t kind = taker.number(static_cast<std::uint64_t>(Record::Kind::last_one) - 1);
  if (kind == 0) taker.fail();
  record.kind = static_cast<Record::Kind>(kind);
  const Layout layout = layout_of(record.kind);
  if (layout.index) record.index = static_cast<std::uint32_t>(taker.number(k_blocks_max - 1));
  if (layout.text) record.text = taker.text();
  if (layout.members) record.members = taker.text();
  if (layout.usage) record.usage = taker.text();
  broken_ = !taker.ok;
  return taker.ok;
}

}  // namespace outrigger::providers::anthropic
