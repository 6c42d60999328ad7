// Net: how streams come to be. Implemented by net/ (sockets, OpenSSL) and tests/sim (links in virtual time).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/time.h"
#include "io/stream.h"

namespace outrigger::io {

// "host:port", "[v6]:port", or "unix:/path" (then port is 0 and host holds the path).
struct Address {
  std::string host;
  std::uint16_t port = 0;
  bool is_unix = false;
  bool operator==(const Address&) const = default;
};
// Accepts what `listen` takes in the configuration: "0.0.0.0:8080", ":8080", "[::]:8080", "unix:/run/x.sock".
// Errors (bad_config) say what to write instead.
Result<Address> parse_address(std::string_view text);
std::string to_string(const Address& address);
// 127.0.0.0/8, ::1, "localhost" or a Unix socket: only this machine can come in.
bool is_loopback(const Address& address);

// TLS towards an upstream or Redis.
struct TlsClient {
  std::string server_name;  // SNI and the name that the certificate must be for
  std::string ca;           // PEM text of the accepted roots; empty: the system's
  bool verify = true;
  bool operator==(const TlsClient&) const = default;
};

// TLS on a door. PEM texts, not paths.
struct TlsServer {
  std::string certificate_chain;
  std::string private_key;
  std::string client_ca{};  // not empty: whoever shows no certificate that leads to one of these is not let in
  bool operator==(const TlsServer&) const = default;
};

// An operation under way. Destroying it abandons the operation: the callback will not run.
class Pending {
 public:
  virtual ~Pending() = default;
};

using ConnectDone = std::move_only_function<void(Result<std::unique_ptr<Stream>>)>;

// Open for accepting as long as it lives.
class Listener {
 public:
  virtual ~Listener() = default;
  // The address really bound: the port that the kernel chose when 0 was asked for.
  [[nodiscard]] virtual Address bound() const = 0;
  // For connections that come after the call; nothing: without TLS. Errors (bad_config): all stays as it is.
  virtual Result<void> set_tls(const std::optional<TlsServer>& tls) = 0;
};

class Net {
 public:
  virtual ~Net() = default;

  // Resolves (off the loop), tries every address of the name (RFC 8305 without the racing: a failed one leads to the next)
  // and connects, all within `timeout`. Errors: dns_failed, connect_refused, connect_failed, connect_timeout.
  [[nodiscard]] virtual std::unique_ptr<Pending> connect(const Address& to, Duration timeout, ConnectDone done) = 0;

  // Makes `stream` a TLS stream, as a client. Sessions are resumed per server name. Errors: tls_failed, connect_timeout.
  [[nodiscard]] virtual std::unique_ptr<Pending> start_tls(std::unique_ptr<Stream> stream, const TlsClient& tls,
                                                           Duration timeout, ConnectDone done) = 0;

  // Listens on `at`; each connection accepted is handed over (with `tls`: after its handshake). Errors: io_failed with
  // the reason in words ("address in use", ...).
  [[nodiscard]] virtual Result<std::unique_ptr<Listener>> listen(
      const Address& at, const std::optional<TlsServer>& tls,
      std::move_only_function<void(std::unique_ptr<Stream>)> accepted) = 0;
};

}  // namespace outrigger::io
