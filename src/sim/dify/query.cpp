#include "sim/dify/query.h"

#include <algorithm>
#include <charconv>

#include "http/message.h"
#include "sim/json.h"

namespace outrigger::sim_dify {
namespace {

constexpr std::size_t k_max_parts = 64;

std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    const char* from = text.data() + i + 1;
    if (text[i] == '%' && i + 2 < text.size() && std::from_chars(from, from + 2, value, 16).ptr == from + 2) {
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

// name="value" or name=value among the parameters of a header field.
std::string_view parameter(std::string_view field, std::string_view name) {
  for (std::size_t at = field.find(';'); at != std::string_view::npos; at = field.find(';', at + 1)) {
    std::string_view rest = field.substr(at + 1);
    while (rest.starts_with(' ')) rest.remove_prefix(1);
    if (rest.size() <= name.size() || !http::equal_ignoring_case(rest.substr(0, name.size()), name)) continue;
    rest.remove_prefix(name.size());
    if (!rest.starts_with('=')) continue;
    rest.remove_prefix(1);
    if (rest.starts_with('"')) return rest.substr(1, rest.find('"', 1) - 1);
    return rest.substr(0, rest.find(';'));
  }
  return {};
}

Part part_of(std::string_view head, std::string_view data) {
  Part part{{}, {}, "application/octet-stream", data};
  while (!head.empty()) {
    const std::string_view line = head.substr(0, head.find("\r\n"));
    head.remove_prefix(std::min(head.size(), line.size() + 2));
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    std::string_view value = line.substr(colon + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    if (http::equal_ignoring_case(line.substr(0, colon), "content-disposition")) {
      part.name = parameter(value, "name");
      part.file_name = parameter(value, "filename");
    } else if (http::equal_ignoring_case(line.substr(0, colon), "content-type")) {
      part.type = value;
    }
  }
  return part;
}

}  // namespace

std::string query_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || pair.substr(0, equals) != name) continue;
    std::string value = decoded(pair.substr(equals + 1));
    return sim_provider::is_utf8(value) ? value : std::string();
  }
  return {};
}

std::vector<Part> multipart(std::string_view content_type, std::string_view body) {
  std::vector<Part> parts;
  if (!content_type.starts_with("multipart/form-data")) return parts;
  const std::string_view boundary = parameter(content_type, "boundary");
  if (boundary.empty()) return parts;
  const std::string mark = "--" + std::string(boundary);
  const std::string end = "\r\n" + mark;
  std::size_t at = body.find(mark);
  while (at != std::string_view::npos && parts.size() < k_max_parts) {
    at += mark.size();
    if (body.substr(at, 2) != "\r\n") break;  // "--" ends it
    at += 2;
    const std::size_t head_end = body.find("\r\n\r\n", at);
    if (head_end == std::string_view::npos) break;
    const std::size_t data_end = body.find(end, head_end + 2);
    if (data_end == std::string_view::npos) break;
    const std::size_t data = std::min(head_end + 4, data_end);
    parts.push_back(part_of(body.substr(at, head_end - at), body.substr(data, data_end - data)));
    at = data_end + 2;
  }
  return parts;
}

}  // namespace outrigger::sim_dify
