// A gate between callers who come at random and a provider that counts strictly, in virtual time.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <queue>
#include <vector>

#include "core/rng.h"
#include "resilience/rate_gate.h"

namespace outrigger::resilience {

// What a provider allows. Rejected requests count like the others.
struct Rule {
  enum class Window : unsigned char { sliding, fixed } window = Window::sliding;
  Duration length = 1min;
  std::uint64_t limit = 60;
  Duration retry_after = 1s;
  // Tokens within the same window; 0: not limited.
  std::uint64_t tokens = 0;
};

class Provider {
 public:
  explicit Provider(Rule rule) : rule_(rule) {}
  // Must be called in order of time.
  bool accepts(MonoTime at, std::uint64_t tokens);

 private:
  struct Counted {
    MonoTime at;
    std::uint64_t tokens;
  };
  Rule rule_;
  std::deque<Counted> counted_;
  std::uint64_t tokens_ = 0;
};

struct Play {
  std::uint64_t seed = 1;
  Duration length = 10min;
  std::function<double(Duration)> offered;  // requests a second at a time since the start
  Duration patience = 300ms;                // then it is sent elsewhere
  std::vector<Rule> rules;                  // a request must be accepted by all
  Duration rules_from{};                    // before it, everything is accepted
  std::uint64_t tokens_min = 0, tokens_max = 0;
  Duration latency_max = 100ms;  // from sending to counting, each its own
  Duration counted_from{};       // figures are taken from here on
};

struct Figures {
  std::uint64_t offered = 0, sent = 0, accepted = 0, rejected = 0, elsewhere = 0;
  std::uint64_t most_in_a_minute = 0;  // requests sent in any sliding minute, from the very start
  std::uint64_t most_tokens_in_a_minute = 0;
  std::uint64_t tokens_sent = 0;
  [[nodiscard]] double rejected_share() const {
    return sent == 0 ? 0 : static_cast<double>(rejected) / static_cast<double>(sent);
  }
};

Figures play(RateGate& gate, const Play& play);

}  // namespace outrigger::resilience
