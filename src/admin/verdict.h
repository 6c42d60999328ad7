// Is everything well? From facts to one word and the reasons for it. Pure.
//
//   bad        users notice, or are about to
//   attention  somebody should look: something is down that others stand in for, or will be a problem soon
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/time.h"
#include "resilience/health.h"

namespace outrigger::admin {

struct Facts {
  bool is_ready = true;
  bool is_draining = false;
  bool has_redis = false;
  bool redis_is_up = false;
  std::string redis_error;
  bool cache_is_off = false;
  std::string reload_problem;        // empty: the configuration in force is the file's, as far as is known
  std::uint64_t log_lines_lost = 0;  // lately
  // Of the last five minutes. Errors: that were not the client's doing.
  std::uint64_t requests = 0, errors = 0;

  struct Target {
    std::string name;
    resilience::Health::State breaker = resilience::Health::State::closed;
    bool is_forced_open = false;
    Duration retry_in{};     // of a breaker that is open
    Duration gate_closed{};  // of the key whose gate opens first; 0: open
    std::size_t keys = 0, refused_keys = 0;
    std::string why_refused;  // the provider's word
    std::size_t waiting = 0, depth = 0;
  };
  std::vector<Target> targets;

  struct Budget {
    std::string client;
    std::string_view period;  // "day" or "month"
    double spent_usd = 0, budget_usd = 0;
  };
  std::vector<Budget> budgets;
};

struct Verdict {
  enum class Level : unsigned char { ok, attention, bad };
  struct Reason {
    std::string_view code;
    Level level = Level::attention;
    std::string subject;  // a target, a client; empty: the whole
    std::string text;     // a sentence in English
  };
  Level level = Level::ok;
  // The bad ones first. A target that several credentials are used for is named once a code.
  std::vector<Reason> reasons;
  static constexpr std::size_t k_reasons_max = 50;
};

Verdict judge(const Facts& facts);
std::string_view name(Verdict::Level level);

}  // namespace outrigger::admin
