// LlmDoor: what all requests at the llm door share. Makes a Flow for each.
#pragma once

#include <memory>
#include <string>

#include "cache/store.h"
#include "core/text_pool.h"
#include "http/server.h"
#include "obs/journal.h"
#include "obs/log.h"
#include "proxy/clients.h"
#include "proxy/fills.h"
#include "proxy/metrics.h"
#include "proxy/refreshes.h"
#include "proxy/snapshot.h"
#include "trace/tracer.h"

namespace outrigger::proxy {

class LlmDoor final : public http::Acceptor {
 public:
  // All referred to must outlive the door. `access` may be null: no access log.
  LlmDoor(io::World world, std::shared_ptr<const Snapshot> snapshot, cache::Store& store, http::Client& client,
          Metrics& metrics, obs::LineSink* access);

  std::unique_ptr<http::ExchangeHandler> on_request(http::Exchange& exchange) override;
  ErrorBody on_refused(ErrorCode code) override;

  // A reload, and a secret that Redis told later: for requests that begin after the call.
  void set_snapshot(std::shared_ptr<const Snapshot> snapshot) {
    snapshot_ = std::move(snapshot);
    last_target_.clear();
    lanes_.reconfigure(*snapshot_);
    clients_.configure(snapshot_->config());
  }
  // What memory holds has keys of the old one, which nobody can name any more: it goes.
  void set_secret(std::string_view secret);
  void set_access_log(obs::LineSink* access) { outlet_.set_log(access); }
  // Must outlive the door.
  void set_journal(obs::Journal* journal) { outlet_.set_journal(journal); }
  // Null, or never called: nothing is traced. Must outlive the door.
  void set_tracer(trace::Tracer* tracer) { tracer_ = tracer; }
  [[nodiscard]] trace::Tracer* tracer() { return tracer_; }

  // Where a request with that target goes: Snapshot::destination, with the last answer remembered, because clients ask for the
  // same few paths over and over.
  [[nodiscard]] Destination destination(std::string_view target);

  // For Flows and the admin door.
  [[nodiscard]] const std::shared_ptr<const Snapshot>& snapshot() const { return snapshot_; }
  [[nodiscard]] const chat::KeyMaker& keys() const { return *keys_; }
  [[nodiscard]] std::shared_ptr<const chat::KeyMaker> shared_keys() const { return keys_; }
  io::World& world() { return world_; }
  cache::Store& store() { return store_; }
  Fills& fills() { return fills_; }
  Refreshes& refreshes() { return refreshes_; }
  Lanes& lanes() { return lanes_; }
  Clients& clients() { return clients_; }
  Metrics& metrics() { return metrics_; }
  std::string new_request_id();
  [[nodiscard]] bool logs_access() const { return outlet_.is_open(); }
  void log_access(const obs::AccessRecord& record) { outlet_.tell(record); }
  TextPool& texts() { return texts_; }
  // Scratch space for rendering a response head; valid until the next call.
  std::string& scratch() {
    scratch_.clear();
    return scratch_;
  }

 private:
  io::World world_;
  std::shared_ptr<const Snapshot> snapshot_;
  cache::Store& store_;
  Metrics& metrics_;
  obs::Outlet outlet_;
  trace::Tracer* tracer_ = nullptr;
  Rng ids_;
  std::shared_ptr<chat::KeyMaker> keys_;
  Lanes lanes_;
  Clients clients_;
  Fills fills_;
  Refreshes refreshes_;
  std::string last_target_;  // of last_destination_; empty: none
  Destination last_destination_;
  TextPool texts_;
  std::string scratch_;
};

}  // namespace outrigger::proxy
