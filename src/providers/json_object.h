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
    if (!std::exchange(first_, false)) to_ += ',';
    to_ += '"';
    to_ += known_name;
    to_ += "\":";
    return to_;
  }
  void string(std::string_view known_name, std::string_view value) { append_string(name(known_name), value); }
  template <class Value>
  void string_if(std::string_view known_name, const std::optional<Value>& value) {
    if (value) string(known_name, *value);
  }
  void number(std::string_view known_name, std::uint64_t value) { append_number(name(known_name), value); }
  void boolean(std::string_view known_name, bool value) { name(known_name) += value ? "true" : "false"; }
  void json(std::string_view known_name, std::string_view value) { name(known_name) += value; }
  template <class Value>
  void json_if(std::string_view known_name, const std::optional<Value>& value) {
    if (value) json(known_name, *value);
  }
  // Names from outside need escapes.
  void extra(std::string_view any_name, std::string_view json) {
    if (!std::exchange(first_, false)) to_ += ',';
    append_string(to_, any_name);
    to_ += ':';
    to_ += json;
  }
  void extras(const auto& all) {
    for (const auto& [any_name, value] : all) extra(any_name, value);
  }

 private:
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
