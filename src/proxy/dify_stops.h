// DifyStops: tells Dify to stop runs whose client has left. Fire and forget: each has some seconds, and of too many at once the
// rest is left out, because Dify ends every run by itself in the end.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "http/client.h"
#include "proxy/metrics.h"
#include "proxy/snapshot.h"

namespace outrigger::proxy {

// The path of the stop call for a run at `path` ("/v1/chat-messages" → "/v1/chat-messages/<task>/stop"); empty: there is none, or
// `task` is none of Dify's. It comes from the backend's stream.
std::string stop_path(std::string_view path, std::string_view task);

class DifyStops {
 public:
  static constexpr std::size_t k_at_once_max = 32;
  static constexpr Duration k_limit = 10s;

  // All must outlive it.
  DifyStops(io::World world, http::Client& client, Metrics& metrics);
  DifyStops(const DifyStops&) = delete;
  DifyStops& operator=(const DifyStops&) = delete;
  ~DifyStops();

  // `head`: the run's own, as it was sent; its method, path and body are replaced. `user`: as the run named it; Dify stops nothing
  // for another one.
  void stop(const Target& target, http::RequestHead head, std::string path, std::string_view user);
  [[nodiscard]] std::size_t size() const { return running_.size(); }

 private:
  class Stop;
  void end(std::uint64_t id, std::string_view outcome);

  io::World world_;
  http::Client& client_;
  Metrics& metrics_;
  std::uint64_t next_id_ = 0;
  std::map<std::uint64_t, std::unique_ptr<Stop>> running_;
};

}  // namespace outrigger::proxy
