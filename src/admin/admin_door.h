// AdminDoor: health, metrics, status, explain, purge, drain, reload. For operators, probes and Prometheus.
//
// access.h says who may come in. /healthz, /readyz and /metrics are for everybody.
#pragma once

#include <memory>
#include <string>

#include "admin/access.h"
#include "admin/events.h"
#include "admin/hooks.h"
#include "admin/json.h"
#include "http/server.h"
#include "obs/journal.h"
#include "obs/metrics.h"
#include "proxy/llm_door.h"

namespace outrigger::admin {

class AdminDoor final : public http::Acceptor {
 public:
  // All referred to must outlive the door.
  AdminDoor(io::World world, proxy::LlmDoor& door, obs::Registry& registry, obs::Journal& journal, AdminHooks hooks,
            std::string version);

  void set_access(Access access) { access_ = std::move(access); }

  std::unique_ptr<http::ExchangeHandler> on_request(http::Exchange& exchange) override;
  ErrorBody on_refused(ErrorCode code) override;

 private:
  friend class AdminFlow;
  // A loss of log lines is worth a word for so long.
  static constexpr Duration k_lately = 5min;

  [[nodiscard]] std::string status(JsonForm form);
  std::uint64_t log_lines_lost_lately();
  // Nobody learns what was presented; who guesses at the token shall be seen.
  void note_refused(const std::string& peer);

  io::World world_;
  proxy::LlmDoor& door_;
  obs::Registry& registry_;
  obs::Journal& journal_;
  AdminHooks hooks_;
  std::string version_;
  Access access_;
  WallTime started_;
  Events events_;
  std::uint64_t lines_lost_ = 0, lines_lost_lately_ = 0;  // as of lost_at_
  MonoTime lost_at_{};
  std::uint64_t refused_ = 0;  // since the log was told
  io::Timer refusals_told_;
};

}  // namespace outrigger::admin
