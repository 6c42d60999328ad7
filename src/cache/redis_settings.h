// How to reach Redis.
#pragma once

#include <optional>
#include <string>

#include "core/time.h"
#include "io/net.h"

namespace outrigger::cache {

struct RedisSettings {
  io::Address address;
  std::optional<io::TlsClient> tls;
  std::string user, password;  // without a password nothing is said; without a user it is Redis' default user
  int database = 0;
  std::string prefix = "outrigger:";
  Duration timeout = 20ms;  // the most that a lookup may add to a request, and the limit of every command but a purge's
};

}  // namespace outrigger::cache
