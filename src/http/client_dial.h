// Dial: makes a new connection to an origin, within one time limit.
//
//   connecting ─► (through a proxy: asking with CONNECT) ─► (https: TLS handshake) ─► done | failed
//
// Owned by the Call that needs the connection; destroying it gives up. Tells how it ended exactly once, never inside the
// constructor, and may be destroyed while it does.
#pragma once

#include <functional>
#include <memory>

#include "http/client.h"
#include "http/parser.h"

namespace outrigger::http {

class Dial final : private io::StreamHandler {
 public:
  // `origin` must outlive the Dial.
  Dial(io::World world, const Origin& origin, Duration timeout, std::size_t head_bytes, io::ConnectDone done);
  Dial(const Dial&) = delete;
  Dial& operator=(const Dial&) = delete;
  ~Dial();

 private:
  // The proxy's answer to CONNECT.
  void on_data(std::string_view data) override;
  void on_eof() override;
  void on_error(Error error) override;
  void on_drained() override {}

  void on_connected(Result<std::unique_ptr<io::Stream>> stream);
  void ask_proxy();
  void refused(std::string_view why);
  void secure();
  void end(Result<std::unique_ptr<io::Stream>> result);
  [[nodiscard]] Duration left() const;

  io::World world_;
  const Origin& origin_;
  const MonoTime deadline_;
  const std::size_t head_bytes_;  // at most, of the proxy's answer
  io::ConnectDone done_;
  ResponseParser parser_;
  std::unique_ptr<io::Stream> stream_;  // to the proxy, while it is asked
  std::unique_ptr<io::Pending> pending_;
  io::Timer limit_;
};

}  // namespace outrigger::http
