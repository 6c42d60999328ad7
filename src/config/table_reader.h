// TableReader: takes one table of the file apart. Every key that is asked for becomes known; what else stands there is an error
// of finish(), with the nearest known key. Nothing is thrown and nothing stops at the first mistake: a value that cannot be used
// is noted in the Context and the default stays.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "config/context.h"
#include "config/document.h"

namespace outrigger::config {

template <class T>
struct Range {
  T least, most;
};

// T of T and of optional<T>.
template <class T>
T plain(const T&);
template <class T>
T plain(const std::optional<T>&);

class TableReader {
 public:
  // `where` names the table in messages: "[cache]", "[[model]] `gpt-4o`". `table` must outlive the reader.
  TableReader(Context& context, const Node& table, std::string where)
      : context_(context), table_(table), where_(std::move(where)) {}

  [[nodiscard]] const Member* find(std::string_view key);
  [[nodiscard]] Place place() const { return table_.place; }
  // Of the key, or of the table when the key is not there.
  [[nodiscard]] Place place_of(std::string_view key) const;
  [[nodiscard]] const std::string& where() const { return where_; }
  void rename(std::string where) { where_ = std::move(where); }
  [[nodiscard]] Context& context() { return context_; }

  // Text, with env: and file: followed; never empty. nullopt: absent, or an error was noted.
  std::optional<Text> text(std::string_view key);
  // Text that is meant literally: names, patterns, paths. Never empty.
  std::optional<Text> literal(std::string_view key);
  // A list of texts. `literal`: env: and file: are not followed.
  std::vector<Text> texts(std::string_view key, bool literal);

  std::optional<Duration> duration(std::string_view key, Range<Duration> range);
  std::optional<std::uint64_t> size(std::string_view key, Range<std::uint64_t> range);
  std::optional<std::uint64_t> integer(std::string_view key, Range<std::uint64_t> range);
  std::optional<double> number(std::string_view key, Range<double> range);
  std::optional<bool> boolean(std::string_view key);
  // One of the words that `named` knows; `words` lists them for the message.
  template <class Enum>
  std::optional<Enum> choice(std::string_view key, std::optional<Enum> (*named)(std::string_view),
                             std::span<const std::string_view> words) {
    const auto written = text(key);
    if (!written) return std::nullopt;
    const auto value = named(written->value);
    if (!value) wrong_word(key, *written, words);
    return value;
  }

  // Notes that `written` is none of the words that `key` takes.
  void wrong_word(std::string_view key, const Text& written, std::span<const std::string_view> words);

  // A table ([x] or { … }).
  const Node* table(std::string_view key);
  // A list of tables ([[x]]).
  std::vector<const Node*> tables(std::string_view key);

  // The key is known, but `reason` says why it may not stand here ("…; write … instead").
  void refuse(std::string_view key, std::string_view reason);
  // Notes keys that nobody asked for.
  void finish();

 private:
  void wrong_type(const Member& member, std::string_view wanted);
  std::optional<Text> text_of(const Node& node, std::string_view key, bool literal);

  Context& context_;
  const Node& table_;
  std::string where_;
  std::vector<std::string_view> known_;    // what may be suggested
  std::vector<std::string_view> refused_;  // what has its own error already
};

// `out` takes the value, if there is one. `To` may be an optional of the type that is meant. Numbers may be narrowed: their range
// was checked when they were read.
template <class To, class From>
void set(To& out, const std::optional<From>& value) {
  if (!value) return;
  if constexpr (std::is_arithmetic_v<From>) {
    using Number = std::remove_cvref_t<decltype(plain(std::declval<To&>()))>;
    out = static_cast<Number>(*value);
  } else {
    out = *value;
  }
}

}  // namespace outrigger::config
