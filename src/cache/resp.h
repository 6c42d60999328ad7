// RESP: Redis' protocol as values. The only place that includes hiredis: its reader, with reply objects of our own (so that an
// array's claimed length cannot allocate gigabytes), and its command formatter. hiredis 0.14 to 1.2.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace outrigger::cache {

struct Reply {
  enum class Kind : unsigned char { nil, status, error, integer, string, array };
  Kind kind = Kind::nil;
  std::string text;  // status, error, string
  std::int64_t integer = 0;
  std::vector<Reply> elements;

  [[nodiscard]] bool is_ok() const { return kind == Kind::status && text == "OK"; }
};

struct ReplyLimits {
  std::size_t bytes = 64u << 20;   // of one reply, as it comes
  std::size_t elements = 100'000;  // of one reply, nested ones included
};

// Push parser: any split of the bytes gives the same replies. After an error it is of no more use.
class ReplyReader {
 public:
  explicit ReplyReader(ReplyLimits limits = {});
  ~ReplyReader();
  ReplyReader(const ReplyReader&) = delete;
  ReplyReader& operator=(const ReplyReader&) = delete;

  void feed(std::string_view data);
  // The next complete reply; nothing if more bytes are needed. Errors: what is wrong, in words.
  [[nodiscard]] std::expected<std::optional<Reply>, std::string_view> next();

 private:
  struct Hiredis;
  std::unique_ptr<Hiredis> hiredis_;
  ReplyLimits limits_;
  std::size_t unfinished_ = 0;  // bytes since the last complete reply
  bool failed_ = false;
};

void append_command(std::string& out, std::span<const std::string_view> arguments);

}  // namespace outrigger::cache
