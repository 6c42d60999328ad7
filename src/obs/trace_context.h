// Who a request belongs to, among all that take part in it: W3C Trace Context, level 1 (Recommendation 2021) and 2 (Candidate
// Recommendation 2024). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace outrigger::obs {

struct TraceId {
  std::uint64_t high = 0, low = 0;
  bool operator==(const TraceId&) const = default;
  [[nodiscard]] bool is_valid() const { return (high | low) != 0; }
};

// One span, as it is told to those who are called in it.
struct SpanContext {
  static constexpr std::uint8_t k_sampled = 0x01;  // whoever called keeps it
  static constexpr std::uint8_t k_random = 0x02;   // level 2: the last 7 bytes of the trace's id are random

  TraceId trace;
  std::uint64_t span = 0;
  std::uint8_t flags = 0;
  [[nodiscard]] bool is_valid() const { return trace.is_valid() && span != 0; }
  [[nodiscard]] bool is_sampled() const { return (flags & k_sampled) != 0; }
  bool operator==(const SpanContext&) const = default;
};

// 32 and 16 lower-case hex digits.
std::string hex(const TraceId& id);
std::string hex(std::uint64_t span);

// The value of a `traceparent` field. Nothing: it is malformed, which begins a new trace. Of a later version what this one has is
// read, as the standard wants it; of the flags only those above are kept.
std::optional<SpanContext> parse_traceparent(std::string_view text);
std::string format_traceparent(const SpanContext& context);

// May a `tracestate` (all its fields, joined with commas) be passed on? It is never changed: what is malformed, has more than 32
// members or more than 512 bytes goes as a whole.
bool is_tracestate(std::string_view text);

// OpenTelemetry's TraceIdRatioBased, as the Go and Java SDKs have it: of the id's last 63 bits the share `ratio` is kept, so whoever
// decides by the same ratio, or a larger one, keeps this trace as well.
bool keeps(const TraceId& trace, double ratio);

}  // namespace outrigger::obs
