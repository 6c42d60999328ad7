// The estimate of tokens; see request.h. Runs over every prompt, so it counts 16 bytes at a time with the compiler's vectors.
#include <algorithm>
#include <cstring>
#include <limits>

#include "chat/request.h"

namespace outrigger::chat {
namespace {

using Bytes16 = unsigned char __attribute__((vector_size(16)));
constexpr std::size_t k_lanes = 16;
constexpr std::size_t k_rounds = 255;  // what a lane of one byte can count

// Characters by their first byte: one byte is Latin, two bytes are letters of other alphabets, more are mostly CJK.
struct Widths {
  std::uint64_t latin = 0;
  std::uint64_t letters = 0;
  std::uint64_t wide = 0;
};

void count_one(Widths& widths, unsigned char byte) {
  widths.latin += byte < 0x80 ? 1 : 0;
  widths.letters += byte >= 0xc0 && byte < 0xe0 ? 1 : 0;
  widths.wide += byte >= 0xe0 ? 1 : 0;
}

std::uint64_t sum(const Bytes16& lanes) {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < k_lanes; ++i) total += lanes[i];
  return total;
}

// Whole vectors from the front of `text`, at most k_rounds of them; returns how many bytes it counted.
std::size_t count_vectors(Widths& widths, std::string_view text) {
  const std::size_t rounds = std::min(text.size() / k_lanes, k_rounds);
  Bytes16 latin{};
  Bytes16 leads{};
  Bytes16 wide{};
  for (std::size_t i = 0; i < rounds; ++i) {
    Bytes16 bytes;
    std::memcpy(&bytes, text.data() + i * k_lanes, k_lanes);
    // A comparison gives 0 or -1 in each lane.
    latin -= reinterpret_cast<Bytes16>(bytes < 0x80);
    leads -= reinterpret_cast<Bytes16>(bytes >= 0xc0);
    wide -= reinterpret_cast<Bytes16>(bytes >= 0xe0);
  }
  widths.latin += sum(latin);
  widths.letters += sum(leads) - sum(wide);
  widths.wide += sum(wide);
  return rounds * k_lanes;
}

}  // namespace

std::uint32_t estimate_tokens(std::string_view text) {
  Widths widths;
  while (text.size() >= k_lanes) text.remove_prefix(count_vectors(widths, text));
  for (const char c : text) count_one(widths, static_cast<unsigned char>(c));
  // Twelfths of a token: a quarter for Latin, five twelfths for other letters, two thirds for CJK.
  const std::uint64_t twelfths = widths.latin * 3 + widths.letters * 5 + widths.wide * 8;
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>((twelfths + 11) / 12, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace outrigger::chat
