#include "io/timer.h"

namespace outrigger::io {

void Timer::cancel() {
  if (queue_ != nullptr) std::exchange(queue_, nullptr)->cancel(slot_, generation_);
}

bool Timer::pending() const { return queue_ != nullptr && queue_->is_pending(slot_, generation_); }

Timer TimerQueue::add(MonoTime when, Callback callback) {
  std::uint32_t slot = 0;
  if (free_.empty()) {
    slot = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  Slot& s = slots_[slot];
  s.callback = std::move(callback);
  s.when = when;
  s.order = next_order_++;
  s.used = true;
  heap_.push_back(slot);
  s.position = static_cast<std::uint32_t>(heap_.size() - 1);
  sift_up(s.position);
  return Timer(this, slot, s.generation);
}

std::optional<MonoTime> TimerQueue::next() const {
  if (heap_.empty()) return std::nullopt;
  return slots_[heap_.front()].when;
}

TimerQueue::Callback TimerQueue::take_due(MonoTime now) {
  if (heap_.empty() || slots_[heap_.front()].when > now) return {};
  return remove_at(0);
}

void TimerQueue::cancel(std::uint32_t slot, std::uint32_t generation) {
  // The closure may own handles whose destruction cancels other timers, so it dies only after the heap is whole again.
  if (is_pending(slot, generation)) Callback dropped = remove_at(slots_[slot].position);
}

bool TimerQueue::is_pending(std::uint32_t slot, std::uint32_t generation) const {
  return slots_[slot].used && slots_[slot].generation == generation;
}

bool TimerQueue::before(std::uint32_t a, std::uint32_t b) const {
  const Slot& left = slots_[a];
  const Slot& right = slots_[b];
  return left.when != right.when ? left.when < right.when : left.order < right.order;
}

TimerQueue::Callback TimerQueue::remove_at(std::uint32_t position) {
  const std::uint32_t slot = heap_[position];
  const std::uint32_t last = heap_.back();
  heap_.pop_back();
  if (last != slot) {
    heap_[position] = last;
    slots_[last].position = position;
    sift_up(position);
    sift_down(slots_[last].position);
  }
  Slot& s = slots_[slot];
  Callback callback = std::move(s.callback);
  s.callback = nullptr;
  s.used = false;
  ++s.generation;
  free_.push_back(slot);
  return callback;
}

void TimerQueue::sift_up(std::uint32_t position) {
  while (position > 0) {
    const std::uint32_t parent = (position - 1) / 2;
    if (!before(heap_[position], heap_[parent])) return;
    std::swap(heap_[position], heap_[parent]);
    slots_[heap_[position]].position = position;
    slots_[heap_[parent]].position = parent;
    position = parent;
  }
}

void TimerQueue::sift_down(std::uint32_t position) {
  const auto size = static_cast<std::uint32_t>(heap_.size());
  for (;;) {
    std::uint32_t first = position;
    for (std::uint32_t child = 2 * position + 1; child <= 2 * position + 2 && child < size; ++child) {
      if (before(heap_[child], heap_[first])) first = child;
    }
    if (first == position) return;
    std::swap(heap_[position], heap_[first]);
    slots_[heap_[position]].position = position;
    slots_[heap_[first]].position = first;
    position = first;
  }
}

}  // namespace outrigger::io
