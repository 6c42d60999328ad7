// What the admin door can ask of the program around it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/error.h"
#include "proxy/dify_door.h"
#include "proxy/fleet.h"

namespace outrigger::admin {

struct AdminHooks {
  std::function<bool()> is_ready;
  std::function<void()> drain;
  std::function<std::string()> reload;              // empty: done; else why not
  std::function<const proxy::Fleet*()> fleet = {};  // null, or empty: this one is alone
  std::function<proxy::DifyDoor*()> dify = {};      // null, or empty: that door is off
  // Any of these may be empty, too.
  std::function<bool()> is_draining = {};
  std::function<std::string()> reload_problem = {};  // why the last reload was refused; empty: it was not
  std::function<std::uint64_t()> log_lines_lost = {};
  std::function<void(LogLevel, std::string_view)> log = {};
};

}  // namespace outrigger::admin
