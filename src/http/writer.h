// Heads of HTTP/1.1 messages as bytes, and the framing of chunks. Pure.
//
// What is written can never hold more lines than fields: a field whose name is not a token or whose value has a control
// character is left out. Hop-by-hop fields and Content-Length of the given heads are left out as well; the caller says how the
// message is framed, and whether it is about an upgrade.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/bytes.h"
#include "core/time.h"
#include "http/message.h"

namespace outrigger::http {

// "Date: Sun, 06 Nov 1994 08:49:37 GMT" with CRLF, formatted once a second.
class DateLine {
 public:
  // Valid until the next call.
  std::string_view at(WallTime now);

 private:
  std::int64_t second_ = -1;
  std::string line_;
};

struct Framing {
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  std::string_view connection;  // value of the Connection field, or empty for none
  std::string_view upgrade;     // value of the Upgrade field, which `connection` then names; a short word, or empty for none
};

// The whole head with its empty line. `date` is a DateLine, used unless the head has a Date of its own, or empty.
void write_response_head(std::string& to, const ResponseHead& head, const Framing& framing, std::string_view date);

// The part of a head that can be made before its body's framing is known: the status line and the fields, without Date.
// What Exchange::respond_rendered takes.
std::string render_head(const ResponseHead& head);
// Such a part made whole.
Bytes complete_head(std::string_view rendered, const Framing& framing, std::string_view date);
// The status in the first line of such a part; 0 when it has none.
int rendered_status(std::string_view rendered);

// False, and nothing written, when method or target cannot be put on a request line. Expect is left out: nothing here waits
// for 100 Continue.
bool write_request_head(std::string& to, const RequestHead& head, const Framing& framing);

// The line before a chunk of that size.
Bytes chunk_head(std::size_t size);
inline constexpr std::string_view k_chunk_tail = "\r\n";
inline constexpr std::string_view k_last_chunk = "0\r\n\r\n";
inline constexpr std::string_view k_continue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace outrigger::http
