// The heads of HTTP/1.1 messages. Values; no I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace outrigger::http {

// Header fields in their order, names as they were written. One buffer holds all text, so a head costs a few allocations.
// Names compare without case. Views returned stay valid until the next change.
class Headers {
 public:
  struct Field {
    std::string_view name;
    std::string_view value;
  };

  void add(std::string_view name, std::string_view value);
  // Removes every field of that name and adds one.
  void set(std::string_view name, std::string_view value);
  // How many were removed.
  std::size_t remove(std::string_view name);
  // The same for all fields whose name `goes(name)`.
  template <class Goes>
  std::size_t remove_if(Goes&& goes) {
    return std::erase_if(fields_, [&](const Span& span) { return goes(name_of(span)); });
  }
  // The first field of that name.
  [[nodiscard]] std::optional<std::string_view> get(std::string_view name) const;
  // All fields of that name joined with ", " (RFC 9110 §5.3); nothing when absent.
  [[nodiscard]] std::optional<std::string> joined(std::string_view name) const;
  // Does a comma-separated list field (Connection, Transfer-Encoding, Cache-Control, ...) hold `token`? Without case.
  [[nodiscard]] bool has_token(std::string_view name, std::string_view token) const;
  [[nodiscard]] std::size_t size() const { return fields_.size(); }
  [[nodiscard]] bool empty() const { return fields_.empty(); }
  [[nodiscard]] Field operator[](std::size_t i) const;
  // Text bytes, for limits.
  [[nodiscard]] std::size_t text_size() const { return text_.size(); }
  // Forgets the fields and keeps the memory.
  void clear();
  void reserve(std::size_t fields, std::size_t text);

  // For a parser, which gets a field in pieces: the pieces of its name, then those of its value, then end_field(), which cuts
  // white space off the end of the value. Nothing else may be called on this object in between.
  void append_name(std::string_view piece);
  void append_value(std::string_view piece);
  void end_field();

 private:
  struct Span {
    std::uint32_t name, name_size, value, value_size;
  };
  std::string_view name_of(const Span& span) const { return {text_.data() + span.name, span.name_size}; }
  std::string_view value_of(const Span& span) const { return {text_.data() + span.value, span.value_size}; }

  std::string text_;  // removed fields leave their text behind
  std::vector<Span> fields_;
  Span open_{};  // the field that a parser is adding
};

bool equal_ignoring_case(std::string_view a, std::string_view b);
// Does the comma-separated `list` hold `token`? Without case.
bool list_has_token(std::string_view list, std::string_view token);
// RFC 9110 §5.6.2: the characters of a method and of a field name.
bool is_token(std::string_view text);
// May stand in a field value: no control characters but tab, so nothing can begin a new line.
bool is_field_value(std::string_view text);
// Tells what RFC 9110 §7.6.1 calls hop-by-hop: Connection and all that it names, Keep-Alive, Proxy-*, TE, Trailer,
// Transfer-Encoding, Upgrade. Content-Length is not: whoever sends the message on decides about framing. Nor is Host, even when
// Connection names it: a request without it would not be valid.
class HopByHop {
 public:
  explicit HopByHop(const Headers& headers) : connection_(headers.joined("connection")) {}
  [[nodiscard]] bool operator()(std::string_view name) const;

 private:
  std::optional<std::string> connection_;
};
void remove_hop_by_hop(Headers& headers);

struct RequestHead {
  std::string method;  // as sent: methods are case-sensitive
  std::string target;  // origin-form ("/v1/models?x=1"); absolute-form is turned into it by the server side
  int minor_version = 1;
  Headers headers;
  // Framing as parsed. Neither: no body.
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  [[nodiscard]] bool has_body() const { return chunked || content_length.value_or(0) > 0; }
};

struct ResponseHead {
  int status = 200;
  std::string reason;  // empty: the standard phrase
  int minor_version = 1;
  Headers headers;
  std::optional<std::uint64_t> content_length;  // as parsed; nothing and not chunked: the body ends with the connection
  bool chunked = false;
};

std::string_view standard_reason(int status);

// The path and query of an origin-form target.
struct Target {
  std::string_view path;   // up to '?'
  std::string_view query;  // after '?', without it
};
Target split_target(std::string_view target);

}  // namespace outrigger::http
