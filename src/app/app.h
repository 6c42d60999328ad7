// What the command line can ask for: serve, health and top. Alone in naming net's classes.
#pragma once

#include <memory>
#include <string>

#include "config/config.h"

namespace outrigger::app {

struct ServeOptions {
  std::string config_file;  // empty: `upstream` says it all
  std::string upstream;
  std::string listen;  // overrides [listen] llm
  config::Environment environment;
  std::string version;
};

// Reads the configuration, reports on it (standard error), and serves until told to stop. The exit code of the process:
// 0 after a drain, 1 when the configuration or an address cannot be used.
int serve(const ServeOptions& options);

// Asks the running instance (its admin door, as the configuration names it) whether it is ready. 0: yes, 1: no.
int health(const std::string& config_file, const config::Environment& environment);

struct TopOptions {
  std::string config_file, url;  // which instance: see admin_target.h
  Duration interval = 1s;
  bool once = false;  // print and go, as always where standard output is no terminal
  config::Environment environment;
};

// Shows what the running instance is doing, again and again, until told to stop. 1: it could not be asked (`once`), or the options
// make no sense.
int top(const TopOptions& options);

}  // namespace outrigger::app
