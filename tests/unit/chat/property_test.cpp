// Thousands of random pairs: what is only written otherwise shares its form, what asks something else never does.
#include <catch2/catch_test_macros.hpp>
#include <map>

#include "chat/key.h"
#include "unit/chat/random_request.h"
#include "unit/chat/support.h"

using namespace outrigger;
using namespace outrigger::chat;
using namespace outrigger::chat::test;

namespace {
constexpr std::uint64_t k_seed = 20260817;
constexpr Level k_levels[] = {Level::exact, Level::safe, Level::faq, Level::faq_plus, Level::synonyms};
}  // namespace

TEST_CASE("10,000 requests keep their form when they are only written otherwise") {
  Rng rng(k_seed);
  for (int i = 0; i < 10000; ++i) {
    Node request = random_chat(rng);
    const std::string plain = written(request);
    for (std::uint64_t n = rng.below(4); n > 0; --n) change_harmlessly(request, rng);
    const std::string other = written(request, &rng);
    const Level level = k_levels[rng.below(5)];
    if (!same(plain, other, level)) FAIL("seed " << k_seed << ", pair " << i << "\n" << plain << "\n" << other);
  }
}

TEST_CASE("10,000 requests part ways when something in them changes") {
  Rng rng(k_seed + 1);
  for (int i = 0; i < 10000; ++i) {
    const Node before = random_chat(rng);
    Node after = before;
    while (!change_harmfully(after, rng)) {
    }
    const std::string a = written(before, &rng);
    const std::string b = written(after, &rng);
    const Level level = k_levels[rng.below(5)];
    if (!differ(a, b, level)) FAIL("seed " << k_seed + 1 << ", pair " << i << "\n" << a << "\n" << b);
  }
}

TEST_CASE("equal keys mean equal requests among thousands that are much alike") {
  Rng rng(k_seed + 2);
  const KeyMaker keys("secret");
  std::map<std::string, std::string> seen;  // key to the request as plain text
  for (int i = 0; i < 5000; ++i) {
    Node request = random_chat(rng);
    for (std::uint64_t n = rng.below(3); n > 0; --n) (void)change_harmfully(request, rng);
    // One order for the members, so that equal texts are equal requests.
    const std::string plain = written(request);
    const std::string canonical = form(written(request, &rng), Level::exact);
    REQUIRE_FALSE(canonical.empty());
    const std::string key = hex(keys.key(keys.identity({.scope = Scope::global,
                                                        .level = Level::exact,
                                                        .epoch = {},
                                                        .upstream = {},
                                                        .query = {},
                                                        .credential = {},
                                                        .app = {},
                                                        .user = {},
                                                        .canonical = canonical})));
    const auto [place, is_new] = seen.emplace(key, plain);
    if (!is_new && place->second != plain) FAIL("seed " << k_seed + 2 << "\n" << plain << "\n" << place->second);
  }
}
