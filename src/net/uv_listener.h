// UvListener: an open door. Owned by whoever listens; owns the listening socket and, with TLS, the handshakes under way.
//
// It accepts by itself (uv_poll and accept4) and not by uv_listen: when the process has no file descriptor left, libuv would
// drop the waiting connections or spin. Here the door rests for k_rest, says so in the log, and the connections wait in the
// kernel's queue meanwhile.
#pragma once

#include <sys/types.h>

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "io/net.h"
#include "net/socket_address.h"
#include "net/tls_context.h"
#include "net/uv_handle.h"
#include "net/uv_loop.h"
#include "obs/log.h"

namespace outrigger::net {

using Accepted = std::move_only_function<void(std::unique_ptr<io::Stream>)>;
// A connection was closed before it was handed over. `why`: "tls", its handshake has failed or took too long; "tls_limit", too many
// of them were under way. `words`: what else is known, for people; may be empty.
using Refused = std::function<void(const io::Address& at, std::string_view why, std::string_view words)>;

class UvListener final : public io::Listener {
 public:
  // Without TLS, until set_tls. `log` may be null and must outlive the listener; `refused` may be empty. Errors: io_failed.
  static Result<std::unique_ptr<UvListener>> open(UvLoop& loop, const io::Address& at, obs::Log* log, Refused refused,
                                                  Accepted accepted);
  ~UvListener() override;
  UvListener(const UvListener&) = delete;
  UvListener& operator=(const UvListener&) = delete;

  [[nodiscard]] io::Address bound() const override { return bound_; }
  Result<void> set_tls(const std::optional<io::TlsServer>& tls) override;

 private:
  struct Door;
  struct Handshake;
  UvListener(UvLoop& loop, obs::Log* log, Refused refused);
  void watch();
  // False: stop accepting in this turn.
  bool accept_one();
  void rest(int error);
  void hand_over(std::unique_ptr<io::Stream> stream);
  void begin_handshake(std::unique_ptr<io::Stream> stream);
  void refuse(std::string_view why, std::string_view words) const;

  UvLoop& loop_;
  SslContext tls_;
  obs::Log* log_;
  Refused refused_;
  io::Address bound_;
  struct File {
    std::string path;
    dev_t device;
    ino_t inode;
  };
  std::optional<File> file_;  // of our Unix socket
  Door* door_ = nullptr;
  std::list<Handshake> handshakes_;
  io::Timer rest_timer_;
  std::optional<MonoTime> last_complaint_;
};

}  // namespace outrigger::net
