// UvStream: io::Stream over a TCP or Unix socket. Owned by whoever reads it; owns its SocketShell until it releases it.
//
// Writing. What the kernel does not take at once waits in queue_ (shared, not copied); one uv_write at a time carries a batch
// of it. unsent() = queue_ + what libuv still holds of the batch.
//
// Breaking. A failed write does not end the stream at once when it is being read: the other side may have answered before it
// closed ("413, go away"), and that answer still stands in the kernel's buffer. The reader gets it, then the error. The error
// comes at the latest k_last_words after the failure, and right away when reading is off.
//
// After any call of the handler the stream may be gone, so such a call is always the last thing that a method does.
#pragma once

#include <uv.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/stream.h"
#include "net/uv_handle.h"
#include "net/uv_loop.h"

namespace outrigger::net {

class UvStream;
class UvConnect;

// The socket and the requests on it. At most one of owner and connecting is set.
struct SocketShell final : Shell {
  SocketShell() : handle{} {}
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  };
  uv_connect_t connect{};
  uv_write_t write{};
  uv_shutdown_t shutdown{};
  std::vector<Bytes> sending;  // the batch of `write`; libuv reads it until the write's callback
  UvStream* owner = nullptr;
  UvConnect* connecting = nullptr;
};

class UvStream final : public io::Stream {
 public:
  // Takes over an open, connected shell.
  UvStream(UvLoop& loop, SocketShell* shell, std::string peer);
  ~UvStream() override;
  UvStream(const UvStream&) = delete;
  UvStream& operator=(const UvStream&) = delete;

  // A stream over the connected socket `fd`, which it owns from now on. Null (and fd closed) when libuv refuses it.
  static std::unique_ptr<UvStream> adopt(UvLoop& loop, int fd, bool is_unix, std::string peer);

  void set_handler(io::StreamHandler* handler) override;
  void read(bool on) override;
  using io::Stream::write;
  void write(std::span<const Bytes> chunks) override;
  [[nodiscard]] std::size_t unsent() const override;
  void shutdown() override;
  [[nodiscard]] std::string peer() const override { return peer_; }

 private:
  static constexpr Duration k_last_words = 1s;

  static void on_alloc(uv_handle_t* handle, std::size_t, uv_buf_t* buffer);
  static void on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer);
  static void on_written(uv_write_t* request, int status);

  std::size_t send_now(std::span<const Bytes> chunks);
  void send_queue();
  void batch_sent(int status);
  void close_our_side();
  void break_later(int status, std::string_view doing);
  void report();
  void ended(ssize_t status);

  UvLoop& loop_;
  SocketShell* shell_;
  io::StreamHandler* handler_ = nullptr;
  std::string peer_;
  std::deque<Bytes> queue_;
  std::size_t queued_ = 0;  // bytes in queue_
  bool sending_ = false;    // a batch is with libuv
  bool owes_drained_ = false;
  bool reading_ = false;
  bool eof_ = false;
  bool shutdown_wanted_ = false;
  bool reported_ = false;        // on_error was called
  std::optional<Error> broken_;  // set: nothing more is written, and report() will come
  io::Timer report_timer_;
};

}  // namespace outrigger::net
