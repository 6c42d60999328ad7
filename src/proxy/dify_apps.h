// The lanes of Dify apps, and of their users where there is a limit for those: what an app may have at one backend at once, when
// that backend last said that it has too many of its runs, and whether it fails there. One lane for each app and backend, so that an
// app whose model provider is down closes no door to others.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/lane.h"
#include "proxy/snapshot.h"

namespace outrigger::proxy {

class DifyApps {
 public:
  // Keys come from clients. Above so many lanes the ones that are idle longest make place; when none is idle there is no lane for
  // what is new, and it has the backend's limits alone.
  static constexpr std::size_t k_lanes_max = 2048;

  explicit DifyApps(io::World world) : world_(world) {}
  DifyApps(const DifyApps&) = delete;
  DifyApps& operator=(const DifyApps&) = delete;

  // `who`: the digest of an app's key, or of that and a user. `label`: its name for people, the last one counts. `limit`: at once; nothing: no limit.
  std::shared_ptr<Lane> of(const std::string& backend, const std::string& who, const std::string& label,
                           std::optional<std::uint32_t> limit, const config::Model& pace);
  // The configuration with that pace is in force from now on; what requests from before say of the settings counts no more.
  void reconfigure(const config::Model& pace) {
    current_ = &pace;
    ++generation_;
  }
  void each(const std::function<void(const std::string& label, const Lane& lane)>& visit) const;

 private:
  struct Known {
    std::shared_ptr<Lane> lane;
    std::uint64_t generation = 0;
    std::string label{};
  };
  [[nodiscard]] bool has_place();

  io::World world_;
  const Lane::Log silent_;
  std::map<std::string, Known, std::less<>> known_;
  const config::Model* current_ = nullptr;  // for its identity, never followed; null: whatever comes is current
  std::uint64_t generation_ = 1;
};

}  // namespace outrigger::proxy
