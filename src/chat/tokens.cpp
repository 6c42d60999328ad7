// The estimate of tokens; see request.h.
#include <algorithm>
#include <limits>

#include "chat/request.h"

namespace outrigger::chat {

std::uint32_t estimate_tokens(std::string_view text) {
  // Counted by the first byte of each character, without branches, so that the compiler can use vectors: one byte is Latin,
  // two bytes are letters of other alphabets (about 2.4 a token), three and four bytes are mostly CJK.
  std::uint64_t latin = 0;
  std::uint64_t letters = 0;
  std::uint64_t wide = 0;
  constexpr std::size_t k_block = 255;  // what a byte can count
  for (std::size_t begin = 0; begin < text.size(); begin += k_block) {
    unsigned char one = 0;
    unsigned char two = 0;
    unsigned char more = 0;
    const std::size_t end = std::min(begin + k_block, text.size());
    for (std::size_t i = begin; i < end; ++i) {
      const auto byte = static_cast<unsigned char>(text[i]);
      one = static_cast<unsigned char>(one + (byte < 0x80 ? 1 : 0));
      two = static_cast<unsigned char>(two + ((byte & 0xe0) == 0xc0 ? 1 : 0));
      more = static_cast<unsigned char>(more + (byte >= 0xe0 ? 1 : 0));
    }
    latin += one;
    letters += two;
    wide += more;
  }
  const std::uint64_t twelfths = latin * 3 + letters * 5 + wide * 8;
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>((twelfths + 11) / 12, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace outrigger::chat
