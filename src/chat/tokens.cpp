// The estimate of tokens; see request.h. Runs over every prompt, so it counts 16 bytes at a time with the compiler's vectors.
#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "chat/request.h"

namespace outrigger::chat {
namespace {

using Bytes16 = unsigned char __attribute__((vector_size(16)));
using Words2 = unsigned long long __attribute__((vector_size(16)));
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

// Bytes at the front of `text` that are ASCII, in steps of four vectors and then of half a one: most prompts end here.
std::size_t ascii_front(std::string_view text) {
  constexpr std::uint64_t k_high_bits = 0x8080808080808080;
  std::size_t at = 0;
  for (; at + 4 * k_lanes <= text.size(); at += 4 * k_lanes) {
    std::array<Words2, 4> words;
    std::memcpy(words.data(), text.data() + at, sizeof words);
    const Words2 all = words[0] | words[1] | words[2] | words[3];
    if (((all[0] | all[1]) & k_high_bits) != 0) break;
  }
  for (std::uint64_t word = 0; at + sizeof word <= text.size(); at += sizeof word) {
    std::memcpy(&word, text.data() + at, sizeof word);
    if ((word & k_high_bits) != 0) break;
  }
  return at;
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
  widths.latin = ascii_front(text);
  text.remove_prefix(widths.latin);
  while (text.size() >= k_lanes) text.remove_prefix(count_vectors(widths, text));
  for (const char c : text) count_one(widths, static_cast<unsigned char>(c));
  // Twelfths of a token: a quarter for Latin, five twelfths for other letters, two thirds for CJK.
  const std::uint64_t twelfths = widths.latin * 3 + widths.letters * 5 + widths.wide * 8;
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>((twelfths + 11) / 12, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace outrigger::chat
