// One id in the place of another in bytes that pass by.
#include <catch2/catch_test_macros.hpp>
#include <string>

#include "providers/dify/swap.h"

namespace outrigger::providers::dify {
namespace {

const std::string k_from = "45701982-8118-4bc5-8e9b-64562b4555f2";
const std::string k_to = "00000000-0000-4000-8000-000000000001";

TEST_CASE("dify swap: an id is another's wherever the bytes are cut, and nothing else changes") {
  const std::string prefixes = "45 4570 45701982-8118-4bc5-8e9b-64562b4555f 45701982-8118-4bc5-8e9b-45701982";
  const std::string text = "data: {\"a\":\"" + k_from + "\",\"b\":\"" + k_from + k_from + "\"}\n\n" + prefixes;
  const std::string wanted = "data: {\"a\":\"" + k_to + "\",\"b\":\"" + k_to + k_to + "\"}\n\n" + prefixes;
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    IdSwap swap(k_from, k_to);
    std::string out = swap.feed(text.substr(0, cut));
    CHECK(out.size() + k_from.size() > cut);  // no more is held back
    out += swap.feed(text.substr(cut));
    out += swap.rest();
    CHECK(out == wanted);
    CHECK(swap.at_boundary());
  }
  IdSwap swap(k_from, k_to);
  std::string out;
  for (const char c : text) out += swap.feed({&c, 1});
  CHECK(out + swap.rest() == wanted);
}

TEST_CASE("dify swap: whole events are not held back") {
  IdSwap swap(k_from, k_to);
  CHECK(swap.feed("data: {}\n\n") == "data: {}\n\n");
  CHECK(swap.at_boundary());
  CHECK(swap.feed("x45701982-").size() == 1);
  CHECK_FALSE(swap.at_boundary());
}

}  // namespace
}  // namespace outrigger::providers::dify
