// IdentityHash: under what the memory tier files its entries. Keyed, because identities are made of what clients write: without
// the key nobody can make many that pile up in one place. It decides nothing: whoever looks up compares the identities themselves.
//
//   identity ─ blocks of 1 KiB ─ NH (UMAC, RFC 4418 §5.2) ─► 16 bytes a block ─ SipHash-1-3, with the length ─► 64 bits
//
// NH is a tenth of SipHash's work, and two texts meet in it with a chance of 2^-64; SipHash hides what NH would tell of its key.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace outrigger::cache {

class IdentityHash {
 public:
  // `secret` is of any length; the same one gives the same hash, which says nothing of it.
  explicit IdentityHash(std::string_view secret);

  [[nodiscard]] std::uint64_t operator()(std::string_view identity) const;

 private:
  static constexpr std::size_t k_block_words = 128;
  struct Pair {
    std::uint64_t low, high;
  };
  [[nodiscard]] Pair compress(const char* block, std::size_t pairs) const;

  std::array<std::uint64_t, k_block_words> nh_key_;
  Pair sip_key_{};
};

// SipHash (Aumasson and Bernstein, 2012) with one round a word and three at the end, as Rust and Python use it for their tables.
class SipHash13 {
 public:
  SipHash13(std::uint64_t key_low, std::uint64_t key_high)
      : a_(key_low ^ 0x736f6d6570736575),
        b_(key_high ^ 0x646f72616e646f6d),
        c_(key_low ^ 0x6c7967656e657261),
        d_(key_high ^ 0x7465646279746573) {}

  void take(std::uint64_t word);
  // After the last whole word: what is left, with the size of the whole in its highest byte.
  [[nodiscard]] std::uint64_t finish(std::uint64_t last);

 private:
  void round();

  std::uint64_t a_, b_, c_, d_;
};

}  // namespace outrigger::cache
