// What a simulated connection is like and what will go wrong with it. Values only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/rng.h"
#include "core/time.h"

namespace outrigger::sim {

// The wire between two ends, the same both ways.
struct LinkShape {
  Duration latency = std::chrono::microseconds(200);  // one way
  Duration jitter{};                                  // up to this much more per write; order is kept
  std::uint64_t bytes_per_second = 0;                 // 0: unlimited
  // What the kernels on both sides hold for one direction: bytes on the wire and bytes that nobody has read yet. More than that
  // stays with the writer and shows in unsent().
  std::size_t window = 64 * 1024;
  // Reads return what happens to be there: any number of bytes, split and merged without regard to writes. Off: everything
  // that has arrived is handed over in one piece.
  bool chunking = false;

  // A healthy link of any kind: from a neighbour's to one across an ocean, wide or narrow, with chunking.
  [[nodiscard]] static LinkShape any(Rng& rng);
};

// What becomes of the attempt to connect.
enum class ConnectFate : std::uint8_t { accepted, refused, blackhole };

// The faults of one connection. "Down" is towards the side that connected, "up" towards the side that listened.
struct LinkPlan {
  ConnectFate connect = ConnectFate::accepted;
  bool tls_fails = false;
  // The receiver gets exactly this many bytes; the next one breaks the connection for both.
  std::optional<std::uint64_t> reset_down_after{};
  std::optional<std::uint64_t> reset_up_after{};
  // After this many bytes down, nothing is delivered in that direction for stall_for.
  std::optional<std::uint64_t> stall_down_after{};
  Duration stall_for{};
  // Bytes down are handed over one by one, this far apart. Zero: not at all.
  Duration drip_every{};
};

// How often connections of an address go wrong: probabilities per connection, drawn when it is asked for. At most one of
// them happens to a connection.
struct LinkFaults {
  double refuse = 0;
  double blackhole = 0;
  double tls_fails = 0;
  double reset_down = 0;  // after up to reset_bytes_max bytes
  double reset_up = 0;
  double stall = 0;  // after up to reset_bytes_max bytes, for up to stall_max
  double drip = 0;   // one byte each up to drip_max
  std::uint64_t reset_bytes_max = 8 * 1024;
  Duration stall_max = std::chrono::seconds(30);
  Duration drip_max = std::chrono::milliseconds(5);

  [[nodiscard]] LinkPlan draw(Rng& rng) const;
};

}  // namespace outrigger::sim
