// Span: one piece of work in a trace, when it is over. A value; trace/ sends it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/time.h"
#include "obs/trace_context.h"

namespace outrigger::obs {

// Nanoseconds since 1970.
using UnixNanos = std::chrono::sys_time<std::chrono::nanoseconds>;

using AttributeValue = std::variant<bool, std::int64_t, double, std::string, std::vector<std::string>>;

// Keys are literals.
class Attributes {
 public:
  struct Attribute {
    std::string_view key;
    AttributeValue value;
  };
  // An empty text is not told.
  void text(std::string_view key, std::string_view value) {
    if (!value.empty()) all_.push_back({key, std::string(value)});
  }
  void count(std::string_view key, std::int64_t value) { all_.push_back({key, value}); }
  void count(std::string_view key, std::uint64_t value) { all_.push_back({key, static_cast<std::int64_t>(value)}); }
  void number(std::string_view key, double value) { all_.push_back({key, value}); }
  void yes(std::string_view key, bool value) { all_.push_back({key, value}); }
  void texts(std::string_view key, std::vector<std::string> values) {
    if (!values.empty()) all_.push_back({key, std::move(values)});
  }
  [[nodiscard]] const std::vector<Attribute>& all() const { return all_; }

 private:
  std::vector<Attribute> all_;
};

struct Span {
  enum class Kind : unsigned char { internal = 1, server = 2, client = 3 };  // the protocol's numbers
  struct Event {
    std::string_view name;  // a literal
    UnixNanos time{};
  };

  SpanContext context;
  std::uint64_t parent = 0;       // 0: none
  bool is_parent_remote = false;  // another process's
  std::string_view state;         // tracestate; outlives the span
  std::string name;               // of few different values
  Kind kind = Kind::internal;
  UnixNanos start{}, end{};
  Attributes attributes;
  std::vector<Event> events;
  std::vector<SpanContext> links;  // what it has to do with, and did not come from
  bool has_failed = false;
  std::string_view problem;  // of one that has; a literal, for people
};

}  // namespace outrigger::obs
