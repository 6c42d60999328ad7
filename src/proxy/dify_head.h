// The head of a request on its way from the dify door to a backend. Pure.
//
// Dify's nginx keeps the Host and says in X-Forwarded-* who asked; so does this. What a client says of itself in such fields (and
// in the others that Dify takes an address from) is believed from trusted peers only: elsewhere it goes, and the connection counts.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "config/network.h"
#include "http/message.h"
#include "proxy/snapshot.h"

namespace outrigger::proxy {

struct Comer {
  std::string_view
      peer;          // as io::Stream::peer() tells it: "203.0.113.7:4711", "[2001:db8::1]:4711", or a Unix socket's path
  bool tls = false;  // on the door
  std::span<const config::Network> trusted;
};

// This machine itself, or one of `trusted`.
bool is_trusted(const Comer& comer);
// The peer without its port; empty: a Unix socket.
std::string_view address_of(std::string_view peer);

// Without hop-by-hop fields, Expect, x-outrigger-*, and names with an underscore: Python's web servers take it for a dash, so that one
// would be a way around all that is checked here. Dify's nginx leaves them out as well.
http::RequestHead dify_head(const http::RequestHead& from, const Target& target, const Comer& comer);

}  // namespace outrigger::proxy
