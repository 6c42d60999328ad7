// Numbers as decimals, exactly: 0.7, 0.70 and 7e-1 are one number, and so are 1 and 1.0, but nothing is ever rounded.
#pragma once

#include <optional>
#include <string_view>

namespace outrigger::chat {

// The one way to write the number that a JSON number token stands for. Holds its text itself; does not allocate.
class Decimal {
 public:
  // `token` must be a valid JSON number. A token that is too long or whose exponent is too large for the folding keeps its
  // own text: then two ways to write it stay two numbers, which costs a hit and nothing else.
  explicit Decimal(std::string_view token);
  Decimal(const Decimal&) = delete;
  Decimal& operator=(const Decimal&) = delete;
  [[nodiscard]] std::string_view text() const { return text_; }

 private:
  static constexpr std::size_t k_room = 64;
  void write(bool negative, std::string_view digits, long exponent);

  char buffer_[k_room];
  std::string_view text_;
};

// Nearest double; an overflow is an infinity.
double to_double(std::string_view token);
// Only digits: a count or a token id.
bool is_plain_integer(std::string_view token);

}  // namespace outrigger::chat
