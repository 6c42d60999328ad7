// WebSocketEcho: takes a connection over from its http::Server after an upgrade and sends every message back (RFC 6455).
#pragma once

#include <string>
#include <string_view>

#include "http/message.h"
#include "sim/fault_stream.h"

namespace outrigger::sim_dify {

// A sound request for a WebSocket under /socket.io/.
bool is_web_socket(const http::RequestHead& head);

// Frames in, frames out: what is sent back for what has come. Pure.
class FrameEcho {
 public:
  // The bytes to send. Text, binary and continued frames come back unmasked, pings as pongs, a close as a close.
  std::string take(std::string_view data);
  // A close has been answered, or the other side broke the protocol (frames that are unmasked or above 1 MiB).
  [[nodiscard]] bool over() const { return over_; }

 private:
  bool take_frame(std::string& out);

  std::string pending_;
  bool over_ = false;
};

class WebSocketEcho {
 public:
  explicit WebSocketEcho(sim_provider::FaultStream& stream) : stream_(stream) {}
  // Answers the handshake. `stream` must live as long as anything comes on it.
  void open(const http::RequestHead& request);

 private:
  void take(std::string_view data);

  sim_provider::FaultStream& stream_;
  FrameEcho frames_;
};

}  // namespace outrigger::sim_dify
