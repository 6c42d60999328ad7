#include "proxy/fleet_note.h"

#include <catch2/catch_test_macros.hpp>

#include "core/rng.h"

namespace outrigger::proxy {
namespace {

FleetNote a_note() {
  FleetNote note;
  note.number = UINT64_MAX;
  note.accounts.push_back({"a1", 7, 12, -3, 5, 6, 60s, 2, 1500ms});
  note.accounts.push_back({"a2", 0, 0, 0, 0, 0, 0s, 0, 0ms});
  note.targets.push_back({"t1", 3, 30s, 2});
  return note;
}

TEST_CASE("a note comes back as it was written") {
  CHECK(read_fleet_note(write(a_note())) == a_note());
  CHECK(read_fleet_note(write(FleetNote{})) == FleetNote{});
}

TEST_CASE("what is not a note is none") {
  for (const std::string_view text :
       {"", "\n", "hello\n", "outrigger-fleet 1 ", "outrigger-fleet 1 \n", "outrigger-fleet 1 -1\n", "outrigger-fleet 2 1\n",
        "outrigger-fleet 1 1", "outrigger-fleet 1 1 \n2\n", "outrigger-fleet 1 1\n\n", "outrigger-fleet 1 1\nx a 1\n",
        "outrigger-fleet 1 1\nt a 1 1\n", "outrigger-fleet 1 1\nt a 1 1 1 1\n", "outrigger-fleet 1 1\nt  1 1 1\n",
        "outrigger-fleet 1 1\nt a 1 -1 1\n", "outrigger-fleet 1 1\nt a 1 3600001 1\n",
        "outrigger-fleet 1 1\na i 1 9223372036854775807 1 1 1 1 1 1\n", "outrigger-fleet 1 1\na i 1 1 1 1 x 1 1 1\n"}) {
    CAPTURE(text);
    CHECK_FALSE(read_fleet_note(text));
  }
  FleetNote long_one;
  long_one.targets.resize(FleetNote::k_entries_max, {"t", 1, 1ms, 1});
  CHECK(read_fleet_note(write(long_one)));
  long_one.targets.push_back({"t", 1, 1ms, 1});
  CHECK_FALSE(read_fleet_note(write(long_one)));
}

TEST_CASE("damaged notes do no harm") {
  Rng rng(5);
  for (int i = 0; i < 20'000; ++i) {
    std::string text = write(a_note());
    for (std::uint64_t n = 1 + rng.below(3); n > 0; --n) {
      text[rng.below(text.size())] = static_cast<char>(rng.below(256));
    }
    text.resize(rng.chance(0.5) ? text.size() : rng.below(text.size()));
    const auto note = read_fleet_note(text);
    if (!note) continue;
    for (const FleetNote::Account& account : note->accounts) CHECK(account.over <= 1h);
  }
}

}  // namespace
}  // namespace outrigger::proxy
