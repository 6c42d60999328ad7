// Writing JSON objects and lists member by member into one buffer: commas and closing brackets come by themselves.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "providers/json_text.h"

namespace outrigger::providers {

// Comma-separated members of one object. Known names are ours and need no escapes.
class JsonObject {
 public:
  explicit JsonObject(std::string& to) : to_(to) { to_ += '{'; }
  JsonObject(const JsonObject&) = delete;
  JsonObject& operator=(const JsonObject&) = delete;
  ~JsonObject() { to_ += '}'; }

  // Where the value goes, to be appended at once.
  std::string& name(std::string_view known_name) {
    next() += '"';
    to_ += known_name;
    return to_ += "\":";
  }
  JsonObject& string(std::string_view known_name, std::string_view value) {
    append_string(name(known_name), value);
    return *this;
  }
  template <class Value>
  void string_if(std::string_view known_name, const std::optional<Value>& value) {
    if (value) string(known_name, *value);
  }
  JsonObject& number(std::string_view known_name, std::uint64_t value) {
    append_number(name(known_name), value);
    return *this;
  }
  JsonObject& boolean(std::string_view known_name, bool value) { return json(known_name, value ? "true" : "false"); }
  JsonObject& json(std::string_view known_name, std::string_view value) {
    name(known_name) += value;
    return *this;
  }
  template <class Value>
  void json_if(std::string_view known_name, const std::optional<Value>& value) {
    if (value) json(known_name, *value);
  }
  // Names from outside need escapes.
  std::string& any_name(std::string_view any) {
    append_string(next(), any);
    return to_ += ':';
  }
  void extra(std::string_view any, std::string_view json) { any_name(any) += json; }
  void extras(const auto& all) {
    for (const auto& [any, value] : all) extra(any, value);
  }
  // The text of members, without the braces around them; may be empty.
  void members(std::string_view text) {
    if (!text.empty()) next() += text;
  }

 private:
  std::string& next() {
    if (!std::exchange(first_, false)) to_ += ',';
    return to_;
  }

  std::string& to_;
  bool first_ = true;
};

class JsonList {
 public:
  explicit JsonList(std::string& to) : to_(to) { to_ += '['; }
  JsonList(const JsonList&) = delete;
  JsonList& operator=(const JsonList&) = delete;
  ~JsonList() { to_ += ']'; }

  // Where the next value goes, to be appended at once.
  std::string& item() {
    if (!std::exchange(first_, false)) to_ += ',';
    return to_;
  }
  void string(std::string_view value) { append_string(item(), value); }
  [[nodiscard]] bool empty() const { return first_; }

 private:
  std::string& to_;
  bool first_ = true;
};

}  // namespace outrigger::providers
