// UvConnect: one connection in the making. Owned by whoever asked for it; destroying it abandons the attempt.
//
//   resolving --addresses--> trying --connected--> done_ is called with the stream
//       |                    |    ^
//       |                    '----' the address failed, or its share of the time is over: the next one
//       '--> done_ is called with an error <-- no address left, or the whole time is over
//
// Literal addresses and Unix paths start in `trying`. An address that does not answer may use an equal share of what is left
// of the time, so that a dead first address does not eat the time of a living second one.
#pragma once

#include <uv.h>

#include <cstddef>
#include <vector>

#include "io/net.h"
#include "net/socket_address.h"
#include "net/uv_loop.h"
#include "net/uv_stream.h"

namespace outrigger::net {

// Alternates the families, beginning with that of the first address, and keeps the order within a family (RFC 8305 §4).
std::vector<SocketAddress> interleave(const std::vector<SocketAddress>& addresses);

class UvConnect final : public io::Pending {
 public:
  UvConnect(UvLoop& loop, io::Address to, Duration timeout, io::ConnectDone done);
  ~UvConnect() override;
  UvConnect(const UvConnect&) = delete;
  UvConnect& operator=(const UvConnect&) = delete;

 private:
  struct Lookup;

  void resolve();
  void resolved(int status, const addrinfo* found);
  void try_next();
  // The status of libuv; 0: the answer comes by attempt_ended().
  int attempt(const SocketAddress& address);
  void attempt_ended(int status);
  void drop_attempt();
  void out_of_time();
  void finish(Result<std::unique_ptr<io::Stream>> result);
  [[nodiscard]] std::string describe() const;

  UvLoop& loop_;
  io::Address to_;
  Duration timeout_;
  MonoTime deadline_;
  io::ConnectDone done_;
  Lookup* lookup_ = nullptr;      // freed by libuv's callback
  SocketShell* shell_ = nullptr;  // of the attempt under way
  std::vector<SocketAddress> addresses_;
  std::size_t next_ = 0;  // into addresses_
  Error last_error_;
  io::Timer limit_;  // of the whole
  io::Timer step_;   // of the attempt, or a failure that must not be reported at once
};

}  // namespace outrigger::net
