#include "http/message.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <utility>

namespace outrigger::http {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool is_space(char c) { return c == ' ' || c == '\t'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// `name` without case against `lower_case`, which has none.
bool is_named(std::string_view name, std::string_view lower_case) {
  if (name.size() != lower_case.size()) return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (lower(name[i]) != lower_case[i]) return false;
  }
  return true;
}

// Is a field of that name always hop-by-hop, whatever Connection says?
bool is_always_hop_by_hop(std::string_view name) {
  switch (name.size()) {
    case 2:
      return is_named(name, "te");
    case 7:
      return is_named(name, "trailer") || is_named(name, "upgrade");
    case 10:
      if (is_named(name, "connection") || is_named(name, "keep-alive")) return true;
      break;
    case 17:
      if (is_named(name, "transfer-encoding")) return true;
      break;
    default:
      break;
  }
  return name.size() > 6 && is_named(name.substr(0, 6), "proxy-");
}

constexpr std::array<bool, 256> k_token_characters = [] {
  std::array<bool, 256> table{};
  for (char c = 'a'; c <= 'z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = 'A'; c <= 'Z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = '0'; c <= '9'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<unsigned char>(c)] = true;
  return table;
}();

struct Phrase {
  int status;
  std::string_view text;
};

// RFC 9110 and its registry, in the order of the numbers; 499 and 529 are what nginx and some model providers send.
constexpr Phrase k_phrases[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {424, "Failed Dependency"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
    {508, "Loop Detected"},
    {511, "Network Authentication Required"},
    {529, "Overloaded"},
};

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i] && lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

bool list_has_token(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    if (equal_ignoring_case(trimmed(list.substr(0, comma)), token)) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
  return false;
}

bool is_token(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return k_token_characters[static_cast<unsigned char>(c)]; });
}

bool is_field_value(std::string_view text) {
  // Eight at a time as long as none of them is a control character, tabs included.
  constexpr std::uint64_t k_ones = 0x0101010101010101;
  constexpr std::uint64_t k_high_bits = 0x80 * k_ones;
  for (std::uint64_t word = 0; text.size() >= sizeof word; text.remove_prefix(sizeof word)) {
    std::memcpy(&word, text.data(), sizeof word);
    const std::uint64_t del = word ^ (0x7f * k_ones);
    const std::uint64_t below_space = (word - 0x20 * k_ones) & ~word;
    const std::uint64_t is_del = (del - k_ones) & ~del;
    if (((below_space | is_del) & k_high_bits) != 0) break;
  }
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte != 0x7f) || c == '\t';
  });
}

bool HopByHop::operator()(std::string_view name) const {
  if (is_always_hop_by_hop(name)) return true;
  return connection_ && list_has_token(*connection_, name) && !is_named(name, "content-length") && !is_named(name, "host");
}

void remove_hop_by_hop(Headers& headers) { headers.remove_if(HopByHop(headers)); }

void Headers::add(std::string_view name, std::string_view value) {
  // Both may be views of our own text, which is about to move.
  if (text_.capacity() - text_.size() < name.size() + value.size()) {
    std::string grown;
    grown.reserve(std::max(2 * text_.capacity(), text_.size() + name.size() + value.size()));
    grown.append(text_).append(name).append(value);
    const auto at = static_cast<std::uint32_t>(text_.size());
    text_ = std::move(grown);
    const auto value_at = static_cast<std::uint32_t>(at + name.size());
    fields_.push_back({at, static_cast<std::uint32_t>(name.size()), value_at, static_cast<std::uint32_t>(value.size())});
    return;
  }
  append_name(name);
  append_value(value);
  fields_.push_back(std::exchange(open_, Span{}));
}

void Headers::set(std::string_view name, std::string_view value) {
  // Added before the old ones go, since `value` may be one of them; then moved past them.
  add(name, value);
  const Span added = fields_.back();
  fields_.pop_back();
  remove(name_of(added));
  fields_.push_back(added);
}

std::size_t Headers::remove(std::string_view name) {
  return std::erase_if(
      fields_, [&](const Span& span) { return span.name_size == name.size() && equal_ignoring_case(name_of(span), name); });
}

std::optional<std::string_view> Headers::get(std::string_view name) const {
  for (const Span& span : fields_) {
    if (span.name_size == name.size() && equal_ignoring_case(name_of(span), name)) return value_of(span);
  }
  return std::nullopt;
}

std::optional<std::string> Headers::joined(std::string_view name) const {
  std::optional<std::string> all;
  for (const Span& span : fields_) {
    if (span.name_size != name.size() || !equal_ignoring_case(name_of(span), name)) continue;
    if (all) {
      all->append(", ").append(value_of(span));
    } else {
      all.emplace(value_of(span));
    }
  }
  return all;
}

bool Headers::has_token(std::string_view name, std::string_view token) const {
  return std::any_of(fields_.begin(), fields_.end(), [&](const Span& span) {
    return span.name_size == name.size() && equal_ignoring_case(name_of(span), name) &&
           list_has_token(value_of(span), token);
  });
}

Headers::Field Headers::operator[](std::size_t i) const { return {name_of(fields_[i]), value_of(fields_[i])}; }

void Headers::clear() {
  text_.clear();
  fields_.clear();
  open_ = {};
}

void Headers::reserve(std::size_t fields, std::size_t text) {
  fields_.reserve(fields);
  text_.reserve(text);
}

void Headers::append_name(std::string_view piece) {
  if (open_.name_size == 0) open_.name = static_cast<std::uint32_t>(text_.size());
  text_.append(piece);
  open_.name_size += static_cast<std::uint32_t>(piece.size());
  open_.value = static_cast<std::uint32_t>(text_.size());
}

void Headers::append_value(std::string_view piece) {
  text_.append(piece);
  open_.value_size += static_cast<std::uint32_t>(piece.size());
}

void Headers::end_field() {
  while (open_.value_size > 0 && is_space(text_.back())) {
    text_.pop_back();
    --open_.value_size;
  }
  fields_.push_back(std::exchange(open_, Span{}));
}

std::string_view standard_reason(int status) {
  const auto* at = std::lower_bound(std::begin(k_phrases), std::end(k_phrases), status,
                                    [](const Phrase& phrase, int wanted) { return phrase.status < wanted; });
  return at != std::end(k_phrases) && at->status == status ? at->text : "Unknown";
}

Target split_target(std::string_view target) {
  const std::size_t mark = target.find('?');
  if (mark == std::string_view::npos) return {target, {}};
  return {target.substr(0, mark), target.substr(mark + 1)};
}

}  // namespace outrigger::http
