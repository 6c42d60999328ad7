// Where the admin door of a running instance is, for those who ask it from outside.
#pragma once

#include <string>

#include "config/config.h"
#include "core/result.h"
#include "http/client.h"

namespace outrigger::app {

struct AdminTarget {
  http::Origin origin;
  std::string host;     // for the Host field
  std::string token;    // empty: none is known
  std::string shown;    // for people
  std::string problem;  // what of the configuration could not be read, for people; empty: nothing
};

// `url` says it, else the configuration, else the default. The token is $OUTRIGGER_ADMIN_TOKEN, else the configuration's. A mistake in
// the configuration is no error: the instance goes on with the one before. Errors are for people, one or several lines.
Result<AdminTarget> admin_target(const std::string& config_file, const std::string& url,
                                 const config::Environment& environment);

}  // namespace outrigger::app
