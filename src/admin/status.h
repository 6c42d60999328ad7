// What the program is doing, as /api/status tells it.
#pragma once

#include <string>
#include <string_view>

#include "admin/hooks.h"
#include "admin/json.h"
#include "io/loop.h"
#include "obs/journal.h"
#include "proxy/llm_door.h"

namespace outrigger::admin {

struct StatusSources {
  io::Loop& loop;
  proxy::LlmDoor& door;
  obs::Journal& journal;
  const AdminHooks& hooks;
  std::string_view version;
  WallTime started;
  std::uint64_t log_lines_lost = 0;  // lately
};

std::string status_json(const StatusSources& from, JsonForm form);

}  // namespace outrigger::admin
