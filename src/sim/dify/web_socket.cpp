#include "sim/dify/web_socket.h"

#include <cstdint>

#include "http/upgrade.h"

namespace outrigger::sim_dify {
namespace {

constexpr std::uint64_t k_max_frame = 1 << 20;
constexpr unsigned char k_fin = 0x80, k_masked = 0x80, k_op_close = 8, k_op_ping = 9, k_op_pong = 10;

std::string head_of(unsigned char first, std::uint64_t size) {
  std::string head(1, static_cast<char>(first));
  const int bytes = size < 126 ? 0 : size < 65'536 ? 2 : 8;
  head += static_cast<char>(bytes == 0 ? size : bytes == 2 ? 126 : 127);
  for (int i = bytes - 1; i >= 0; --i) head += static_cast<char>(size >> (8 * i));
  return head;
}

}  // namespace

bool is_web_socket(const http::RequestHead& head) {
  return head.target.starts_with("/socket.io/") && http::asks_web_socket(head);
}

std::string FrameEcho::take(std::string_view data) {
  std::string out;
  if (over_) return out;
  pending_ += data;
  while (!over_ && take_frame(out)) {
  }
  return out;
}

bool FrameEcho::take_frame(std::string& out) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(pending_[i]); };
  if (pending_.size() < 2) return false;
  const int more = (byte(1) & 0x7f) == 126 ? 2 : (byte(1) & 0x7f) == 127 ? 8 : 0;
  const std::size_t head = 2 + static_cast<std::size_t>(more) + 4;
  std::uint64_t size = byte(1) & 0x7f;
  if (pending_.size() < head) return false;
  if (more > 0) size = 0;
  for (int i = 0; i < more; ++i) size = size << 8 | byte(2 + static_cast<std::size_t>(i));
  if ((byte(1) & k_masked) == 0 || size > k_max_frame) {
    out += head_of(k_fin | k_op_close, 2) + "\x03\xea";  // 1002: a breach of the protocol
    over_ = true;
    return false;
  }
  if (pending_.size() < head + size) return false;
  std::string payload = pending_.substr(head, size);
  for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<char>(payload[i] ^ pending_[head - 4 + i % 4]);
  unsigned char first = byte(0);
  pending_.erase(0, head + size);
  const unsigned char op = first & 0x0f;
  if (op == k_op_pong) return true;
  if (op == k_op_ping) first = k_fin | k_op_pong;
  over_ = op == k_op_close;
  out += head_of(first, payload.size()) + payload;
  return true;
}

void WebSocketEcho::open(const http::RequestHead& request) {
  stream_.take_over([this](std::string_view data) { take(data); });
  std::string head =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";
  head += http::web_socket_accept(*request.headers.get("sec-websocket-key")) + "\r\n";
  if (const auto protocol = request.headers.get("sec-websocket-protocol")) {
    head.append("Sec-WebSocket-Protocol: ").append(protocol->substr(0, protocol->find(','))).append("\r\n");
  }
  stream_.inject(head + "\r\n");
}

void WebSocketEcho::take(std::string_view data) {
  if (const std::string out = frames_.take(data); !out.empty()) stream_.inject(out);
  if (frames_.over()) stream_.cut_after(0);
}

}  // namespace outrigger::sim_dify
