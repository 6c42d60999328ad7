// Where values stand in a JSON text, for building a smaller request out of the pieces of a larger one without changing a byte
// of what is kept. Only for text that the strict reader has accepted; on any other it finds nothing.
#pragma once

#include <string_view>
#include <vector>

namespace outrigger::chat {

struct InputText {
  std::string_view value;                  // of the top-level member `input`; a view into the body
  std::vector<std::string_view> elements;  // a lone text or token list is one element, and then equal to `value`
};
InputText find_input(std::string_view body);

}  // namespace outrigger::chat
