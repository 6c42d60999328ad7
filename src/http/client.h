// The client side of HTTP/1.1: calls to an origin over pooled keep-alive connections, TLS and CONNECT proxies included.
//
//   Client owns idle Conns per Origin; a Call owns the Conn it uses and gives it back when both bodies ended cleanly.
//
// A pooled connection may turn out to be dead when it is used (the origin closed it meanwhile). If that shows before a single
// byte of the answer, the call moves to a new connection without the caller noticing, as long as the request can be sent
// again: its body was given whole, or none of it was sent.
//
// A Call may ask to leave HTTP (http/upgrade.h). A 101 that nobody asked for is not sound HTTP.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/bytes.h"
#include "core/error.h"
#include "core/time.h"
#include "http/message.h"
#include "http/upgrade.h"
#include "io/world.h"

namespace outrigger::http {

// Where to connect. Calls to equal origins share a pool.
struct Origin {
  io::Address address;               // of the origin itself
  std::optional<io::TlsClient> tls;  // https
  struct Proxy {
    io::Address address;
    std::string authorization;  // value for Proxy-Authorization, or empty
    bool operator==(const Proxy&) const = default;
  };
  std::optional<Proxy> proxy;  // reached by CONNECT, for http and https alike
  bool operator==(const Origin&) const = default;
};

// What a Call tells. Any of these may destroy the Call.
class CallHandler {
 public:
  // The final head (1xx are swallowed). A 101 is the last call: see Call::take_upgraded().
  virtual void on_head(ResponseHead head) = 0;
  // A piece of the body as it came, chunking removed; pieces are never merged.
  virtual void on_body(const Bytes& data) = 0;
  // The answer is complete and well-formed. Last call.
  virtual void on_end() = 0;
  // The call failed. Last call. upstream_cut when a head had been delivered, else one of the codes of io::Net::connect,
  // proxy_refused, tls_failed, upstream_reset, upstream_protocol.
  virtual void on_error(Error error) = 0;
  // unsent() has fallen to zero after write_body() had left something unsent.
  virtual void on_drained() = 0;

 protected:
  ~CallHandler() = default;
};

// One request under way. Destroying it cancels: the connection is closed unless the exchange was complete.
class Call {
 public:
  virtual ~Call() = default;
  // For requests started with a streamed body.
  virtual void write_body(const Bytes& data) = 0;
  virtual void end_body() = 0;
  [[nodiscard]] virtual std::size_t unsent() const = 0;
  // Off stops on_body, and so, in the end, the origin.
  virtual void read_body(bool on) = 0;
  // Once, after on_head with 101: the connection, with what came behind that head. Left where it is, it closes with the Call.
  [[nodiscard]] virtual Upgraded take_upgraded() = 0;
  // Was an idle connection reused? For the log.
  [[nodiscard]] virtual bool reused() const = 0;
};

struct ClientLimits {
  std::size_t idle_per_origin = 64;
  Duration idle_timeout = 55s;  // below the 60 s after which common load balancers drop idle connections
  std::size_t header_bytes = 64 * 1024;
};

struct CallOptions {
  Duration connect_timeout = 3s;  // name, TCP, proxy and TLS together
  // The whole body, when it is at hand: framed by Content-Length and sent again if need be.
  std::optional<Bytes> body;
  // Otherwise a streamed body: its length if the client announced one, else chunked. Ignored when `body` is set; a request
  // with neither body nor streamed has none.
  bool streamed = false;
  std::optional<std::uint64_t> streamed_length;
  // On a connection of its own, new and closed with the answer: the request is never sent twice, whatever becomes of the first
  // time, and no idle connection takes one of the few places that a small server has.
  bool alone = false;
  // The protocol that a GET asks to change to, a literal, or empty. Such a call has no body and is `alone`. It may be answered by
  // 101, which changes to it, or like any other.
  std::string_view upgrade{};
};

// Must outlive its Calls.
class Client {
 public:
  Client(io::World world, ClientLimits limits);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Starts a request. `head.target` and `head.headers` are sent as given (Host must be in them); framing and hop-by-hop fields
  // are this side's business and are replaced. `handler` must outlive the Call.
  [[nodiscard]] std::unique_ptr<Call> start(const Origin& origin, const RequestHead& head, CallOptions options,
                                            CallHandler& handler);
  // Closes idle connections, of all origins.
  void close_idle();
  [[nodiscard]] std::size_t idle() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger::http
