#include "resilience/concurrency.h"

#include <algorithm>

namespace outrigger::resilience {
namespace {

// Netflix' own figures, but for the first tokens' sake the windows are counted in samples only: they may be seconds apart.
constexpr std::uint32_t k_window = 10;
constexpr std::uint32_t k_long_window = 600;
constexpr std::uint32_t k_warm_up = 10;  // the first windows make a plain mean
constexpr double k_tolerance = 1.5;
constexpr double k_smoothing = 0.2;
constexpr double k_queue = 4;
constexpr double k_queue_share = 0.25;
// When the usual time is more than twice the recent one, it is left over from a time of trouble and is let go of faster.
constexpr double k_stale = 2;
constexpr double k_stale_decay = 0.9;
// First tokens of nothing and of a negative time don't exist; a division by them would.
constexpr double k_shortest = 1e-6;

}  // namespace

Concurrency::Concurrency(Settings settings) { configure(settings); }

void Concurrency::configure(Settings settings) {
  settings.limit = std::max(settings.limit, 1u);
  settings.floor = std::max(settings.floor, 1u);
  settings.ceiling = std::max(settings.ceiling, settings.floor);
  if (settings_.kind != Kind::adaptive) limit_ = settings.limit;
  limit_ = std::clamp<double>(limit_, settings.floor, settings.ceiling);
  settings_ = settings;
}

bool Concurrency::try_acquire() {
  if (!has_room()) return false;
  ++in_flight_;
  most_in_flight_ = std::max(most_in_flight_, in_flight_);
  return true;
}

void Concurrency::release() {
  if (in_flight_ > 0) --in_flight_;
}

void Concurrency::on_first_token(Duration took) {
  if (settings_.kind != Kind::adaptive) return;
  sum_ += std::max(seconds(took), k_shortest);
  if (++samples_ < k_window) return;
  on_window(sum_ / samples_);
  sum_ = 0;
  samples_ = 0;
  most_in_flight_ = in_flight_;
}

std::optional<std::uint32_t> Concurrency::limit() const {
  switch (settings_.kind) {
    case Kind::none:
      return {};
    case Kind::fixed:
      return settings_.limit;
    case Kind::adaptive:
      break;
  }
  return static_cast<std::uint32_t>(limit_);
}

void Concurrency::on_window(double recent) {
  windows_ = std::min(windows_ + 1, k_long_window);
  const double weight = windows_ <= k_warm_up ? 1.0 / windows_ : 2.0 / (k_long_window + 1);
  usual_ += weight * (recent - usual_);
  if (usual_ > k_stale * recent) usual_ *= k_stale_decay;
  if (most_in_flight_ < limit_ / 2) return;
  const double gradient = std::clamp(k_tolerance * usual_ / recent, 0.5, 1.0);
  const double wanted = limit_ * gradient + std::min(k_queue, limit_ * k_queue_share);
  limit_ += k_smoothing * (wanted - limit_);
  limit_ = std::clamp<double>(limit_, settings_.floor, settings_.ceiling);
}

std::string_view name(Concurrency::Kind kind) {
  switch (kind) {
    case Concurrency::Kind::none:
      return "none";
    case Concurrency::Kind::fixed:
      return "fixed";
    case Concurrency::Kind::adaptive:
      return "adaptive";
  }
  return "none";
}

}  // namespace outrigger::resilience
