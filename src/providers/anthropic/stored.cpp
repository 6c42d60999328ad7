#include "providers/anthropic/stored.h"

#include <bit>
#include <cstring>

namespace outrigger::providers::anthropic {
namespace {

constexpr std::string_view k_magic = "ORM\x01";
constexpr std::size_t k_checksum_size = 8;

constexpr std::uint64_t k_head_streamed = 1;
constexpr std::uint64_t k_head_usage = 2;
constexpr std::uint64_t k_head_flags_max = 3;

void put(std::string& to, std::uint64_t number) {
  for (; number >= 0x80; number >>= 7) to += static_cast<char>(number | 0x80);
  to += static_cast<char>(number);
}

void put(std::string& to, std::string_view text) {
  put(to, text.size());
  to += text;
}

// Takes values off the front; after the first that cannot be, `ok` is false and everything else reads as empty.
struct Taker {
  std::string_view& rest;
  bool ok = true;

  std::uint64_t number(std::uint64_t limit) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; ok && shift < 64; shift += 7) {
      if (rest.empty()) break;
      const auto byte = static_cast<unsigned char>(rest.front());
      rest.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value <= limit ? value : fail();
    }
    return fail();
  }
  std::uint64_t fail() {
    ok = false;
    return 0;
  }
  std::string_view text() {
    const auto size = static_cast<std::size_t>(number(rest.size()));
    if (size > rest.size()) fail();
    if (!ok) return {};
    const std::string_view value = rest.substr(0, size);
    rest.remove_prefix(size);
    return value;
  }
  void head(Head& to) {
    const std::uint64_t bits = number(k_head_flags_max);
    to.streamed = (bits & k_head_streamed) != 0;
    to.model = text();
    to.estimated_completion_tokens = number(UINT64_MAX);
    if ((bits & k_head_usage) == 0) return;
    Usage& usage = to.usage.emplace();
    usage.prompt_tokens = number(UINT64_MAX);
    usage.completion_tokens = number(UINT64_MAX);
  }
};

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

// In the manner of FNV-1a, eight bytes at a time (the lowest first). Each step can be undone, so no change of one word passes. It
// guards against rubbish and bit rot, not against somebody who may write to Redis.
std::uint64_t checksum(std::string_view text) {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t sum = 0xcbf29ce484222325ULL ^ text.size();
  const auto take = [&sum](std::uint64_t word) {
    sum = (sum ^ word) * 0x9e3779b97f4a7c15ULL;
    sum ^= sum >> 32;
  };
  std::uint64_t word = 0;
  for (; text.size() >= sizeof word; text.remove_prefix(sizeof word)) {
    std::memcpy(&word, text.data(), sizeof word);
    take(word);
  }
  word = 0;
  if (!text.empty()) std::memcpy(&word, text.data(), text.size());
  take(word);
  return sum;
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
  const std::uint64_t sum = checksum(text);
  return Bytes::make(k_magic.size() + k_checksum_size + text.size(), [&](char* to) {
    std::memcpy(to, k_magic.data(), k_magic.size());
    to += k_magic.size();
    for (std::size_t i = 0; i < k_checksum_size; ++i) *to++ = static_cast<char>(sum >> (8 * i));
    std::memcpy(to, text.data(), text.size());
  });
}

std::optional<RecordReader> RecordReader::open(std::string_view encoded) {
  if (!encoded.starts_with(k_magic) || encoded.size() < k_magic.size() + k_checksum_size) return std::nullopt;
  encoded.remove_prefix(k_magic.size());
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < k_checksum_size; ++i) {
    sum |= static_cast<std::uint64_t>(static_cast<unsigned char>(encoded[i])) << (8 * i);
  }
  encoded.remove_prefix(k_checksum_size);
  if (checksum(encoded) != sum) return std::nullopt;
  RecordReader reader(encoded);
  Taker taker{reader.rest_};
  taker.head(reader.head_);
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
