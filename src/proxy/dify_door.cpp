#include "proxy/dify_door.h"

#include <vector>

#include "providers/dify/notices.h"
#include "proxy/dify_flow.h"

namespace outrigger::proxy {

DifyDoor::DifyDoor(io::World world, std::shared_ptr<const Snapshot> snapshot, cache::Store& store, Lanes& lanes,
                   http::Client& client, Metrics& metrics, obs::LineSink* access)
    : world_(world),
      snapshot_(std::move(snapshot)),
      store_(store),
      lanes_(lanes),
      client_(client),
      metrics_(metrics),
      outlet_(access),
      dify_metrics_(metrics),
      apps_(world),
      names_(world, client),
      stops_(world, client, dify_metrics_),
      fresh_(world, store),
      fills_(*this, store, fresh_, metrics),
      live_(*this, store),
      uploads_(world.loop) {
  apps_.reconfigure(snapshot_->dify_pace());
}

DifyDoor::~DifyDoor() = default;

std::unique_ptr<http::ExchangeHandler> DifyDoor::on_request(http::Exchange& exchange) {
  auto flow = std::make_unique<DifyFlow>(*this, exchange);
  flow->begin();
  return flow;
}

http::Acceptor::ErrorBody DifyDoor::on_refused(ErrorCode code) {
  dify_metrics_.count_request({}, Outcome::client_error);
  const std::string request_id = new_request_id();
  if (logs_access()) {
    obs::AccessRecord record;
    record.time = world_.loop.wall_now();
    record.request_id = request_id;
    record.door = "dify";
    record.status = traits(code).status;
    record.error = traits(code).name;
    record.outcome = name(Outcome::client_error);
    log_access(record);
  }
  ErrorBody answer{"application/json", providers::dify::error_body(providers::dify::notice(code))};
  answer.headers.add("x-outrigger-request-id", request_id);
  return answer;
}

void DifyDoor::abandon_all(ErrorCode why) {
  const std::vector<DifyFlow*> all(flows_.begin(), flows_.end());
  for (DifyFlow* flow : all) {
    if (flows_.contains(flow)) flow->abandon(why);
  }
}

void DifyDoor::note_change(std::string_view app, bool settles) {
  fresh_.touch(app);
  fills_.forget(app);
  infos_.forget(app);
  if (!settles) return;
  settled_ = world_.loop.after(k_settle, [this, app = std::string(app)] { note_change(app, false); });
}

std::string DifyDoor::new_request_id() {
  static constexpr std::string_view k_digits = "0123456789abcdef";
  std::string id = "or-0123456789abcdef";
  if (!ids_) ids_ = world_.rng.fork();
  std::uint64_t bits = ids_->next();
  for (std::size_t i = 3; i < id.size(); ++i, bits >>= 4) id[i] = k_digits[bits & 15];
  return id;
}

}  // namespace outrigger::proxy
