// Timer: the handle of one pending callback, and TimerQueue, the ordered set behind it that both loops share.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "core/time.h"

namespace outrigger::io {

class TimerQueue;

// Move-only. Destroying it (or assigning over it) cancels. Must not outlive the Loop that made it.
class Timer {
 public:
  Timer() = default;
  Timer(Timer&& other) noexcept
      : queue_(std::exchange(other.queue_, nullptr)), slot_(other.slot_), generation_(other.generation_) {}
  Timer& operator=(Timer&& other) noexcept {
    if (this != &other) {
      cancel();
      queue_ = std::exchange(other.queue_, nullptr);
      slot_ = other.slot_;
      generation_ = other.generation_;
    }
    return *this;
  }
  ~Timer() { cancel(); }

  void cancel();
  // Still waiting to run?
  [[nodiscard]] bool pending() const;

 private:
  friend class TimerQueue;
  Timer(TimerQueue* queue, std::uint32_t slot, std::uint32_t generation)
      : queue_(queue), slot_(slot), generation_(generation) {}

  TimerQueue* queue_ = nullptr;
  std::uint32_t slot_ = 0;
  std::uint32_t generation_ = 0;
};

// A binary heap ordered by (time, order of setting). Slots are reused; a generation tells an old handle from a new one.
// Pure: whoever owns it passes the time.
class TimerQueue {
 public:
  using Callback = std::move_only_function<void()>;

  TimerQueue() = default;
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;

  [[nodiscard]] Timer add(MonoTime when, Callback callback);
  // When the earliest timer is due; nothing when none is set.
  [[nodiscard]] std::optional<MonoTime> next() const;
  // Takes out the earliest timer if it is due at `now`; the caller runs it. An empty function means that none is due.
  [[nodiscard]] Callback take_due(MonoTime now);
  [[nodiscard]] std::size_t size() const { return heap_.size(); }

 private:
  friend class Timer;
  struct Slot {
    Callback callback;
    MonoTime when;
    std::uint64_t order = 0;
    std::uint32_t generation = 0;
    std::uint32_t position = 0;  // in heap_; meaningless while free
    bool used = false;
  };
  void cancel(std::uint32_t slot, std::uint32_t generation);
  [[nodiscard]] bool is_pending(std::uint32_t slot, std::uint32_t generation) const;
  [[nodiscard]] bool before(std::uint32_t a, std::uint32_t b) const;
  Callback remove_at(std::uint32_t position);
  void sift_up(std::uint32_t position);
  void sift_down(std::uint32_t position);

  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> heap_;  // slot numbers
  std::uint64_t next_order_ = 0;
};

}  // namespace outrigger::io
