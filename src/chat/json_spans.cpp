#include "chat/json_spans.h"

#include <algorithm>

#include "chat/json.h"
#include "chat/request.h"
#include "core/check.h"

namespace outrigger::chat {
namespace {

constexpr std::string_view k_blanks = " \t\r\n";

// Steps over the values of a JSON text. At its end, or where the text is not JSON, everything is empty.
class Walker {
 public:
  explicit Walker(std::string_view text) : text_(text) {}

  // Past `c` if it comes next.
  bool eat(char c) {
    at_ = std::min(text_.find_first_not_of(k_blanks, at_), text_.size());
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  // The next value as it is written.
  std::string_view value() {
    eat('\0');  // only the blanks
    const std::size_t begin = at_;
    std::size_t depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        skip_string();
      } else if (c == '{' || c == '[') {
        ++depth;
        ++at_;
      } else if ((c == '}' || c == ']') && depth > 0) {
        --depth;
        ++at_;
      } else if (depth > 0) {
        ++at_;
        continue;
      } else {
        at_ = std::min(text_.find_first_of(",}] \t\r\n", at_), text_.size());
      }
      if (depth == 0) break;
    }
    return text_.substr(begin, at_ - begin);
  }

 private:
  void skip_string() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') ++at_;
    }
    at_ = std::min(at_ + 1, text_.size());
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<MemberText> members_of(std::string_view body) {
  std::vector<MemberText> found;
  Walker members(body);
  if (!members.eat('{')) return found;
  do {
    const std::string_view name = members.value();
    if (!members.eat(':')) break;
    found.push_back({name, members.value()});
  } while (members.eat(','));
  return found;
}

bool is_named(std::string_view written, std::string_view name) {
  if (written.find('\\') == written.npos) {
    return written.size() == name.size() + 2 && written.substr(1, name.size()) == name;
  }
  const Document document = parse_json(written);
  yyjson_val* root = yyjson_doc_get_root(document.get());
  return yyjson_is_str(root) && text_of(root) == name;
}

InputText find_input(std::string_view body) {
  InputText found;
  const std::vector<MemberText> members = members_of(body);
  const auto input = std::ranges::find_if(members, [](const MemberText& m) { return is_named(m.name, "input"); });
  if (input != members.end()) found.value = input->value;

  Walker elements(found.value);
  if (!elements.eat('[')) {
    if (!found.value.empty()) found.elements.push_back(found.value);
    return found;
  }
  do {
    const std::string_view element = elements.value();
    if (element.empty()) break;
    const bool is_token = element.front() != '"' && element.front() != '[';
    found.elements.push_back(is_token ? found.value : element);
    if (is_token) break;
  } while (elements.eat(','));
  return found;
}

std::string with_inputs(std::string_view body, const std::vector<std::size_t>& indices) {
  const InputText input = find_input(body);
  OR_CHECK(!input.elements.empty());
  const auto begin = static_cast<std::size_t>(input.value.data() - body.data());
  std::string smaller(body.substr(0, begin));
  smaller += '[';
  for (std::size_t i = 0; i < indices.size(); ++i) {
    OR_CHECK(indices[i] < input.elements.size());
    if (i != 0) smaller += ',';
    smaller += input.elements[indices[i]];
  }
  smaller += ']';
  smaller += body.substr(begin + input.value.size());
  return smaller;
}

}  // namespace outrigger::chat
