// The server side of HTTP/1.1: connections, and on each of them one exchange after the other.
//
//   Server owns Conns (one per accepted stream); a Conn owns at most one Exchange at a time (further pipelined requests wait
//   unread); an Exchange owns the ExchangeHandler that the application made for it.
//
// What the application need not care about: keep-alive, pipelining, chunking both ways, `Expect: 100-continue`, HEAD (its body
// is swallowed), HTTP/1.0 (no chunks: the connection's end is the body's end), the limits, conflicting lengths (refused with
// 400 and close: request smuggling), malformed input (400, 408, 413, 431 in the shape of Acceptor::error_body), draining.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "core/bytes.h"
#include "core/error.h"
#include "http/message.h"
#include "http/upgrade.h"
#include "io/world.h"

namespace outrigger::http {

class Exchange;

// The application's side of one exchange. Destroyed when the exchange is over, never inside one of its own methods. After
// finish() or abort() none of them is called any more.
class ExchangeHandler {
 public:
  virtual ~ExchangeHandler() = default;
  // A piece of the request body, chunking removed; valid during the call only.
  virtual void on_body(std::string_view data) = 0;
  // The body is complete (called for requests without one as well, after on_request returned).
  virtual void on_body_end() = 0;
  // Exchange::unsent() has fallen to zero after it had been above zero.
  virtual void on_drained() = 0;
  // The client is gone, or its request broke off (then the server side has answered or closed already). Nothing can be
  // sent any more and no further call comes. Not called when the exchange ended well.
  virtual void on_client_gone() = 0;
};

// How the body's length is announced.
struct BodyLength {
  enum class Kind { none, known, until_finished } kind = Kind::none;
  std::uint64_t size = 0;
  static BodyLength none() { return {}; }
  static BodyLength known(std::uint64_t size) { return {Kind::known, size}; }
  static BodyLength streamed() { return {Kind::until_finished, 0}; }
};

// One request and its answer. Valid until its ExchangeHandler is destroyed.
class Exchange {
 public:
  virtual ~Exchange() = default;

  [[nodiscard]] virtual const RequestHead& request() const = 0;
  [[nodiscard]] virtual std::string peer() const = 0;

  // Stops or resumes on_body. On at the start. With `Expect: 100-continue` the first body byte is asked for when the
  // handler's on_request has returned without an answer.
  virtual void read_body(bool on) = 0;

  // Sends the head; once. Content-Length or Transfer-Encoding, Connection and Date are added here; hop-by-hop fields and
  // Content-Length in `head` are ignored. Bodies for HEAD, 204 and 304 are swallowed.
  virtual void respond(const ResponseHead& head, BodyLength length) = 0;
  // A piece of the body: sent at once, never merged with another or held back.
  virtual void write(const Bytes& data) = 0;
  // The answer is complete. With a known length: exactly that much must have been written.
  virtual void finish() = 0;
  // A whole answer in one go; same as respond(known), write, finish but in one system call.
  virtual void respond_whole(const ResponseHead& head, const Bytes& body) = 0;
  // The hot path: like respond_whole, with a head that is already text: status line and fields, each ended by CRLF, without
  // framing fields, Date, and the empty line. render_head() of http/writer.h makes such a text.
  virtual void respond_rendered(std::string_view head, const Bytes& body) = 0;
  // The answer cannot be completed: the connection is closed at once, so that the client notices.
  virtual void abort() = 0;
  // Leaves HTTP (http/upgrade.h): answers 101 with the fields of `head`, and gives the connection away. Only if the request
  // asks_upgrade(`protocol`), has not been answered, and on_body_end has returned. The handler is not called again, but stays, and
  // the Server counts the connection as one of its own, until finish() or abort().
  [[nodiscard]] virtual Upgraded upgrade(const ResponseHead& head, std::string_view protocol) = 0;

  // Also true inside on_client_gone when the server side has answered a request that broke off (408, 413, ...).
  [[nodiscard]] virtual bool responded() const = 0;
  // Bytes of the answer that the kernel has not yet taken.
  [[nodiscard]] virtual std::size_t unsent() const = 0;
};

// Makes the handlers.
class Acceptor {
 public:
  virtual ~Acceptor() = default;
  // A request head has come. May answer at once (then on_body may still be called; the rest of the body is discarded).
  // `exchange` outlives the handler returned, which must not be null.
  virtual std::unique_ptr<ExchangeHandler> on_request(Exchange& exchange) = 0;
  // The body (and content type) with which the server side answers what never became an exchange: malformed or too large or
  // too slow requests. Also a hook to count them.
  struct ErrorBody {
    std::string content_type;
    std::string body;
    Headers headers{};  // further ones
  };
  virtual ErrorBody on_refused(ErrorCode code) = 0;
};

struct ServerLimits {
  std::size_t connections = 4096;        // above it a new connection is closed at once
  bool makes_room = false;               // then the one that has been idle for longest is closed instead
  std::size_t header_bytes = 32 * 1024;  // request line and fields; beyond: 431
  std::uint64_t body_bytes = 20u << 20;  // beyond: 413
  Duration header_timeout = 10s;         // from the first byte of a head to its end: 408. Also the TLS handshake's
  Duration body_timeout = 60s;           // between two pieces of a body that we want to read: 408
  Duration keep_alive = 75s;             // idle between two requests; nginx's default
  Duration linger = 2s;                  // after an early answer the rest of the request is read and discarded this long, so
                                         // that the answer is not lost to a reset (RFC 9112 §9.6)
};

// Destroying it closes all connections and destroys their handlers; not from inside a handler.
class Server {
 public:
  // `acceptor` must outlive the server.
  Server(io::World world, ServerLimits limits, Acceptor& acceptor);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Takes over an accepted stream.
  void accept(std::unique_ptr<io::Stream> stream);
  // No new requests: idle connections close now, busy ones after their current answer (`Connection: close`).
  void drain();
  // Calls `idle` once, later, when no connection is left. One at a time.
  void when_idle(io::Callback idle);
  [[nodiscard]] std::size_t connections() const;
  // For a reload: applies to requests that begin after the call.
  void set_limits(const ServerLimits& limits);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger::http
