#include "cache/head.h"

#include <bit>
#include <cstring>

#include "cache/codec.h"

namespace outrigger::cache {
namespace {

constexpr std::string_view k_magic = "ORe\x01";
constexpr std::size_t k_before_head = k_magic.size() + sizeof(std::uint32_t);
constexpr std::size_t k_sum_size = sizeof(std::uint64_t);

// Beyond these a time is rubbish; within them no sum of times overflows (Duration ends after 292 years).
constexpr std::int64_t k_stored_at_max_ms = std::int64_t{1} << 42;  // the year 2109
constexpr std::int64_t k_span_max_ms = std::int64_t{10} * 366 * 24 * 3600 * 1000;

template <class Int>
void append(std::string& out, Int value) {
  if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
  char bytes[sizeof(Int)];
  std::memcpy(bytes, &value, sizeof(Int));
  out.append(bytes, sizeof(Int));
}

template <class Int>
Int load(const char* from) {
  Int value;
  std::memcpy(&value, from, sizeof(Int));
  if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
  return value;
}

bool append_text(std::string& out, std::string_view text) {
  if (text.size() > k_head_max) return false;
  append(out, static_cast<std::uint16_t>(text.size()));
  out.append(text);
  return true;
}

// Not against forgery, only against damage: who can write to Redis can compute it.
std::uint64_t sum_of(std::string_view bytes) {
  std::uint64_t sum = 0xcbf29ce484222325ULL;
  for (const char c : bytes) sum = (sum ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return sum;
}

std::int64_t millis(Duration d) { return std::chrono::duration_cast<std::chrono::milliseconds>(d).count(); }

// Reads from the front of `left`. After the first read beyond its end nothing succeeds any more.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : left_(bytes) {}

  template <class Int>
  Int integer() {
    if (!has(sizeof(Int))) return 0;
    const Int value = load<Int>(left_.data());
    left_.remove_prefix(sizeof(Int));
    return value;
  }
  std::string text() {
    const auto size = integer<std::uint16_t>();
    if (!has(size)) return {};
    std::string text(left_.substr(0, size));
    left_.remove_prefix(size);
    return text;
  }
  // Everything was there, and nothing is left over.
  [[nodiscard]] bool ended_well() const { return ok_ && left_.empty(); }
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  bool has(std::size_t size) {
    ok_ = ok_ && left_.size() >= size;
    return ok_;
  }

  std::string_view left_;
  bool ok_ = true;
};

std::optional<Meta> parse_meta(std::string_view bytes) {
  Cursor from(bytes);
  Meta meta;
  const auto stored_at = from.integer<std::int64_t>();
  const auto ttl = from.integer<std::int64_t>();
  const auto stale = from.integer<std::int64_t>();
  meta.prompt_tokens = from.integer<std::uint64_t>();
  meta.completion_tokens = from.integer<std::uint64_t>();
  const auto endpoint = from.integer<std::uint8_t>();
  meta.model = from.text();
  meta.served_by = from.text();
  meta.route = from.text();
  const auto tags = from.integer<std::uint16_t>();
  for (std::uint16_t i = 0; i < tags && from.ok(); ++i) meta.tags.push_back(from.text());
  if (!from.ended_well()) return std::nullopt;
  if (stored_at < 0 || stored_at > k_stored_at_max_ms || ttl < 0 || ttl > k_span_max_ms || stale < 0 ||
      stale > k_span_max_ms || endpoint > static_cast<std::uint8_t>(chat::Endpoint::other)) {
    return std::nullopt;
  }
  meta.stored_at = WallTime{std::chrono::milliseconds(stored_at)};
  meta.ttl = std::chrono::milliseconds(ttl);
  meta.stale = std::chrono::milliseconds(stale);
  meta.endpoint = static_cast<chat::Endpoint>(endpoint);
  return meta;
}

}  // namespace

bool append_head(std::string& out, const Meta& meta) {
  if (meta.tags.size() > k_head_max) return false;
  std::string head;
  append(head, unix_millis(meta.stored_at));
  append(head, millis(meta.ttl));
  append(head, millis(meta.stale));
  append(head, meta.prompt_tokens);
  append(head, meta.completion_tokens);
  append(head, static_cast<std::uint8_t>(meta.endpoint));
  if (!append_text(head, meta.model) || !append_text(head, meta.served_by) || !append_text(head, meta.route)) return false;
  append(head, static_cast<std::uint16_t>(meta.tags.size()));
  for (const std::string& tag : meta.tags) {
    if (!append_text(head, tag) || head.size() > k_head_max) return false;
  }
  append(head, sum_of(head));
  if (k_before_head + head.size() > k_head_max) return false;
  out.append(k_magic);
  append(out, static_cast<std::uint32_t>(head.size()));
  out.append(head);
  return true;
}

std::optional<Head> parse_head(std::string_view bytes) {
  if (bytes.size() < k_before_head || !bytes.starts_with(k_magic)) return std::nullopt;
  const std::size_t size = read_u32(bytes.data() + k_magic.size());
  if (size < k_sum_size || size > k_head_max - k_before_head || size > bytes.size() - k_before_head) return std::nullopt;
  const std::string_view head = bytes.substr(k_before_head, size - k_sum_size);
  if (load<std::uint64_t>(head.data() + head.size()) != sum_of(head)) return std::nullopt;
  std::optional<Meta> meta = parse_meta(head);
  if (!meta) return std::nullopt;
  return Head{std::move(*meta), k_before_head + size};
}

void append_u32(std::string& out, std::uint32_t value) { append(out, value); }

std::uint32_t read_u32(const char* from) { return load<std::uint32_t>(from); }

std::optional<Meta> read_head(std::string_view bytes) {
  std::optional<Head> head = parse_head(bytes);
  if (!head) return std::nullopt;
  return std::move(head->meta);
}

}  // namespace outrigger::cache
