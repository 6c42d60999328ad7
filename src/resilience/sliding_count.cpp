#include "resilience/sliding_count.h"

#include <algorithm>
#include <utility>

namespace outrigger::resilience {
namespace {

constexpr Duration k_span = SlidingCount::k_minute + SlidingCount::k_margin;
// Those within the span, the one that it begins in and the one that it ends in.
constexpr auto k_slots = static_cast<std::size_t>(k_span / SlidingCount::k_slot) + 2;

}  // namespace

SlidingCount::SlidingCount() : slots_(k_slots) {}

SlidingCount::Tick SlidingCount::tick(MonoTime at) {
  const Duration::rep since = at.time_since_epoch().count();
  const Duration::rep width = k_slot.count();
  return since >= 0 ? since / width : (since - width + 1) / width;
}

SlidingCount::Tick SlidingCount::oldest(MonoTime now) { return tick(now - k_span); }

const std::uint64_t& SlidingCount::slot(Tick tick) const {
  const auto size = static_cast<Tick>(k_slots);
  return slots_[static_cast<std::size_t>(((tick % size) + size) % size)];
}

std::uint64_t& SlidingCount::slot(Tick tick) { return const_cast<std::uint64_t&>(std::as_const(*this).slot(tick)); }

void SlidingCount::advance(MonoTime now) {
  const Tick keep = oldest(now);
  for (; first_ < keep && first_ <= last_; ++first_) {
    total_ -= slot(first_);
    slot(first_) = 0;
  }
  if (first_ > last_) {
    first_ = keep;
    last_ = keep - 1;
  }
}

void SlidingCount::add(MonoTime now, MonoTime at, std::uint64_t n) {
  advance(now);
  const Tick place = tick(std::min(at, now));
  if (place < oldest(now) || n == 0) return;
  first_ = std::min(first_, place);
  last_ = std::max(last_, place);
  slot(place) += n;
  total_ += n;
}

void SlidingCount::remove(MonoTime now, MonoTime at, std::uint64_t n) {
  advance(now);
  const Tick place = tick(std::min(at, now));
  if (place < first_ || place > last_) return;
  const std::uint64_t taken = std::min(n, slot(place));
  slot(place) -= taken;
  total_ -= taken;
}

std::uint64_t SlidingCount::total(MonoTime now) const {
  std::uint64_t left = total_;
  const Tick keep = oldest(now);
  for (Tick gone = first_; gone < keep && gone <= last_; ++gone) left -= slot(gone);
  return left;
}

std::uint64_t SlidingCount::between(MonoTime from, MonoTime to) const {
  std::uint64_t sum = 0;
  for (Tick at = std::max(tick(from), first_), end = std::min(tick(to), last_); at <= end; ++at) sum += slot(at);
  return sum;
}

MonoTime SlidingCount::down_to(MonoTime now, std::uint64_t most) const {
  std::uint64_t left = total_;
  const Tick keep = oldest(now);
  MonoTime when = now;
  for (Tick next = first_; next <= last_ && (left > most || next < keep); ++next) {
    left -= slot(next);
    when = std::max(when, MonoTime(k_slot * (next + 1)) + k_span);
  }
  return when;
}

}  // namespace outrigger::resilience
