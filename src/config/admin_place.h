// Where the admin door of an instance that runs is, as its file says: for those who ask it from outside. Whoever asks may lack the
// file's secrets, and since the instance started somebody may have put a mistake into the file, which the instance itself lives on
// with; so nothing else is read, and what cannot be read of these three is as if it were not there.
#pragma once

#include <optional>
#include <string>

#include "config/config.h"

namespace outrigger::config {

struct AdminPlace {
  std::string address = Listen{}.admin;
  bool tls = false;
  std::string token;    // empty: none, or it cannot be read from here
  std::string problem;  // what could not be read and why, for people, one line each; empty: all was read
};

// nullopt: there is no such file, or it may not be read, and `error` says so.
std::optional<AdminPlace> admin_place(const std::string& path, const Environment& environment, std::string& error);

}  // namespace outrigger::config
