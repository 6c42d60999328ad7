// FleetNote: what a replica tells the others, and its form on the Board. Pure. Nothing in it is a time of day: all times are lengths,
// so clocks need not agree. Accounts and targets are named by HMACs under the deployment's secret.
//
//   outrigger-fleet 1 <number>
//   a <id> <life> <requests> <tokens> <requests of the minute> <tokens of the minute> <over ms> <rejections> <closed ms>
//   t <id> <trips> <rest ms> <recoveries>
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/time.h"

namespace outrigger::proxy {

struct FleetNote {
  // Of each kind, written and read.
  static constexpr std::size_t k_entries_max = 256;

  // One credential at one target.
  struct Account {
    std::string id;
    std::uint64_t life = 0;                                // another one: the two below began at zero again
    std::int64_t requests = 0, tokens = 0;                 // sent by this replica; falls when some is given back
    std::uint64_t minute_requests = 0, minute_tokens = 0;  // of them, within the last `over`
    std::chrono::milliseconds over{};                      // at most a minute or so
    std::uint64_t rejections = 0;                          // rises with every 429 that closed the gate
    std::chrono::milliseconds closed_for{};
    bool operator==(const Account&) const = default;
  };
  struct Target {
    std::string id;
    std::uint64_t trips = 0;           // rises when its breaker opens
    std::chrono::milliseconds rest{};  // until its next probe
    std::uint64_t recoveries = 0;      // rises when a probe succeeds
    bool operator==(const Target&) const = default;
  };

  std::uint64_t number = 0;  // rises with every note
  std::vector<Account> accounts;
  std::vector<Target> targets;
  bool operator==(const FleetNote&) const = default;
};

[[nodiscard]] std::string write(const FleetNote& note);
// Nothing: not a note, or one of another version.
[[nodiscard]] std::optional<FleetNote> read_fleet_note(std::string_view text);

}  // namespace outrigger::proxy
