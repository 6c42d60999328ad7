// Rng: small, seedable randomness (SplitMix64, public domain, Vigna 2015). Passed by reference to whatever draws: nothing in
// this program owns a global one. Not for secrets: those come from net/'s random source.
#pragma once

#include <cstdint>

namespace outrigger {

class Rng {
 public:
  explicit Rng(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  // Uniform in [0, bound); bound > 0. The bias is under 2^-32 for the small bounds used here.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  // Uniform in [0, 1).
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  bool chance(double probability) { return unit() < probability; }
  // An independent generator, so that a draw added in one place does not shift the draws of another.
  Rng fork() { return Rng(next() ^ 0xd1b54a32d192ed03ULL); }

 private:
  std::uint64_t state_;
};

}  // namespace outrigger
