// The JSON text of answers with marks in it: single bytes that no JSON text can hold, in the places of what is another for each
// who gets the answer. TemplateWriter makes such texts of JSON, Filler makes JSON of such texts.
//
// Left out: padding against listeners (`obfuscation`), and what the provider repeats of who asked (user, safety_identifier,
// prompt_cache_key, metadata), since the answer may go to somebody else.
#pragma once

#include <yyjson.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "providers/answer.h"

namespace outrigger::providers::responses {

enum class Mark : char {
  id = 1,    // the random part of the answer's id
  created,   // a time
  sequence,  // the number of the event
  delta,     // the JSON text of `delta`
  usage,     // the JSON text of the answer's usage
  response,  // the response object
};
constexpr char byte(Mark mark) { return static_cast<char>(mark); }

class TemplateWriter {
 public:
  // `id`: the answer's own, marked wherever it stands as a whole text.
  TemplateWriter(std::string& to, std::string_view id) : to_(to), id_(id) {}

  // Each false when the value is nested too deep; what was written is of no use then. `depth`: of the containers around it.
  bool value(yyjson_val* value, int depth);
  enum class Moment : unsigned char {
    under_way,  // no usage
    beginning,  // made of the final object: nothing has been said
    end,        // the usage is marked
  };
  // `output`: JSON text to stand in place of the object's own, unless it is empty.
  bool response(yyjson_val* object, Moment moment, std::string_view output = {});
  // An event; `response` and, if it is a text, `delta` are marked. `name` is its type when it has none of its own.
  bool event(yyjson_val* root, std::string_view name);

 private:
  bool container(yyjson_val* value, int depth);
  void name(std::string_view text, bool& first);
  void mark(Mark mark) { to_ += byte(mark); }

  std::string& to_;
  std::string_view id_;
};

// What is put in the place of marks.
struct Filling {
  std::uint64_t sequence = 0;
  std::string_view delta = {};
  std::string_view usage = {};
  std::string_view response = {};  // a template itself
};

class Filler {
 public:
  void append(std::string_view text) { text_ += text; }
  void fill(std::string_view text, const Filling& filling, int depth = 0);
  [[nodiscard]] std::size_t size() const { return text_.size(); }
  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] Rendered rendered() &&;

 private:
  std::string text_;
  Rendered out_;
};

}  // namespace outrigger::providers::responses
