#include "dify_sim/trouble.h"

#include <array>

namespace outrigger::dify_sim {
namespace {

Duration draw(Rng& rng, Duration most) {
  return Duration(static_cast<Duration::rep>(rng.below(static_cast<std::uint64_t>(most.count()))));
}

struct Word {
  int status;
  std::string_view code;
};
constexpr std::array k_words{Word{429, "too_many_requests"},
                             Word{429, "too_many_requests"},
                             Word{429, "rate_limit_error"},
                             Word{400, "completion_request_error"},
                             Word{400, "invalid_param"},
                             Word{400, "provider_quota_exceeded"},
                             Word{401, "unauthorized"},
                             Word{404, "not_found"},
                             Word{500, "internal_server_error"},
                             Word{502, ""},
                             Word{503, ""},
                             Word{504, ""}};

}  // namespace

sim_dify::Fault any_fault(Rng& rng) {
  sim_dify::Fault fault;
  fault.probability = rng.chance(0.3) ? 1 : 0.1 + rng.unit() * 0.6;
  if (rng.chance(0.2)) fault.path = rng.chance(0.5) ? "chat-messages" : "workflows/run";
  fault.after = rng.below(12);
  switch (rng.below(24)) {
    case 0:
      fault.refuse = true;
      fault.probability = 1;
      break;
    case 1:
      fault.garbage = true;
      break;
    case 2:
      fault.endless_headers = true;
      break;
    case 3:
      fault.error_in_200 = true;
      break;
    case 4:
      fault.reset_at = rng.below(4000);
      break;
    case 5:
      fault.cut_at = rng.below(4000);
      break;
    case 6:
      fault.drip = 1us * static_cast<std::int64_t>(1 + rng.below(100));
      break;
    case 7:
      fault.wrong_length = static_cast<std::int64_t>(rng.below(60)) - 30;
      break;
    case 8:
      fault.stall = draw(rng, 25s);
      break;
    case 9:
      fault.malformed_chunk = true;
      break;
    case 10:
      fault.error_in_stream = true;
      break;
    case 11:
      fault.truncate = true;
      break;
    case 12:
      fault.half_utf8 = true;
      break;
    case 13:
      fault.run_failed = true;
      break;
    case 14:
      fault.crlf = true;
      break;
    case 15:
      fault.unknown_event = true;
      break;
    case 16:
      fault.first_token = draw(rng, 25s);
      break;
    case 17:
      fault.between_tokens = draw(rng, 80ms);
      break;
    default: {
      const Word& word = k_words.at(rng.below(k_words.size()));
      fault.status = word.status;
      fault.code = word.code;
      if (rng.chance(0.4)) fault.retry_after = draw(rng, 6s);
    }
  }
  if (rng.chance(0.2)) fault.first_token = draw(rng, 2s);
  return fault;
}

Trouble::Trouble(sim::SimWorld& world, Dify& dify, bool breaks_links, Rng rng)
    : world_(world), dify_(dify), breaks_links_(breaks_links), rng_(rng) {}

Duration Trouble::up_to(Duration most) { return draw(rng_, most); }

void Trouble::start(Duration every) {
  every_ = every;
  next_ = world_.loop.after(up_to(2 * every), [this] {
    strike();
    start(every_);
  });
}

void Trouble::strike() {
  heal();
  if (breaks_links_ && rng_.chance(0.3)) {
    break_wire();
  } else {
    std::vector<sim_dify::Fault> faults;
    for (std::uint64_t i = 0; i < 1 + rng_.below(2); ++i) faults.push_back(any_fault(rng_));
    dify_.set_faults(std::move(faults));
  }
  heal_ = world_.loop.after(1s + up_to(every_), [this] { heal(); });
}

void Trouble::break_wire() {
  sim::Site& site = world_.net.site(dify_.address());
  switch (rng_.below(4)) {
    case 0:
      return world_.net.cut(dify_.address());
    case 1:
      return world_.net.clog(dify_.address(), up_to(6s));
    case 2:
      site.faults = {.refuse = rng_.unit(), .blackhole = rng_.unit() * 0.5};
      return;
    default:
      site.faults = {.reset_down = 0.2, .reset_up = 0.2, .stall = 0.2, .drip = 0.2, .stall_max = 10s, .drip_max = 100us};
  }
}

void Trouble::heal() {
  dify_.set_faults({});
  world_.net.site(dify_.address()).faults = {};
}

void Trouble::calm() {
  next_.cancel();
  heal_.cancel();
  heal();
}

}  // namespace outrigger::dify_sim
