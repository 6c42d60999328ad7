#include "resilience/service_rate.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace outrigger::resilience {
namespace {

constexpr Duration k_window = 1s;
constexpr double k_weight = 0.5;  // of the newest median
constexpr Duration k_forgotten = 1min;
constexpr double k_longest_s = 24 * 3600;  // no prediction is longer, whatever the cost

std::optional<Duration> time_at(double seconds_per_token, double cost) {
  if (seconds_per_token == 0) return std::nullopt;
  const double wait = std::min(cost * seconds_per_token, k_longest_s);
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(wait));
}

}  // namespace

void ServiceRate::on_busy(MonoTime now) {
  if (busy_since_) return;
  busy_since_ = now;
  if (idle_since_ != MonoTime::min() && now - idle_since_ >= k_forgotten) forget();
}

void ServiceRate::forget() {
  window_ = {};
  seconds_per_token_ = 0;
  seen_ = 0;
}

void ServiceRate::on_idle(MonoTime now) {
  if (!busy_since_) return;
  note_time(now);
  busy_since_.reset();
  idle_since_ = now;
}

void ServiceRate::on_shut(MonoTime now) {
  if (busy_since_) note_time(now);
  is_shut_ = true;
}

void ServiceRate::on_open(MonoTime now) {
  if (is_shut_ && busy_since_) busy_since_ = now;
  is_shut_ = false;
}

void ServiceRate::note_time(MonoTime now) {
  if (!is_shut_) window_.time += now - *busy_since_;
  busy_since_ = now;
}

void ServiceRate::on_served(MonoTime now, std::uint64_t cost) {
  if (busy_since_) {
    note_time(now);
  } else if (idle_since_ != now) {
    return;
  }
  if (is_shut_) return;
  window_.cost += static_cast<double>(cost);
  if (window_.time < k_window || window_.cost <= 0) return;
  windows_[seen_++ % windows_.size()] = std::exchange(window_, {});
  if (seen_ < windows_.size()) return;
  std::array<double, std::tuple_size_v<decltype(windows_)>> sorted{};
  std::ranges::transform(windows_, sorted.begin(), &Window::seconds_per_token);
  std::ranges::sort(sorted);
  const double median = sorted[sorted.size() / 2];
  seconds_per_token_ += (seconds_per_token_ == 0 ? 1 : k_weight) * (median - seconds_per_token_);
}

double ServiceRate::tokens_per_second() const { return seconds_per_token_ > 0 ? 1 / seconds_per_token_ : 0; }

std::optional<Duration> ServiceRate::time_for(double cost) const { return time_at(seconds_per_token_, cost); }

std::optional<Duration> ServiceRate::roughly_time_for(double cost) const {
  if (seconds_per_token_ != 0) return time_for(cost);
  Window all = window_;
  for (std::size_t i = 0; i < seen_; ++i) {
    all.time += windows_[i].time;
    all.cost += windows_[i].cost;
  }
  return all.cost > 0 ? time_at(all.seconds_per_token(), cost) : std::nullopt;
}

}  // namespace outrigger::resilience
