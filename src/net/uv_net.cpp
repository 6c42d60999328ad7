#include "net/uv_net.h"

#include "net/tls_handshake.h"
#include "net/uv_connect.h"

namespace outrigger::net {

std::unique_ptr<io::Pending> UvNet::connect(const io::Address& to, Duration timeout, io::ConnectDone done) {
  return std::make_unique<UvConnect>(loop_, to, timeout, std::move(done));
}

std::unique_ptr<io::Pending> UvNet::start_tls(std::unique_ptr<io::Stream> stream, const io::TlsClient& tls, Duration timeout,
                                              io::ConnectDone done) {
  return connect_tls(loop_, std::move(stream), tls_clients_.connection(tls), timeout, std::move(done));
}

Result<std::unique_ptr<io::Listener>> UvNet::listen(const io::Address& at, const std::optional<io::TlsServer>& tls,
                                                    std::move_only_function<void(std::unique_ptr<io::Stream>)> accepted) {
  Result<std::unique_ptr<UvListener>> opened = UvListener::open(loop_, at, log_, refused_, std::move(accepted));
  if (!opened) return std::unexpected(opened.error());
  if (const auto set = (*opened)->set_tls(tls); !set) return std::unexpected(set.error());
  return std::move(*opened);
}

}  // namespace outrigger::net
