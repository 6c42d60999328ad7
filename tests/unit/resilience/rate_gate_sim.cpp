#include "rate_gate_sim.h"

#include <algorithm>
#include <cmath>

namespace outrigger::resilience {
namespace {

constexpr MonoTime k_start{1h};

struct Event {
  enum class Kind : unsigned char { arrival, poll, counted, answered } kind;
  MonoTime at;
  std::uint64_t order;  // of equals the earlier made goes first
  std::uint64_t tokens = 0;
  RateGate::Reservation reservation{};
  bool accepted = false;
};
struct Later {
  bool operator()(const Event& left, const Event& right) const {
    return left.at != right.at ? left.at > right.at : left.order > right.order;
  }
};

Duration in_seconds(double s) { return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(s)); }

// The most of `weights` within any minute.
std::uint64_t most_in_a_minute(const std::vector<std::pair<MonoTime, std::uint64_t>>& log) {
  std::uint64_t most = 0;
  std::uint64_t sum = 0;
  std::size_t first = 0;
  for (const auto& [at, weight] : log) {
    sum += weight;
    for (; log[first].first <= at - 1min; ++first) sum -= log[first].second;
    most = std::max(most, sum);
  }
  return most;
}

class Stage {
 public:
  Stage(RateGate& gate, const Play& play) : gate_(gate), play_(play), rng_(play.seed) {
    for (const Rule& rule : play.rules) providers_.emplace_back(rule);
  }

  Figures run() {
    next_arrival(k_start);
    while (!events_.empty()) {
      const Event event = events_.top();
      events_.pop();
      step(event);
    }
    figures_.most_in_a_minute = most_in_a_minute(requests_);
    figures_.most_tokens_in_a_minute = most_in_a_minute(tokens_);
    return figures_;
  }

 private:
  [[nodiscard]] bool counts(MonoTime at) const { return at >= k_start + play_.counted_from && at < k_start + play_.length; }
  void push(Event event) {
    event.order = order_++;
    events_.push(event);
  }
  void next_arrival(MonoTime after) {
    const MonoTime at = after + in_seconds(-std::log(1 - rng_.unit()) / play_.offered(after - k_start));
    if (at < k_start + play_.length) push({Event::Kind::arrival, at, 0});
  }

  void step(const Event& event) {
    switch (event.kind) {
      case Event::Kind::arrival: {
        next_arrival(event.at);
        if (counts(event.at)) ++figures_.offered;
        const std::uint64_t spread = play_.tokens_max - play_.tokens_min + 1;
        waiting_.push_back({event.at + play_.patience, play_.tokens_min + rng_.below(spread)});
        serve(event.at);
        return;
      }
      case Event::Kind::poll:
        if (event.order == next_poll_) serve(event.at);
        return;
      case Event::Kind::counted:
        count(event);
        return;
      case Event::Kind::answered:
        if (event.accepted) {
          if (counts(event.reservation.at)) ++figures_.accepted;
          gate_.on_accepted(event.at, event.reservation.at);
        } else {
          if (counts(event.reservation.at)) ++figures_.rejected;
          gate_.on_rejected(event.at, retry_after_, rng_, event.reservation.at);
        }
        return;
    }
  }

  // First come, first served; who would have to wait for too long goes elsewhere at once.
  void serve(MonoTime now) {
    while (!waiting_.empty() && now < k_start + play_.length) {
      const auto [deadline, tokens] = waiting_.front();
      const MonoTime when = gate_.earliest(now, tokens);
      if (when > now && when <= deadline) {
        next_poll_ = order_;
        push({Event::Kind::poll, when, 0});
        return;
      }
      waiting_.pop_front();
      if (when <= now) {
        send(now, tokens);
      } else if (counts(now)) {
        ++figures_.elsewhere;
      }
    }
  }

  void send(MonoTime now, std::uint64_t tokens) {
    const RateGate::Reservation reservation = gate_.reserve(now, tokens);
    requests_.emplace_back(now, 1);
    tokens_.emplace_back(now, tokens);
    if (counts(now)) ++figures_.sent;
    if (counts(now)) figures_.tokens_sent += tokens;
    push({Event::Kind::counted, now + in_seconds(seconds(play_.latency_max) * rng_.unit()), 0, tokens, reservation});
  }

  void count(const Event& event) {
    bool accepted = true;
    for (std::size_t i = 0; i < providers_.size() && event.at >= k_start + play_.rules_from; ++i) {
      if (providers_[i].accepts(event.at, event.tokens)) continue;
      accepted = false;
      retry_after_ = play_.rules[i].retry_after;
    }
    // A rejection comes back at once, a first token takes its time.
    const double back = accepted ? 0.2 + 0.8 * rng_.unit() : 0.01 + 0.04 * rng_.unit();
    push({Event::Kind::answered, event.at + in_seconds(back), 0, event.tokens, event.reservation, accepted});
  }

  RateGate& gate_;
  const Play& play_;
  Rng rng_;
  std::vector<Provider> providers_;
  std::priority_queue<Event, std::vector<Event>, Later> events_;
  std::uint64_t order_ = 0;
  struct Waiting {
    MonoTime deadline;
    std::uint64_t tokens;
  };
  std::deque<Waiting> waiting_;
  std::uint64_t next_poll_ = 0;  // the only poll that counts
  std::optional<Duration> retry_after_;
  std::vector<std::pair<MonoTime, std::uint64_t>> requests_, tokens_;
  Figures figures_;
};

}  // namespace

bool Provider::accepts(MonoTime at, std::uint64_t tokens) {
  const MonoTime begin = rule_.window == Rule::Window::sliding
                             ? at - rule_.length
                             : MonoTime(rule_.length * (at.time_since_epoch() / rule_.length)) - Duration(1);
  while (!counted_.empty() && counted_.front().at <= begin) {
    tokens_ -= counted_.front().tokens;
    counted_.pop_front();
  }
  const bool fits = counted_.size() < rule_.limit && (rule_.tokens == 0 || tokens_ + tokens <= rule_.tokens);
  counted_.push_back({at, tokens});
  tokens_ += tokens;
  return fits;
}

Figures play(RateGate& gate, const Play& play) { return Stage(gate, play).run(); }

}  // namespace outrigger::resilience
