// Document: a TOML file as plain values with their places. The only thing that the rest of this room knows of TOML.
//
// document.cpp is alone in including toml++, which costs seconds to compile and, as Debian builds it, throws: its one exception
// is caught there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace outrigger::config {

// Where something stands; 1-based, columns in characters. {0, 0}: nowhere in particular.
struct Place {
  std::uint32_t line = 0, column = 0;
};

struct Member;

struct Node {
  enum class Kind : unsigned char { string, integer, floating, boolean, time, array, table };
  Kind kind = Kind::table;
  Place place;
  std::string text;             // string
  std::int64_t integer = 0;     // integer
  double floating = 0;          // floating
  bool boolean = false;         // boolean
  std::vector<Node> items;      // array
  std::vector<Member> members;  // table, in the order of their keys

  [[nodiscard]] const Member* find(std::string_view key) const;
};

struct Member {
  std::string key;
  Place place;  // of the key
  Node value;
};

// "a string", "an integer", ...: for messages.
std::string_view describe(Node::Kind kind);

struct SyntaxError {
  Place place;
  std::string message;
};
// nullopt: not TOML, and `error` says where it broke. toml++ stops at the first mistake, so there is only one.
std::optional<Node> parse_document(std::string_view toml, SyntaxError& error);

}  // namespace outrigger::config
