// RESP2, the Redis protocol, from the server's side: commands in, replies out. Pure.
// (The program's own reader is hiredis in src/cache; a second, independent one here keeps both honest.)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace outrigger::sim {

using RedisCommand = std::vector<std::string>;

// Cuts a flow of bytes into commands. Arrays of bulk strings, and inline commands ("PING\r\n") without quoting.
class RespReader {
 public:
  void feed(std::string_view bytes) { buffer_ += bytes; }
  // The next complete command; nothing when more bytes are needed or after an error.
  [[nodiscard]] std::optional<RedisCommand> next();
  // What was wrong, in Redis' words. After that nothing more can be read.
  [[nodiscard]] const std::optional<std::string>& error() const { return error_; }

 private:
  // A line without its end; moves `at` behind it. Nothing: not complete.
  std::optional<std::string_view> line(std::size_t& at) const;
  std::optional<RedisCommand> next_array();
  std::optional<RedisCommand> next_inline();
  std::optional<RedisCommand> refuse(std::string why);

  std::string buffer_;
  std::optional<std::string> error_;
};

namespace resp {

std::string simple(std::string_view text);
std::string error(std::string_view text);
std::string integer(std::int64_t value);
std::string bulk(std::string_view bytes);
std::string nil();
std::string array_head(std::size_t elements);

}  // namespace resp
}  // namespace outrigger::sim
