#include "providers/anthropic/calls.h"

#include <algorithm>
#include <array>

#include "providers/anthropic/event.h"
#include "providers/anthropic/object.h"
#include "providers/json_doc.h"

namespace outrigger::providers::anthropic {
namespace {

bool is_allowed(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

}  // namespace

bool runs_at_client(std::string_view tool_type) {
  constexpr std::array<std::string_view, 4> k_begins{"bash_", "text_editor_", "computer_", "memory_"};
  return std::ranges::any_of(k_begins, [tool_type](std::string_view begin) { return tool_type.starts_with(begin); });
}

bool is_valid_id(std::string_view id) { return !id.empty() && std::ranges::all_of(id, is_allowed); }

std::string valid_id(std::string_view id) {
  if (id.empty()) return "call";
  std::string valid(id);
  std::ranges::replace_if(
      valid, [](char c) { return !is_allowed(c); }, '_');
  return valid;
}

std::string CallIds::of_call(std::string_view id) {
  std::string mine = valid_id(id);
  for (const std::string stem = mine; !used_.insert(mine).second;) mine = stem + '_' + std::to_string(next_++);
  auto given = given_.find(id);
  if (given == given_.end()) given = given_.emplace(id, Given{}).first;
  given->second.ids.push_back(mine);
  return mine;
}

std::string CallIds::of_result(std::string_view id) {
  const auto given = given_.find(id);
  if (given == given_.end()) return valid_id(id);
  auto& [ids, answered] = given->second;
  return answered < ids.size() ? ids[answered++] : ids.back();
}

std::string input_of(std::string_view arguments, bool& changed) {
  arguments = trimmed(arguments);
  if (arguments.empty()) return "{}";
  const JsonDoc doc = JsonDoc::read(arguments);
  if (yyjson_is_obj(doc.root())) return std::string(arguments);
  changed = true;
  if (yyjson_is_null(doc.root())) return "{}";
  std::string text;
  {
    Object object(text);
    if (doc.root() != nullptr) {
      append_member(object, "value", doc.root());
    } else {
      object.string("text", arguments);
    }
  }
  return text;
}

}  // namespace outrigger::providers::anthropic
