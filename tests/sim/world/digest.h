// Digest: one number for everything that happened in a simulated run. The same seed must give the same digest, so a run that
// depends on an address in memory, on a hash table's order or on the real clock is found out.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/time.h"

namespace outrigger::sim {

// What kind of event is mixed in. Values are part of every recorded digest: append only.
enum class Event : std::uint8_t {
  timer = 1,
  work_begun,
  work_done,
  wall_jump,
  connect_asked,
  connect_done,
  connect_failed,
  accepted,
  tls_done,
  written,
  delivered,
  eof,
  reset,
  drained,
  closed,
  redis_command,
  note,
};

class Digest {
 public:
  void add(std::uint64_t word) {
    state_ ^= word;
    state_ *= 0x9e3779b97f4a7c15ULL;
    state_ ^= state_ >> 29;
    ++count_;
  }
  void add(Event event, MonoTime at, std::uint64_t size = 0) {
    add(static_cast<std::uint64_t>(event));
    add(static_cast<std::uint64_t>(at.time_since_epoch().count()));
    add(size);
  }
  // FNV-1a of the text, so that contents count and not only sizes.
  void add_text(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325ULL;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    add(hash);
  }
  [[nodiscard]] std::uint64_t value() const { return state_; }
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  std::uint64_t state_ = 0x243f6a8885a308d3ULL;
  std::uint64_t count_ = 0;
};

}  // namespace outrigger::sim
