// Where values stand in a JSON text, for building another request out of the pieces of one without changing a byte of what is
// kept. Only for text that the strict reader has accepted; on any other it finds nothing.
#pragma once

#include <string_view>
#include <vector>

namespace outrigger::chat {

struct InputText {
  std::string_view value;                  // of the top-level member `input`; a view into the body
  std::vector<std::string_view> elements;  // a lone text or token list is one element, and then equal to `value`
};
InputText find_input(std::string_view body);

// The top-level members in their order, as they are written: views into the body. The name has its quotes and escapes.
struct MemberText {
  std::string_view name;
  std::string_view value;
};
std::vector<MemberText> members_of(std::string_view body);
// Whether a name as it is written means `name`, which needs no escapes itself.
bool is_named(std::string_view written, std::string_view name);

}  // namespace outrigger::chat
