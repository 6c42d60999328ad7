// How the canonical form is written and read. Every value is a tag and its content; texts and containers say their size first,
// so no content can look like structure:
//
//   form    "oc" version endpoint object
//   value   n | t | f                         null, true, false
//           s size bytes                      a text
//           q size bytes                      a question folded by level faq or above: never equal to an `s`
//           r size bytes                      a number as it was written
//           d size bytes                      a number as an exact decimal (sampling parameters)
//           c number                          a tool call, by the order in which its id first appears
//           a count value...                  an array
//           o count (size bytes value)...     an object, members sorted by the bytes of their names
//
// Sizes, counts and numbers have four bytes, the lowest first. A change of anything that decides these bytes, the rules of
// normalise.h included, raises k_form_version: old keys are then never met again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "chat/endpoint.h"

namespace outrigger::chat {

constexpr char k_form_version = 2;

class FormWriter {
 public:
  explicit FormWriter(std::string& out) : out_(out) {}

  void head(Endpoint endpoint);
  void null() { out_.push_back('n'); }
  void boolean(bool value) { out_.push_back(value ? 't' : 'f'); }
  void text(std::string_view value) { sized('s', value); }
  void question(std::string_view value) { sized('q', value); }
  void raw_number(std::string_view token) { sized('r', token); }
  void decimal(std::string_view value) { sized('d', value); }
  void call(std::uint32_t ordinal);
  // A text of a size that is known only afterwards: `fill` appends to the string that it gets.
  template <class Fill>
  void text_made_by(char tag, Fill&& fill) {
    const std::size_t mark = open(tag);
    fill(out_);
    close(mark, out_.size() - mark - 4);
  }

  // Arrays and objects: what open returned goes to close, with the number of values or members in between.
  [[nodiscard]] std::size_t open_array() { return open('a'); }
  [[nodiscard]] std::size_t open_object() { return open('o'); }
  void name(std::string_view name);
  void close(std::size_t mark, std::size_t count);

  [[nodiscard]] std::size_t size() const { return out_.size(); }

 private:
  [[nodiscard]] std::size_t open(char tag);
  void sized(char tag, std::string_view value);

  std::string& out_;
};

// Walks a form. What it reads may come from outside (a shared Redis), so it checks every size.
class FormReader {
 public:
  struct Value {
    char tag = 0;
    std::string_view text;    // s, q, r, d
    std::uint32_t count = 0;  // a, o: how many follow; c: the ordinal
  };

  explicit FormReader(std::string_view form) : rest_(form) {}
  std::optional<Endpoint> head();
  std::optional<Value> value();  // of a container, only its beginning
  std::optional<std::string_view> name();
  // Past one whole value. False when the form is broken or nested beyond any form that we write.
  bool skip(int depth = 0);
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::optional<std::uint32_t> number();
  std::optional<std::string_view> sized();

  std::string_view rest_;
};

}  // namespace outrigger::chat
