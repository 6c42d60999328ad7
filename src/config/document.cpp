#include "config/document.h"

#include <toml++/toml.h>

namespace outrigger::config {
namespace {

// Deeper than any key of ours by far; protects the recursion of this file.
constexpr int k_max_depth = 32;

Place place_of(const toml::source_region& region) { return {region.begin.line, region.begin.column}; }

Node convert(const toml::node& from, int depth);

void convert_table(const toml::table& from, Node& to, int depth) {
  to.kind = Node::Kind::table;
  if (depth == 0) return;
  for (const auto& [key, value] : from) {
    to.members.push_back({std::string(key.str()), place_of(key.source()), convert(value, depth - 1)});
  }
}

Node convert(const toml::node& from, int depth) {
  Node to;
  to.place = place_of(from.source());
  if (const auto* table = from.as_table()) {
    convert_table(*table, to, depth);
  } else if (const auto* array = from.as_array()) {
    to.kind = Node::Kind::array;
    for (const auto& item : *array) {
      if (depth > 0) to.items.push_back(convert(item, depth - 1));
    }
  } else if (const auto* text = from.as_string()) {
    to.kind = Node::Kind::string;
    to.text = text->get();
  } else if (const auto* integer = from.as_integer()) {
    to.kind = Node::Kind::integer;
    to.integer = integer->get();
  } else if (const auto* floating = from.as_floating_point()) {
    to.kind = Node::Kind::floating;
    to.floating = floating->get();
  } else if (const auto* boolean = from.as_boolean()) {
    to.kind = Node::Kind::boolean;
    to.boolean = boolean->get();
  } else {
    to.kind = Node::Kind::time;
  }
  return to;
}

// The commonest mistake by far is a value without quotes, which TOML takes for a number or a date gone wrong.
std::string sentence(std::string_view description) {
  std::string message = "this is not valid TOML: ";
  message += description;
  for (const std::string_view word :
       {"parsing value", "parsing integer", "parsing floating", "parsing a", "parsing local", "parsing decimal",
        "parsing date", "parsing time", "parsing boolean", "parsing offset"}) {
    if (description.find(word) != std::string_view::npos) {
      message += R"(; text stands in double quotes, such as "10m" or "0.0.0.0:8080")";
      break;
    }
  }
  return message;
}

}  // namespace

const Member* Node::find(std::string_view key) const {
  for (const Member& member : members) {
    if (member.key == key) return &member;
  }
  return nullptr;
}

std::string_view describe(Node::Kind kind) {
  switch (kind) {
    case Node::Kind::string:
      return "a string";
    case Node::Kind::integer:
      return "an integer";
    case Node::Kind::floating:
      return "a number with a point";
    case Node::Kind::boolean:
      return "true or false";
    case Node::Kind::time:
      return "a date or time";
    case Node::Kind::array:
      return "a list";
    case Node::Kind::table:
      return "a table";
  }
  return "something else";
}

std::optional<Node> parse_document(std::string_view toml, SyntaxError& error) {
  try {
    const toml::table table = toml::parse(toml);
    return convert(table, k_max_depth);
  } catch (const toml::parse_error& problem) {
    error = {place_of(problem.source()), sentence(problem.description())};
    return std::nullopt;
  }
}

}  // namespace outrigger::config
