// DifyNames: what the apps at the dify door are called, in metrics, in the log and in /api/status.
//
// An [[app]] has its name from the configuration. What any other is called its backend knows (GET /v1/info): it is asked once, in
// the background, with the key that a client has brought and that Dify has taken; what a client asks of that kind is listened to.
// Until then, and where it stays unknown, an app is called by the beginning of its key's digest. Keys of one app share its name, and
// so do apps that are called the same. A key that Dify has not taken may be anybody's invention, and has no name of its own.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "proxy/asides.h"

namespace outrigger::proxy {

class DifyNames {
 public:
  static constexpr std::size_t k_apps_max = 1000;  // the rest keeps its digest
  static constexpr std::size_t k_at_once_max = 1;  // others wait for their app's next request: places at Dify are few
  static constexpr Duration k_asks_again = 15min;  // after a failure

  // `client` must outlive it.
  DifyNames(io::World world, http::Client& client) : world_(world), asides_(world, client, k_at_once_max) {}

  // `digest`: the SHA-256 of an app's key, hex. "unknown": Dify has not taken it yet.
  [[nodiscard]] std::string of(std::string_view digest) const;
  // Dify has taken the key. Asks `target` unless the name is known or was asked for lately. `authorization`: the client's own field,
  // which is not kept.
  void ask(std::string_view digest, const Target& target, std::string_view authorization);
  // The answer to a GET /v1/info with that key.
  void learn(std::string_view digest, std::string_view info);

 private:
  struct Known {
    std::string name;        // empty: not known
    MonoTime asks_again_at;  // while it is not known
  };

  io::World world_;
  std::map<std::string, Known, std::less<>> known_;  // by digest
  Asides asides_;
};

}  // namespace outrigger::proxy
