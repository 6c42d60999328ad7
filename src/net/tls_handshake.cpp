#include "net/tls_handshake.h"

#include <fmt/format.h>

#include "core/check.h"
#include "net/tls_stream.h"

namespace outrigger::net {
namespace {

class TlsHandshake final : public io::Pending {
 public:
  TlsHandshake(io::Loop& loop, std::unique_ptr<io::Stream> below, Result<SslPtr> tls, Duration timeout, io::ConnectDone done)
      : done_(std::move(done)) {
    if (!tls) {
      refused_ = std::move(below);
      limit_ = loop.after(0ns, [this, error = tls.error()] { finish(std::unexpected(error)); });
      return;
    }
    stream_ = std::make_unique<TlsStream>(loop, std::move(below), std::move(*tls),
                                          [this](std::optional<Error> error) { ended(std::move(error)); });
    limit_ = loop.after(timeout, [this, timeout] { out_of_time(timeout); });
    stream_->begin_handshake();
  }

 private:
  void ended(std::optional<Error> error) {
    if (error) return finish(std::unexpected(std::move(*error)));
    finish(std::move(stream_));
  }

  void out_of_time(Duration timeout) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count();
    finish(
        fail(ErrorCode::connect_timeout, fmt::format("TLS handshake with {}: not done within {} ms", stream_->peer(), ms)));
  }

  // The caller may destroy this operation inside `done`.
  void finish(Result<std::unique_ptr<io::Stream>> result) {
    limit_.cancel();
    io::ConnectDone done = std::move(done_);
    done(std::move(result));
  }

  io::ConnectDone done_;
  std::unique_ptr<TlsStream> stream_;
  std::unique_ptr<io::Stream> refused_;  // closed with this operation, not inside the call that began it
  io::Timer limit_;
};

}  // namespace

std::unique_ptr<io::Pending> connect_tls(io::Loop& loop, std::unique_ptr<io::Stream> below, Result<SslPtr> tls,
                                         Duration timeout, io::ConnectDone done) {
  return std::make_unique<TlsHandshake>(loop, std::move(below), std::move(tls), timeout, std::move(done));
}

std::unique_ptr<io::Pending> accept_tls(io::Loop& loop, std::unique_ptr<io::Stream> below, SSL_CTX& context,
                                        Duration timeout, io::ConnectDone done) {
  SslPtr ssl(SSL_new(&context));
  OR_CHECK(ssl != nullptr);
  SSL_set_accept_state(ssl.get());
  return std::make_unique<TlsHandshake>(loop, std::move(below), std::move(ssl), timeout, std::move(done));
}

}  // namespace outrigger::net
