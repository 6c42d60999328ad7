// Leaving HTTP (RFC 9110 §7.8): who may ask for another protocol on the connection, and what the two sides of http/ hand over when
// it has been agreed on. And the opening handshake of WebSockets (RFC 6455 §4), which is the only other protocol that there is.
//
//   client ──GET, Upgrade──► Exchange                      Call (CallOptions::upgrade) ──GET, Upgrade──► origin
//                               │ Exchange::upgrade()  ◄──  on_head(101), Call::take_upgraded()
//                               ▼                                         ▼
//                           Upgraded                                  Upgraded
//
// Nothing leaves HTTP before the origin's 101 is here, so no byte is ever taken for HTTP by one side and for something else by
// the other. What a client sends before that is against RFC 6455 §4.1; it is held back, unread beyond one read of the stream. With
// the 101 it is handed over (`early`); if another answer comes, it is the next request on the connection, and is looked at like any.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "http/message.h"
#include "io/stream.h"

namespace outrigger::http {

// A connection that speaks another protocol from here on.
struct Upgraded {
  std::unique_ptr<io::Stream> stream;  // without a handler, and not read
  std::string early;                   // came behind the head, and before anything that the stream will tell
};

// GET of HTTP/1.1 without a body, with Connection and Upgrade that ask for `protocol`. In any other request Upgrade is an offer
// that is passed over.
bool asks_upgrade(const RequestHead& request, std::string_view protocol);
// Is it a 101 that changes to `protocol`?
bool agrees_to_upgrade(const ResponseHead& answer, std::string_view protocol);

inline constexpr std::string_view k_web_socket = "websocket";
// asks_upgrade(), in version 13 and with one key of 16 bytes.
bool asks_web_socket(const RequestHead& request);
// The Sec-WebSocket-Accept that proves that a Sec-WebSocket-Key was read.
std::string web_socket_accept(std::string_view key);
// agrees_to_upgrade(), with the proof for this very request: whoever answers 101 without having understood it has none.
bool agrees_to_web_socket(const RequestHead& request, const ResponseHead& answer);

}  // namespace outrigger::http
