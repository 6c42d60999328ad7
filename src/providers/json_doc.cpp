#include "providers/json_doc.h"

#include <charconv>
#include <cstdlib>

namespace outrigger::providers {

JsonDoc JsonDoc::read(std::string_view text) {
  // Without YYJSON_READ_INSITU the text is not written to; the parameter is not const only for that flag's sake.
  return JsonDoc(yyjson_read_opts(const_cast<char*>(text.data()), text.size(), YYJSON_READ_NUMBER_AS_RAW, nullptr, nullptr));
}

JsonDoc JsonDoc::read_in_place(std::string& text) {
  const std::size_t size = text.size();
  text.append(YYJSON_PADDING_SIZE, '\0');
  return JsonDoc(yyjson_read_opts(text.data(), size, YYJSON_READ_NUMBER_AS_RAW | YYJSON_READ_INSITU, nullptr, nullptr));
}

yyjson_val* member(yyjson_val* object, std::string_view name) { return yyjson_obj_getn(object, name.data(), name.size()); }

std::optional<std::string_view> string_of(yyjson_val* value) {
  if (!yyjson_is_str(value)) return std::nullopt;
  return std::string_view(yyjson_get_str(value), yyjson_get_len(value));
}

std::optional<std::string_view> number_of(yyjson_val* value) {
  if (!yyjson_is_raw(value)) return std::nullopt;
  return std::string_view(yyjson_get_raw(value), yyjson_get_len(value));
}

std::optional<std::uint64_t> whole_number_of(yyjson_val* value) {
  const std::optional<std::string_view> digits = number_of(value);
  if (!digits) return std::nullopt;
  std::uint64_t number = 0;
  const char* end = digits->data() + digits->size();
  const auto [stop, problem] = std::from_chars(digits->data(), end, number);
  if (problem != std::errc()) return std::nullopt;
  const std::string_view rest(stop, static_cast<std::size_t>(end - stop));
  if (rest.empty()) return number;
  if (rest.size() < 2 || rest[0] != '.' || rest.find_first_not_of('0', 1) != std::string_view::npos) return std::nullopt;
  return number;
}

bool ends_early(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return true;
  if (text[begin] != '{' && text[begin] != '[') return false;
  std::size_t open = 0;
  bool in_string = false;
  for (std::size_t i = begin; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      ++open;
    } else if ((c == '}' || c == ']') && --open == 0) {
      return false;
    }
  }
  return true;
}

bool is_nothing(yyjson_val* value) {
  if (value == nullptr || yyjson_is_null(value)) return true;
  if (yyjson_is_str(value)) return yyjson_get_len(value) == 0;
  return yyjson_is_ctn(value) && yyjson_get_len(value) == 0;
}

std::string text_of(yyjson_val* value) {
  if (const std::optional<std::string_view> number = number_of(value)) return std::string(*number);
  std::size_t size = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(yyjson_val_write(value, YYJSON_WRITE_NOFLAG, &size), &std::free);
  return text ? std::string(text.get(), size) : std::string("null");
}

}  // namespace outrigger::providers
