#include "admin/accept.h"

#include <algorithm>
#include <charconv>

#include "http/message.h"

namespace outrigger::admin {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string_view cut(std::string_view& text, char at) {
  const std::size_t end = std::min(text.find(at), text.size());
  const std::string_view part = trimmed(text.substr(0, end));
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

struct Range {
  std::string_view type, version;
  double weight = 1;
};

Range read_range(std::string_view text) {
  Range range{.type = cut(text, ';'), .version = {}};
  while (!text.empty()) {
    std::string_view value = cut(text, ';');
    const std::string_view name = cut(value, '=');
    if (http::equal_ignoring_case(name, "version")) range.version = value;
    if (!http::equal_ignoring_case(name, "q")) continue;
    const auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), range.weight);
    if (problem != std::errc() || !(range.weight >= 0 && range.weight <= 1)) range.weight = 0;
  }
  return range;
}

}  // namespace

bool prefers_open_metrics(std::string_view accept) {
  double open = 0;
  double plain = 0;
  while (!accept.empty()) {
    const Range range = read_range(cut(accept, ','));
    const bool is_known = range.version.empty() || range.version == "0.0.1" || range.version == "1.0.0";
    if (http::equal_ignoring_case(range.type, "application/openmetrics-text") && is_known)
      open = std::max(open, range.weight);
    if (http::equal_ignoring_case(range.type, "text/plain")) plain = std::max(plain, range.weight);
  }
  return open > 0 && open >= plain;
}

}  // namespace outrigger::admin
