// AdminDoor: health, metrics, status, explain, purge, drain, reload. For operators, probes and Prometheus.
//
// On loopback it is open; elsewhere everything but /healthz, /readyz and /metrics needs the admin token, as
// `Authorization: Bearer …` or `x-outrigger-admin-token` (the latter leaves Authorization free for /api/explain).
// Requests that a web page of another origin makes are refused: a browser on the same machine must not be a way in.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "http/server.h"
#include "obs/metrics.h"
#include "proxy/dify_door.h"
#include "proxy/fleet.h"
#include "proxy/llm_door.h"

namespace outrigger::admin {

// What the door can ask of the program around it.
struct AdminHooks {
  std::function<bool()> is_ready;
  std::function<void()> drain;
  std::function<std::string()> reload;              // empty: done; else why not
  std::function<const proxy::Fleet*()> fleet = {};  // null, or empty: this one is alone
  std::function<proxy::DifyDoor*()> dify = {};      // null, or empty: that door is off
};

class AdminDoor final : public http::Acceptor {
 public:
  AdminDoor(io::World world, proxy::LlmDoor& door, obs::Registry& registry, AdminHooks hooks, std::string version);

  // `open`: reachable from this machine only.
  void set_access(bool open, std::string token) {
    open_ = open;
    token_ = std::move(token);
  }

  std::unique_ptr<http::ExchangeHandler> on_request(http::Exchange& exchange) override;
  ErrorBody on_refused(ErrorCode code) override;

 private:
  friend class AdminFlow;
  [[nodiscard]] bool may_enter(const http::RequestHead& request, std::string_view path) const;
  [[nodiscard]] std::string status_json() const;

  io::World world_;
  proxy::LlmDoor& door_;
  obs::Registry& registry_;
  AdminHooks hooks_;
  std::string version_;
  bool open_ = true;
  std::string token_;
  WallTime started_;
};

}  // namespace outrigger::admin
