#include "admin/admin_door.h"

#include <fmt/format.h>
#include "admin/admin_flow.h"
#include "admin/status.h"
#include "providers/answer.h"

namespace outrigger::admin {

AdminDoor::AdminDoor(io::World world, proxy::LlmDoor& door, obs::Registry& registry, obs::Journal& journal, AdminHooks hooks,
                     std::string version)
    : world_(world),
      door_(door),
      registry_(registry),
      journal_(journal),
      hooks_(std::move(hooks)),
      version_(std::move(version)),
      started_(world.loop.wall_now()),
      events_(world.loop, journal, [this] { return status(JsonForm::compact); }) {
  registry_.declare_counter("outrigger_admin_refused_total",
                            "Requests at the admin door without the admin token, or with a wrong one.");
}

std::unique_ptr<http::ExchangeHandler> AdminDoor::on_request(http::Exchange& exchange) {
  auto flow = std::make_unique<AdminFlow>(*this, exchange);
  flow->begin();
  return flow;
}

http::Acceptor::ErrorBody AdminDoor::on_refused(ErrorCode code) {
  return {"application/json", providers::error_body(chat::Endpoint::other, code)};
}

std::string AdminDoor::status(JsonForm form) {
  return status_json({.loop = world_.loop,
                      .door = door_,
                      .journal = journal_,
                      .hooks = hooks_,
                      .version = version_,
                      .started = started_,
                      .log_lines_lost = log_lines_lost_lately()},
                     form);
}

std::uint64_t AdminDoor::log_lines_lost_lately() {
  const std::uint64_t lost = hooks_.log_lines_lost ? hooks_.log_lines_lost() : 0;
  const MonoTime now = world_.loop.now();
  if (lines_lost_lately_ > 0 && now - lost_at_ > k_lately) lines_lost_lately_ = 0;
  if (lost > lines_lost_) {
    lines_lost_lately_ += lost - lines_lost_;
    lost_at_ = now;
  }
  lines_lost_ = lost;
  return lines_lost_lately_;
}

void AdminDoor::note_refused(const std::string& peer) {
  registry_.counter("outrigger_admin_refused_total").add();
  ++refused_;
  if (refusals_told_.pending() || !hooks_.log) return;
  hooks_.log(LogLevel::warning, fmt::format("the admin door has refused {} without the right admin token, the last from {}",
                                            refused_ == 1 ? "a request" : fmt::format("{} requests", refused_), peer));
  refused_ = 0;
  refusals_told_ = world_.loop.after(60s, [] {});
}

}  // namespace outrigger::admin
