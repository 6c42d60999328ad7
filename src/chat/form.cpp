#include "chat/form.h"

#include <algorithm>
#include <cstring>

#include "chat/json.h"

namespace outrigger::chat {
namespace {

constexpr std::string_view k_mark = "oc";
constexpr std::size_t k_number_size = 4;

void put_number(char* to, std::size_t value) {
  for (std::size_t i = 0; i < k_number_size; ++i) to[i] = static_cast<char>(value >> (8 * i) & 0xff);
}

}  // namespace

void FormWriter::head(Endpoint endpoint) {
  out_.append(k_mark);
  out_.push_back(k_form_version);
  out_.push_back(static_cast<char>(endpoint));
}

void FormWriter::call(std::uint32_t ordinal) { close(open('c'), ordinal); }

void FormWriter::name(std::string_view name) {
  const std::size_t begin = out_.size();
  const std::size_t end = begin + k_number_size + name.size();
  // What libstdc++ 12 tells the callback is the room it made, not the size asked for.
  out_.resize_and_overwrite(end, [&](char* data, std::size_t /*room*/) {
    put_number(data + begin, name.size());
    std::copy_n(name.data(), name.size(), data + begin + k_number_size);
    return end;
  });
}

std::size_t FormWriter::open(char tag) {
  const char head[1 + k_number_size] = {tag, 0, 0, 0, 0};
  out_.append(head, sizeof head);
  return out_.size() - k_number_size;
}

void FormWriter::close(std::size_t mark, std::size_t count) { put_number(out_.data() + mark, count); }

void FormWriter::sized(char tag, std::string_view value) {
  out_.push_back(tag);
  name(value);
}

std::optional<Endpoint> FormReader::head() {
  const std::size_t size = k_mark.size() + 2;
  if (rest_.size() < size || !rest_.starts_with(k_mark) || rest_[k_mark.size()] != k_form_version) return std::nullopt;
  const auto endpoint = static_cast<unsigned char>(rest_[size - 1]);
  if (endpoint > static_cast<unsigned char>(Endpoint::other)) return std::nullopt;
  rest_.remove_prefix(size);
  return static_cast<Endpoint>(endpoint);
}

std::optional<FormReader::Value> FormReader::value() {
  if (rest_.empty()) return std::nullopt;
  Value value;
  value.tag = rest_.front();
  rest_.remove_prefix(1);
  switch (value.tag) {
    case 'n':
    case 't':
    case 'f':
      return value;
    case 's':
    case 'q':
    case 'r':
    case 'd': {
      const auto text = sized();
      if (!text) return std::nullopt;
      value.text = *text;
      return value;
    }
    case 'c':
    case 'a':
    case 'o': {
      const auto count = number();
      if (!count) return std::nullopt;
      value.count = *count;
      return value;
    }
    default:
      return std::nullopt;
  }
}

std::optional<std::string_view> FormReader::name() { return sized(); }

bool FormReader::skip(int depth) {
  const auto head = value();
  if (!head || depth > k_max_depth) return false;
  if (head->tag != 'a' && head->tag != 'o') return true;
  for (std::uint32_t i = 0; i < head->count; ++i) {
    if (head->tag == 'o' && !name()) return false;
    if (!skip(depth + 1)) return false;
  }
  return true;
}

std::optional<std::uint32_t> FormReader::number() {
  if (rest_.size() < k_number_size) return std::nullopt;
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < k_number_size; ++i) {
    value |= static_cast<std::uint32_t>(static_cast<unsigned char>(rest_[i])) << (8 * i);
  }
  rest_.remove_prefix(k_number_size);
  return value;
}

std::optional<std::string_view> FormReader::sized() {
  const auto size = number();
  if (!size || *size > rest_.size()) return std::nullopt;
  const std::string_view text = rest_.substr(0, *size);
  rest_.remove_prefix(*size);
  return text;
}

}  // namespace outrigger::chat
