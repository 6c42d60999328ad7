#include "providers/dify/upload.h"

#include <algorithm>
#include <utility>

#include "core/function_ref.h"
#include "providers/json_doc.h"

namespace outrigger::providers::dify {
namespace {

// RFC 9110 §5.6.2.
constexpr std::string_view k_token = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&'*+-.^_`|~";
// RFC 2046 §5.1.1, without the space, which nobody uses.
constexpr std::string_view k_boundary = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'()+_,-./:=?";
constexpr std::string_view k_id = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-";
constexpr std::size_t k_boundary_max = 70;
constexpr std::size_t k_id_max = 64;
constexpr int k_created = 201;

bool is_line_end(char c) { return c == '\r' || c == '\n'; }
bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_control(char c) { return (c >= 0 && c < ' ' && c != '\t') || c == 0x7f; }

bool consists_of(std::string_view text, std::string_view characters) {
  return !text.empty() && text.find_first_not_of(characters) == std::string_view::npos;
}

bool is_word(std::string_view text, std::string_view lower_case) {
  return std::ranges::equal(text, lower_case,
                            [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// A field value of the form `word; name=value; name="value"`. Calls take(name, value), the latter as it stands between its quotes.
// False: of another form, or take() said so.
bool read_parameters(std::string_view field, std::string_view word,
                     FunctionRef<bool(std::string_view name, std::string_view value)> take) {
  const std::string_view first = field.substr(0, field.find(';'));
  if (!is_word(trimmed(first), word)) return false;
  std::string_view rest = field.substr(first.size());
  while (!rest.empty()) {
    rest = trimmed(rest.substr(1));  // the ';'
    const std::string_view name = rest.substr(0, rest.find('='));
    if (!consists_of(name, k_token) || name.size() == rest.size()) return false;
    rest.remove_prefix(name.size() + 1);
    std::string_view value;
    if (rest.starts_with('"')) {
      std::size_t end = 1;
      while (end < rest.size() && rest[end] != '"') {
        const std::string_view two = rest.substr(end, 2);
        end += two == "\\\\" || two == "\\\"" ? 2 : 1;
      }
      if (end >= rest.size()) return false;
      value = rest.substr(1, end - 1);
      rest.remove_prefix(end + 1);
    } else {
      value = rest.substr(0, rest.find_first_not_of(k_token));
      if (value.empty()) return false;
      rest.remove_prefix(value.size());
    }
    rest = trimmed(rest);
    if ((!rest.empty() && rest.front() != ';') || !take(name, value)) return false;
  }
  return true;
}

}  // namespace

UploadReader::UploadReader(std::string_view content_type) {
  const bool is_read =
      read_parameters(content_type, "multipart/form-data", [this](std::string_view name, std::string_view value) {
        // Nothing but a boundary belongs there, but `charset` is seen and changes nothing.
        if (!is_word(name, "boundary")) return is_word(name, "charset");
        if (!delimiter_.empty() || !consists_of(value, k_boundary) || value.size() > k_boundary_max) return false;
        delimiter_ = "--" + std::string(value);
        return true;
      });
  if (!is_read || delimiter_.empty()) state_ = State::odd;
}

void UploadReader::feed(std::string_view piece) {
  while (!piece.empty() && state_ != State::odd) piece.remove_prefix(take(piece));
}

std::size_t UploadReader::take(std::string_view piece) {
  switch (state_) {
    case State::start:
    case State::content:
      return at_line_begin_ ? match_delimiter(piece) : take_content(piece);
    case State::after_delimiter:
      return take_after_delimiter(piece);
    case State::head:
      return take_head(piece);
    case State::end:
      return take_end(piece);
    case State::odd:
      break;
  }
  return piece.size();
}

// Up to the end of a line.
std::size_t UploadReader::take_content(std::string_view piece) {
  const auto size = static_cast<std::size_t>(std::ranges::find_if(piece, is_line_end) - piece.begin());
  add(piece.substr(0, size));
  if (size == piece.size()) return size;
  line_end_ = piece[size] == '\r' ? "\r" : "\n";
  matched_ = 0;
  at_line_begin_ = true;
  return size + 1;
}

// A delimiter holds no end of a line, so one that was not to be cannot have another one's beginning in it.
std::size_t UploadReader::match_delimiter(std::string_view piece) {
  const char c = piece.front();
  if (c == '\n' && line_end_ == "\r" && matched_ == 0) {
    line_end_ = "\r\n";
    return 1;
  }
  if (c == delimiter_[matched_]) {
    if (++matched_ == delimiter_.size()) end_part();
    return 1;
  }
  if (state_ == State::start) {
    state_ = State::odd;
    return piece.size();
  }
  add(line_end_);
  add(std::string_view(delimiter_).substr(0, matched_));
  at_line_begin_ = false;
  return 0;
}

// Whatever Dify would take for a delimiter comes here, and all but one form of it is odd.
void UploadReader::end_part() {
  is_file_ = false;
  line_.clear();
  state_ = state_ == State::start || line_end_ == "\r\n" ? State::after_delimiter : State::odd;
}

std::size_t UploadReader::take_after_delimiter(std::string_view piece) {
  line_ += piece.front();
  if (line_ == "\r\n") {
    begin_head();
  } else if (line_ == "--") {
    line_.clear();
    state_ = State::end;
  } else if (line_.size() == 2) {
    state_ = State::odd;
  }
  return 1;
}

void UploadReader::begin_head() {
  line_.clear();
  head_size_ = 0;
  has_disposition_ = false;
  state_ = State::head;
}

std::size_t UploadReader::take_head(std::string_view piece) {
  const std::size_t size = std::min(piece.find('\n'), piece.size() - 1) + 1;
  head_size_ += size;
  if (head_size_ > k_head_max) {
    state_ = State::odd;
    return size;
  }
  line_.append(piece.substr(0, size));
  if (!line_.ends_with('\n')) return size;
  if (line_ == "\r\n") {
    begin_content();
  } else if (line_.ends_with("\r\n")) {
    read_line(std::string_view(line_).substr(0, line_.size() - 2));
    line_.clear();
  } else {
    state_ = State::odd;
  }
  return size;
}

void UploadReader::read_line(std::string_view line) {
  const std::string_view name = line.substr(0, line.find(':'));
  if (!consists_of(name, k_token) || name.size() == line.size() || std::ranges::any_of(line, is_control) ||
      is_word(name, "content-transfer-encoding")) {
    state_ = State::odd;
  } else if (is_word(name, "content-disposition")) {
    read_disposition(trimmed(line.substr(name.size() + 1)));
  }
}

void UploadReader::read_disposition(std::string_view value) {
  std::optional<std::string_view> name;
  bool has_name_of_file = false;
  const bool is_read = read_parameters(value, "form-data", [&](std::string_view parameter, std::string_view text) {
    if (is_word(parameter, "filename") || is_word(parameter, "filename*")) {
      has_name_of_file = true;
      return true;
    }
    // Others could name the part in pieces or in another way (RFC 2231).
    return is_word(parameter, "name") && !std::exchange(name, text);
  });
  is_file_ = name == "file";
  const bool is_odd = !is_read || !name || has_disposition_ || (is_file_ && (!has_name_of_file || has_file_));
  has_disposition_ = true;
  if (is_file_) has_file_ = true;
  if (is_odd) state_ = State::odd;
}

void UploadReader::begin_content() {
  // A delimiter that follows at once has no CRLF of its own, and is found to be odd.
  at_line_begin_ = true;
  line_end_ = {};
  matched_ = 0;
  state_ = has_disposition_ ? State::content : State::odd;
}

void UploadReader::add(std::string_view content) {
  if (!is_file_) return;
  hash_.update(content);
  size_ += content.size();
}

std::size_t UploadReader::take_end(std::string_view piece) {
  line_ += piece.front();
  if (!std::string_view("\r\n").starts_with(line_)) state_ = State::odd;
  return 1;
}

std::optional<FileContent> UploadReader::finish() {
  if (state_ != State::end || !has_file_) return std::nullopt;
  return FileContent{hash_.finish_hex(), size_};
}

std::optional<Upload> read_upload(const FileContent& content, int status, std::string_view answer) {
  if (status != k_created) return std::nullopt;
  const JsonDoc doc = JsonDoc::read(answer);
  const std::string_view id = text_in(doc.root(), "id");
  const auto name = string_of(member(doc.root(), "name"));
  const auto type = string_of(member(doc.root(), "mime_type"));
  const bool is_id = id.size() <= k_id_max && consists_of(id, k_id);
  if (!is_id || !name || !type || whole_number_of(member(doc.root(), "size")) != content.size) return std::nullopt;
  chat::Sha256 hash;
  hash.update(content.sha256);
  // With its length, so that no other name and type make the same text.
  hash.update(std::to_string(type->size()) + ':');
  hash.update(*type);
  hash.update(*name);
  return Upload{std::string(id), hash.finish_hex()};
}

}  // namespace outrigger::providers::dify
