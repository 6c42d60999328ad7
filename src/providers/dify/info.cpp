#include "providers/dify/info.h"

#include "providers/json_doc.h"

namespace outrigger::providers::dify {

std::string app_name(std::string_view info) {
  const JsonDoc doc = JsonDoc::read(info);
  std::string name;
  for (const char c : text_in(doc.root(), "name")) {
    const bool is_blank = static_cast<unsigned char>(c) <= ' ' || c == '\x7f';
    if (is_blank && (name.empty() || name.back() == ' ')) continue;
    name += is_blank ? ' ' : c;
  }
  if (name.size() > k_app_name_max) {
    std::size_t end = k_app_name_max;
    while ((static_cast<unsigned char>(name[end]) & 0xc0) == 0x80) --end;  // within a character
    name.resize(end);
  }
  if (name.ends_with(' ')) name.pop_back();
  return name;
}

}  // namespace outrigger::providers::dify
