// DifyStops: tells Dify to stop runs whose client has left. Nobody waits for it: Dify ends every run by itself in the end.
#pragma once

#include <string>
#include <string_view>

#include "proxy/asides.h"
#include "proxy/dify_metrics.h"

namespace outrigger::proxy {

// The path of the stop call for a run at `path` ("/v1/chat-messages" → "/v1/chat-messages/<task>/stop"); empty: there is none, or
// `task` is none of Dify's. It comes from the backend's stream.
std::string stop_path(std::string_view path, std::string_view task);

class DifyStops {
 public:
  static constexpr std::size_t k_at_once_max = 32;

  // All must outlive it.
  DifyStops(io::World world, http::Client& client, DifyMetrics& metrics);

  // `head`: the run's own, as it was sent; its method, path and body are replaced. `user`: as the run named it; Dify stops nothing
  // for another one.
  void stop(const Target& target, http::RequestHead head, std::string_view path, std::string_view user);
  [[nodiscard]] std::size_t size() const { return asides_.size(); }

 private:
  DifyMetrics& metrics_;
  Asides asides_;
};

}  // namespace outrigger::proxy
