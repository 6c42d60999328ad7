// UvNet: io::Net over libuv and OpenSSL. Owned by main; everything made from it may outlive it, but not the loop.
#pragma once

#include "io/net.h"
#include "net/tls_context.h"
#include "net/uv_listener.h"
#include "net/uv_loop.h"
#include "obs/log.h"

namespace outrigger::net {

class UvNet final : public io::Net {
 public:
  // `log` hears when connections cannot be accepted; it may be null, and must outlive the listeners.
  explicit UvNet(UvLoop& loop, obs::Log* log = nullptr) : loop_(loop), log_(log) {}

  // Of listeners that are opened from now on.
  void on_refused(Refused heard) { refused_ = std::move(heard); }

  [[nodiscard]] std::unique_ptr<io::Pending> connect(const io::Address& to, Duration timeout, io::ConnectDone done) override;
  [[nodiscard]] std::unique_ptr<io::Pending> start_tls(std::unique_ptr<io::Stream> stream, const io::TlsClient& tls,
                                                       Duration timeout, io::ConnectDone done) override;
  [[nodiscard]] Result<std::unique_ptr<io::Listener>> listen(
      const io::Address& at, const std::optional<io::TlsServer>& tls,
      std::move_only_function<void(std::unique_ptr<io::Stream>)> accepted) override;

 private:
  UvLoop& loop_;
  obs::Log* log_;
  Refused refused_;
  TlsClients tls_clients_;
};

}  // namespace outrigger::net
