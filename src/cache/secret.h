// SecretKeeper: the deployment's secret, and how replicas agree on it. Owned by Store.
//
// Each replica says SET NX with the secret it has, then GET: whatever Redis answers is the secret, so of many that begin at once
// all end with the first one's. This is repeated whenever the connection comes up and once a minute, which also renews the key's
// life and keeps it among those that were read last, for a Redis that evicts.
// A Redis that has lost its data gets the secret back from the first replica that reconnects.
#pragma once

#include <functional>
#include <string>

#include "cache/redis_link.h"
#include "io/loop.h"

namespace outrigger::cache {

class SecretKeeper {
 public:
  using Tell = std::move_only_function<void(std::string secret)>;
  struct Plan {
    std::string secret;  // until Redis says otherwise
    RedisLink* link;     // null: there is nothing to agree on
    std::string redis_key;
    Duration timeout;  // for `ready`
  };

  // Neither callback runs inside a call of the owner's.
  SecretKeeper(io::Loop& loop, Plan plan, Tell ready, Tell changed);

  void on_link_up();

 private:
  void agree();
  bool on_secret(const Reply* reply);
  void settle(std::string secret);

  io::Loop& loop_;
  Plan plan_;
  Tell ready_;  // empty once it has run
  Tell changed_;
  io::Timer ready_timer_, agree_timer_;
};

}  // namespace outrigger::cache
