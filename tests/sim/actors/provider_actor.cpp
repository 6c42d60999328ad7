#include "sim/actors/provider_actor.h"

#include <array>

#include "core/check.h"

namespace outrigger::sim {
namespace {

sim_provider::Settings settings() {
  sim_provider::Settings settings;
  settings.mode = sim_provider::AnswerMode::echo;  // so that the mark of the question stands in the answer
  settings.first_token = 40ms;
  settings.between_tokens = 150us;
  settings.dimensions = 4;
  settings.remember = 0;
  return settings;
}

Duration up_to(Rng& rng, Duration most) {
  return Duration(static_cast<Duration::rep>(rng.below(static_cast<std::uint64_t>(most.count()))));
}

}  // namespace

ProviderActor::ProviderActor(SimWorld& world, History& history, std::string upstream, io::Address at)
    : at_(std::move(at)), provider_(world.world(), settings()) {
  auto listener = world.net.listen(
      at_, std::nullopt, [this, &world, &history, upstream = std::move(upstream)](std::unique_ptr<io::Stream> stream) {
        provider_.accept(std::make_unique<Scribe>(world.loop, history, upstream, std::move(stream)));
      });
  OR_CHECK(listener.has_value());
  listener_ = std::move(*listener);
}

sim_provider::Fault any_fault(Rng& rng) {
  static constexpr std::array k_statuses{400, 401, 402, 403, 404, 408, 413, 429, 429, 500, 502, 503, 503, 504, 529};
  sim_provider::Fault fault;
  switch (rng.below(4)) {
    case 0:
      fault.probability = 1;
      break;
    case 1:
      fault.every = 2 + rng.below(5);
      break;
    default:
      fault.probability = 0.05 + rng.unit() * 0.6;
  }
  if (rng.chance(0.2)) fault.path = rng.chance(0.5) ? "chat/completions" : "embeddings";
  fault.after = rng.below(12);
  switch (rng.below(30)) {
    case 0:
      fault.refuse = true;
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
      fault.reset_at = rng.below(2000);
      break;
    case 5:
      fault.cut_at = rng.below(2000);
      break;
    case 6:
      fault.drip = 1us * static_cast<std::int64_t>(1 + rng.below(1000));
      break;
    case 7:
      fault.wrong_length = static_cast<std::int64_t>(rng.below(60)) - 30;
      break;
    case 8:
      fault.stall = up_to(rng, 8s);
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
      fault.no_done = true;
      break;
    case 14:
      fault.no_finish_reason = true;
      break;
    case 15:
      fault.finish_reason = rng.chance(0.5) ? "content_filter" : "length";
      break;
    case 16:
      fault.empty = true;
      break;
    case 17:
      fault.refusal = true;
      break;
    case 18:
      fault.no_usage = true;
      break;
    case 19:
      fault.crlf = true;
      break;
    case 20:
      fault.event_lines = true;
      break;
    case 21:
      fault.comments = true;
      break;
    case 22:
      fault.early_head = true;
      break;
    case 23:
      fault.first_token = up_to(rng, 12s);
      break;
    case 24:
      fault.between_tokens = up_to(rng, 300ms);
      break;
    default:
      fault.status = k_statuses.at(rng.below(k_statuses.size()));
  }
  if (fault.status && rng.chance(0.4)) fault.retry_after = up_to(rng, 20s);
  if (rng.chance(0.1)) fault.first_token = up_to(rng, 1s);
  return fault;
}

}  // namespace outrigger::sim
