// A TLS handshake under way, for either side, with a time limit. The stream comes out of `done` ready for its first handler.
// Errors: tls_failed, connect_timeout.
#pragma once

#include <memory>

#include "io/loop.h"
#include "io/net.h"
#include "net/tls_context.h"

namespace outrigger::net {

// `tls` may be an error: it is then delivered to `done`, later.
std::unique_ptr<io::Pending> connect_tls(io::Loop& loop, std::unique_ptr<io::Stream> below, Result<SslPtr> tls,
                                         Duration timeout, io::ConnectDone done);
std::unique_ptr<io::Pending> accept_tls(io::Loop& loop, std::unique_ptr<io::Stream> below, SSL_CTX& context,
                                        Duration timeout, io::ConnectDone done);

}  // namespace outrigger::net
