// DifyDoor: what all requests at the dify door share: a reverse proxy in front of Dify's api. Makes a DifyFlow for each.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>

#include "http/server.h"
#include "obs/journal.h"
#include "proxy/dify_apps.h"
#include "proxy/dify_fills.h"
#include "proxy/dify_fresh.h"
#include "proxy/dify_infos.h"
#include "proxy/dify_live.h"
#include "proxy/dify_metrics.h"
#include "proxy/dify_names.h"
#include "proxy/dify_stops.h"
#include "proxy/dify_uploads.h"
#include "proxy/lanes.h"
#include "trace/tracer.h"

namespace outrigger::proxy {

class DifyFlow;

class DifyDoor final : public http::Acceptor {
 public:
  // All referred to must outlive the door. `lanes`: of the backends; whoever owns them tells them of a reload. `access` may be null.
  DifyDoor(io::World world, std::shared_ptr<const Snapshot> snapshot, cache::Store& store, Lanes& lanes,
           http::Client& client, Metrics& metrics, obs::LineSink* access);
  ~DifyDoor() override;

  std::unique_ptr<http::ExchangeHandler> on_request(http::Exchange& exchange) override;
  ErrorBody on_refused(ErrorCode code) override;

  // A reload: for requests that begin after the call.
  void set_snapshot(std::shared_ptr<const Snapshot> snapshot) {
    snapshot_ = std::move(snapshot);
    apps_.reconfigure(snapshot_->dify_pace());
  }
  // Before the first request, and when the secret has changed.
  void set_keys(std::shared_ptr<const chat::KeyMaker> keys) { keys_ = std::move(keys); }
  void set_access_log(obs::LineSink* access) { outlet_.set_log(access); }
  // Must outlive the door.
  void set_journal(obs::Journal* journal) { outlet_.set_journal(journal); }
  // Null, or never called: nothing is traced. Must outlive the door.
  void set_tracer(trace::Tracer* tracer) { tracer_ = tracer; }
  [[nodiscard]] trace::Tracer* tracer() { return tracer_; }
  // Those who are being answered are told, inside their stream if need be.
  void abandon_all(ErrorCode why);

  // That app has changed (by its key's digest; empty: any of them may have): what was answered before is old. `settles`: Dify goes on
  // with it after it has answered, as it indexes documents; so all is emptied once more after k_settle.
  void note_change(std::string_view app, bool settles);
  static constexpr Duration k_settle = 60s;
  // A purge: what is under way was asked before it.
  void forget_all() { fills_.forget({}); }

  // For flows, gauges and the admin door.
  [[nodiscard]] const std::shared_ptr<const Snapshot>& snapshot() const { return snapshot_; }
  io::World& world() { return world_; }
  Lanes& lanes() { return lanes_; }
  DifyApps& apps() { return apps_; }
  [[nodiscard]] const DifyApps& apps() const { return apps_; }
  DifyStops& stops() { return stops_; }
  cache::Store& store() { return store_; }
  [[nodiscard]] const chat::KeyMaker& keys() const { return *keys_; }
  [[nodiscard]] const DifyFresh& fresh() const { return fresh_; }
  DifyFills& fills() { return fills_; }
  DifyInfos& infos() { return infos_; }
  DifyLive& live() { return live_; }
  DifyUploads& uploads() { return uploads_; }
  http::Client& client() { return client_; }
  DifyNames& names() { return names_; }
  Metrics& metrics() { return metrics_; }
  DifyMetrics& dify_metrics() { return dify_metrics_; }
  [[nodiscard]] const DifyMetrics& dify_metrics() const { return dify_metrics_; }
  [[nodiscard]] std::size_t flows() const { return flows_.size(); }
  std::string new_request_id();
  [[nodiscard]] bool logs_access() const { return outlet_.is_open(); }
  void log_access(const obs::AccessRecord& record) { outlet_.tell(record); }
  void add(DifyFlow& flow) { flows_.insert(&flow); }
  void remove(DifyFlow& flow) { flows_.erase(&flow); }

 private:
  io::World world_;
  std::shared_ptr<const Snapshot> snapshot_;
  cache::Store& store_;
  std::shared_ptr<const chat::KeyMaker> keys_;
  Lanes& lanes_;
  http::Client& client_;
  Metrics& metrics_;
  obs::Outlet outlet_;
  trace::Tracer* tracer_ = nullptr;
  std::optional<Rng> ids_;  // made with the first request: a door that is off draws nothing
  DifyMetrics dify_metrics_;
  DifyApps apps_;
  DifyNames names_;
  DifyStops stops_;
  DifyFresh fresh_;
  DifyFills fills_;
  DifyInfos infos_;
  DifyLive live_;
  DifyUploads uploads_;
  io::Timer settled_;
  std::set<DifyFlow*> flows_;
};

}  // namespace outrigger::proxy
