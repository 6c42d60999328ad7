// Concurrency: how many requests may be in flight to a target at once. No limit, a fixed one, or one that is learned: while the
// first tokens come as soon as they usually do there is room for more, when they are late the target has begun to queue and wants
// fewer. The learned limit is Gradient2 of Netflix' concurrency-limits, over windows of some samples as its WindowedLimit makes
// them:
//
//   gradient = clamp(1.5 * usual / recent, 0.5, 1)           usual: mean of 600 windows; recent: mean of this one
//   limit    = 0.8 * limit + 0.2 * (limit * gradient + queue)
//
// in [floor, ceiling], and only if at least half of the limit was in use: what nobody asked for says nothing about how much more
// there could be. `queue`, by how much the limit may rise, is 4, but at most a quarter of the limit: with a plain 4 no limit would
// ever fall below 8, and models with room for three exist.
//
// It is meant for demand that comes and goes. Under an overload that never ends the usual time follows the recent one, and the limit
// creeps up, to twice as much in some 350 windows; there the ceiling is what holds.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/time.h"

namespace outrigger::resilience {

class Concurrency {
 public:
  enum class Kind : unsigned char { none, fixed, adaptive };
  struct Settings {
    Kind kind = Kind::none;
    std::uint32_t limit = 20;  // fixed: the limit, 0 counts as 1; adaptive: where it begins
    std::uint32_t floor = 2;   // adaptive
    std::uint32_t ceiling = 200;
    bool operator==(const Settings&) const = default;
  };

  explicit Concurrency(Settings settings);
  // What is in flight stays counted, also beyond a limit that is lower now. A learned limit is kept, within the new bounds, from
  // one adaptive setting to the next.
  void configure(Settings settings);

  // True: a place is taken, which the caller gives back with release() exactly once, when the whole answer has come or failed.
  [[nodiscard]] bool try_acquire();
  void release();
  [[nodiscard]] bool has_room() const { return in_flight_ < limit().value_or(UINT32_MAX); }

  // From the start of the call. For a call that gave up waiting: the time it waited. No effect unless adaptive.
  void on_first_token(Duration took);

  // Nothing if there is no limit.
  [[nodiscard]] std::optional<std::uint32_t> limit() const;
  [[nodiscard]] std::uint32_t in_flight() const { return in_flight_; }

 private:
  void on_window(double recent);

  Settings settings_;
  std::uint32_t in_flight_ = 0;

  double limit_ = 1;           // adaptive
  double usual_ = 0;           // seconds
  std::uint32_t windows_ = 0;  // that usual_ is the mean of; stops counting at k_long_window

  // The window that is being filled.
  double sum_ = 0;  // seconds
  std::uint32_t samples_ = 0;
  std::uint32_t most_in_flight_ = 0;
};

std::string_view name(Concurrency::Kind kind);

}  // namespace outrigger::resilience
