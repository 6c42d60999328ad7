#include "sim/world/resp.h"

#include <utility>

#include "sim/world/redis_text.h"

namespace outrigger::sim {
namespace {

// Redis' own limits: elements of a command, bytes of an argument (proto-max-bulk-len) and of an inline command.
constexpr std::int64_t k_elements_max = 1024 * 1024;
constexpr std::int64_t k_bulk_max = 512LL * 1024 * 1024;
constexpr std::size_t k_inline_max = 64 * 1024;

}  // namespace

std::optional<RedisCommand> RespReader::next() {
  while (!error_ && !buffer_.empty()) {
    std::optional<RedisCommand> command = buffer_.front() == '*' ? next_array() : next_inline();
    // An empty command ("*0", an empty line) is skipped without an answer.
    if (!command || !command->empty()) return command;
  }
  return std::nullopt;
}

std::optional<std::string_view> RespReader::line(std::size_t& at) const {
  const std::size_t end = buffer_.find("\r\n", at);
  if (end == std::string::npos) return std::nullopt;
  const std::string_view text = std::string_view(buffer_).substr(at, end - at);
  at = end + 2;
  return text;
}

std::optional<RedisCommand> RespReader::next_array() {
  std::size_t at = 0;
  const auto head = line(at);
  if (!head) return buffer_.size() > k_inline_max ? refuse("too big mbulk count string") : std::nullopt;
  const auto elements = number(head->substr(1));
  if (!elements || *elements > k_elements_max) return refuse("invalid multibulk length");
  RedisCommand command;
  for (std::int64_t i = 0; i < *elements; ++i) {
    const std::size_t begin = at;
    const auto size_line = line(at);
    if (begin < buffer_.size() && buffer_[begin] != '$') {
      return refuse(std::string("expected '$', got '") + buffer_[begin] + "'");
    }
    if (!size_line) return std::nullopt;
    const auto size = number(size_line->substr(1));
    if (!size || *size < 0 || *size > k_bulk_max) return refuse("invalid bulk length");
    const auto bytes = static_cast<std::size_t>(*size);
    if (buffer_.size() - at < bytes + 2) return std::nullopt;
    command.push_back(buffer_.substr(at, bytes));
    at += bytes + 2;
  }
  buffer_.erase(0, at);
  return command;
}

std::optional<RedisCommand> RespReader::next_inline() {
  const std::size_t end = buffer_.find('\n');
  if (end == std::string::npos) return buffer_.size() > k_inline_max ? refuse("too big inline request") : std::nullopt;
  RedisCommand command;
  std::string word;
  for (const char c : buffer_.substr(0, end) + " ") {
    if (c != ' ' && c != '\r' && c != '\t') {
      word += c;
    } else if (!word.empty()) {
      command.push_back(std::exchange(word, {}));
    }
  }
  buffer_.erase(0, end + 1);
  return command;
}

std::optional<RedisCommand> RespReader::refuse(std::string why) {
  error_ = "ERR Protocol error: " + std::move(why);
  return std::nullopt;
}

namespace resp {

std::string simple(std::string_view text) { return "+" + std::string(text) + "\r\n"; }
std::string error(std::string_view text) { return "-" + std::string(text) + "\r\n"; }
std::string integer(std::int64_t value) { return ":" + std::to_string(value) + "\r\n"; }
std::string bulk(std::string_view bytes) {
  return "$" + std::to_string(bytes.size()) + "\r\n" + std::string(bytes) + "\r\n";
}
std::string nil() { return "$-1\r\n"; }
std::string array_head(std::size_t elements) { return "*" + std::to_string(elements) + "\r\n"; }

}  // namespace resp
}  // namespace outrigger::sim
