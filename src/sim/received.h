// Received: a request that has come in whole, as the desks take it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http/message.h"

namespace outrigger::sim_provider {

struct Received {
  const http::RequestHead& head;
  std::string_view body;   // empty when `body_whole` is false
  bool body_whole = true;  // false: it was too long to be kept
  std::uint64_t body_size = 0;
  std::string body_sha256;
};

// All of it, as JSON: method, target, header fields in their order, and the body.
std::string echo_json(const Received& request);

}  // namespace outrigger::sim_provider
