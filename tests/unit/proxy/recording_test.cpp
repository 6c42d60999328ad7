#include "proxy/recording.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

#include "core/rng.h"

namespace outrigger::proxy {
namespace {

TEST_CASE("a recording gives any piece of what it holds") {
  Recording recording;
  for (const std::string_view text : {"abc", "", "d", "efgh"}) recording.append(Bytes::copy(text));
  const std::string all = "abcdefgh";
  CHECK(recording.begin() == 0);
  CHECK(recording.end() == all.size());
  for (std::size_t from = 0; from <= all.size(); ++from) {
    for (std::size_t to = from; to <= all.size(); ++to)
      CHECK(recording.piece(from, to).view() == all.substr(from, to - from));
  }
}

TEST_CASE("a piece inside one chunk shares its bytes") {
  Recording recording;
  const Bytes chunk = Bytes::copy("abcdef");
  recording.append(Bytes::copy("xy"));
  recording.append(chunk);
  CHECK(recording.piece(3, 6).data() == chunk.data() + 1);
  CHECK(recording.piece(2, 8).data() == chunk.data());
}

TEST_CASE("trimming forgets whole chunks only, and never moves the end") {
  Recording recording;
  for (int i = 0; i < 4; ++i) recording.append(Bytes::copy("0123456789"));
  recording.trim(9);
  CHECK(recording.begin() == 0);
  recording.trim(10);
  CHECK(recording.begin() == 10);
  CHECK(recording.held() == 30);
  recording.trim(29);
  CHECK(recording.begin() == 20);
  CHECK(recording.piece(25, 35).view() == "5678901234");
  recording.trim(40);
  CHECK(recording.begin() == 40);
  CHECK(recording.end() == 40);
  CHECK(recording.held() == 0);
  recording.append(Bytes::copy("next"));
  CHECK(recording.piece(40, 44).view() == "next");
}

TEST_CASE("any mixture of appending, reading and trimming agrees with a string") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    Rng rng(seed);
    Recording recording;
    std::string all;
    for (int step = 0; step < 300; ++step) {
      const std::string text(rng.below(20), static_cast<char>('a' + rng.below(26)));
      all += text;
      recording.append(Bytes::copy(text));
      if (rng.chance(0.3)) recording.trim(recording.begin() + rng.below(recording.held() + 1));
      const std::uint64_t from = recording.begin() + rng.below(recording.held() + 1);
      const std::uint64_t to = from + rng.below(recording.end() - from + 1);
      REQUIRE(recording.end() == all.size());
      REQUIRE(recording.piece(from, to).view() == std::string_view(all).substr(from, to - from));
    }
    recording.clear();
    CHECK(recording.held() == 0);
    CHECK(recording.end() == all.size());
  }
}

}  // namespace
}  // namespace outrigger::proxy
