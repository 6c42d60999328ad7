#include <algorithm>
#include <charconv>
#include <initializer_list>

#include "providers/signals.h"
#include "providers/told_times.h"

namespace outrigger::providers {
namespace {

// Whole; what stands behind a point is cut off.
std::optional<std::uint64_t> read_count(std::string_view text) {
  while (text.ends_with(' ')) text.remove_suffix(1);
  while (text.starts_with(' ')) text.remove_prefix(1);
  std::uint64_t count = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (text.empty() || problem != std::errc()) return std::nullopt;
  std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (rest.starts_with('.')) rest.remove_prefix(std::min(rest.find_first_not_of("0123456789", 1), rest.size()));
  return rest.empty() ? std::optional(count) : std::nullopt;
}

class Reader {
 public:
  Reader(const HeaderLookup& header, WallTime now, std::uint32_t& ignored) : header_(header), now_(now), ignored_(ignored) {}

  // read_signal() takes the wait from these; here they are only counted when it could not. A date that has passed tells no wait
  // either.
  void count_useless_waits() const {
    if (const auto text = header_("retry-after-ms"); text && !read_millis(*text)) ++ignored_;
    if (const auto text = header_("retry-after"); text && !read_retry_after(*text, now_)) ++ignored_;
  }

  // The first of `names` that is there and makes sense.
  std::optional<std::uint64_t> count(std::initializer_list<std::string_view> names) const {
    return first(names, [](std::string_view text) { return read_count(text); });
  }
  std::optional<Duration> reset(std::initializer_list<std::string_view> names) const {
    return first(names, [this](std::string_view text) { return read_reset(text, now_); });
  }

 private:
  template <class Read>
  auto first(std::initializer_list<std::string_view> names, Read&& read) const -> decltype(read(std::string_view())) {
    for (const std::string_view name : names) {
      const std::optional<std::string_view> text = header_(name);
      if (!text) continue;
      if (auto value = read(*text)) return value;
      ++ignored_;
    }
    return std::nullopt;
  }

  const HeaderLookup& header_;
  WallTime now_;
  std::uint32_t& ignored_;
};

template <class Value, class Combine>
std::optional<Value> both(std::optional<Value> left, std::optional<Value> right, Combine&& combine) {
  if (left && right) return combine(*left, *right);
  return left ? left : right;
}

std::uint64_t sum(std::uint64_t left, std::uint64_t right) { return left > ~right ? ~std::uint64_t{0} : left + right; }

// Input and output are limited apart, and a request is counted as both.
void add_apart(const Reader& read, Limits& limits) {
  limits.tokens_limit = both(read.count({"anthropic-ratelimit-input-tokens-limit"}),
                             read.count({"anthropic-ratelimit-output-tokens-limit"}), sum);
  limits.tokens_remaining = both(read.count({"anthropic-ratelimit-input-tokens-remaining"}),
                                 read.count({"anthropic-ratelimit-output-tokens-remaining"}), sum);
  limits.tokens_reset =
      both(read.reset({"anthropic-ratelimit-input-tokens-reset"}), read.reset({"anthropic-ratelimit-output-tokens-reset"}),
           [](Duration left, Duration right) { return std::max(left, right); });
}

}  // namespace

Limits read_limits(const HeaderLookup& header, WallTime now, std::uint32_t& ignored) {
  const Reader read(header, now, ignored);
  read.count_useless_waits();
  Limits limits;
  limits.requests_limit =
      read.count({"x-ratelimit-limit-requests", "anthropic-ratelimit-requests-limit", "x-ratelimit-limit-req-minute"});
  limits.requests_remaining = read.count(
      {"x-ratelimit-remaining-requests", "anthropic-ratelimit-requests-remaining", "x-ratelimit-remaining-req-minute"});
  limits.requests_reset = read.reset({"x-ratelimit-reset-requests", "anthropic-ratelimit-requests-reset"});
  limits.tokens_limit =
      read.count({"x-ratelimit-limit-tokens", "anthropic-ratelimit-tokens-limit", "x-ratelimit-limit-tokens-minute"});
  if (limits.tokens_limit) {
    limits.tokens_remaining = read.count(
        {"x-ratelimit-remaining-tokens", "anthropic-ratelimit-tokens-remaining", "x-ratelimit-remaining-tokens-minute"});
    limits.tokens_reset = read.reset({"x-ratelimit-reset-tokens", "anthropic-ratelimit-tokens-reset"});
  } else {
    add_apart(read, limits);
  }
  return limits;
}

}  // namespace outrigger::providers
