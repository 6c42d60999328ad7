#include "proxy/llm_door.h"

#include "providers/answer.h"
#include "proxy/flow.h"

namespace outrigger::proxy {

LlmDoor::LlmDoor(io::World world, std::shared_ptr<const Snapshot> snapshot, cache::Store& store, http::Client& client,
                 Metrics& metrics, obs::LineSink* access)
    : world_(world),
      snapshot_(std::move(snapshot)),
      store_(store),
      metrics_(metrics),
      outlet_(access),
      ids_(world.rng.fork()),
      keys_(std::make_shared<chat::KeyMaker>("")),
      lanes_(world),
      clients_(world.loop, metrics.registry()),
      fills_(world, store, client, lanes_, metrics),
      refreshes_(fills_, world.loop, outlet_) {
  lanes_.reconfigure(*snapshot_);
  clients_.configure(snapshot_->config());
}

std::unique_ptr<http::ExchangeHandler> LlmDoor::on_request(http::Exchange& exchange) {
  auto flow = std::make_unique<Flow>(*this, exchange);
  flow->begin();
  return flow;
}

http::Acceptor::ErrorBody LlmDoor::on_refused(ErrorCode code) {
  metrics_.of_model("").requests[static_cast<std::size_t>(Outcome::client_error)]->add();
  const std::string request_id = new_request_id();
  if (logs_access()) {
    obs::AccessRecord record;
    record.time = world_.loop.wall_now();
    record.request_id = request_id;
    record.door = "llm";
    record.status = traits(code).status;
    record.error = traits(code).name;
    record.outcome = name(Outcome::client_error);
    log_access(record);
  }
  ErrorBody answer{"application/json", providers::error_body(chat::Endpoint::other, code)};
  answer.headers.add("x-should-retry", "false");
  answer.headers.add("x-outrigger-request-id", request_id);
  return answer;
}

void LlmDoor::set_secret(std::string_view secret) {
  keys_ = std::make_shared<chat::KeyMaker>(secret);
  store_.forget_memory();
}

Destination LlmDoor::destination(std::string_view target) {
  if (!last_target_.empty() && target == last_target_) return last_destination_;
  Destination found = snapshot_->destination(target);
  // One with a query has views into this very target.
  constexpr std::size_t k_worth_remembering = 256;
  if (found.query.empty() && target.size() <= k_worth_remembering) {
    last_target_ = target;
    last_destination_ = found;
  }
  return found;
}

std::string LlmDoor::new_request_id() {
  static constexpr std::string_view k_digits = "0123456789abcdef";
  std::string id = "or-0123456789abcdef";
  std::uint64_t bits = ids_.next();
  for (std::size_t i = 3; i < id.size(); ++i, bits >>= 4) id[i] = k_digits[bits & 15];
  return id;
}

}  // namespace outrigger::proxy
