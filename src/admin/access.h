// Who may come in at the admin door. Pure.
//
// On loopback the door is open to whoever is on this machine. Elsewhere it takes the admin token, as `x-outrigger-admin-token`, as
// `Authorization: Bearer …`, or as the password of `Authorization: Basic …` (any user name), which browsers ask their user for.
// Requests that a web page of another origin makes are refused: a browser must not be a way in.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"

namespace outrigger::admin {

struct Access {
  bool is_open = true;  // reachable from this machine only
  std::string token;    // empty: none is configured, and where the door is not open nobody gets in
};

enum class Entry : unsigned char {
  granted,
  foreign,   // a page of another origin, or a name that is not this machine's
  unproven,  // no token, or a wrong one
};

Entry may_enter(const Access& access, const http::RequestHead& request);
// The token that the request brings, by whichever way.
std::string presented_token(const http::Headers& headers);
// RFC 4648, with or without padding; nothing when it is none.
std::optional<std::string> base64_decoded(std::string_view text);

}  // namespace outrigger::admin
