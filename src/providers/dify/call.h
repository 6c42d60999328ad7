// What a request at the dify door is, by its method and path alone: a run that waits its turn, a change that makes answers old, or
// something that passes by. The table is written after Dify 1.17's routes (service API /v1, console API, web app). Pure; total.
#pragma once

#include <string>
#include <string_view>

namespace outrigger::providers::dify {

// Which of Dify's fronts the path belongs to; each has its own kind of credential.
enum class Surface : unsigned char { service, web_app, console, files, mcp, triggers, socket_io, other };

enum class CallKind : unsigned char {
  run,        // of the service API: a model may be asked
  stop,       // of a run; `id` is its task
  upload,     // a file that a later run refers to
  app_info,   // parameters, info, meta, site: what may be kept for seconds
  follow_up,  // asks about, or changes, what an earlier run left behind: `id` says what
  change,     // may change what apps answer: see `touches`
  console,    // any other call of the console API
  web_app,    // any call of /api; `run` says whether it is a run
  files,
  mcp,
  triggers,
  socket_io,
  health,
  other,
};

enum class RunKind : unsigned char { none, chat, completion, workflow };
enum class InfoKind : unsigned char { none, parameters, info, meta, site };
enum class IdKind : unsigned char { none, task, message, conversation, run, workflow };
// Whose answers a change makes old.
enum class Touches : unsigned char {
  nothing,
  own_app,  // the app whose key the call carries
  app,      // the app named by `id`
  dataset,  // the apps that use the dataset named by `id`, which only Dify knows
  all,
};

struct Call {
  Surface surface = Surface::other;
  CallKind kind = CallKind::other;
  RunKind run = RunKind::none;  // of `run` and `stop`, and of runs of the web app
  InfoKind info = InfoKind::none;
  IdKind id_kind = IdKind::none;  // what `id` names; of `change` see `touches`
  Touches touches = Touches::nothing;
  bool asks_model = false;  // a model may be asked, through whichever front: it has to wait its turn
  std::string id = {};      // UUIDs in lower case; may be empty
  // The path stands there as Dify writes it. Otherwise (escapes, doubled slashes, dots, a slash at the end) Dify may read it in
  // another way than we do: such a run waits its turn and such a change counts, but nothing is answered in Dify's place.
  bool as_written = true;
};

// `target`: path with or without query. Whatever it holds, the result is a Call.
Call classify(std::string_view method, std::string_view target);

// Which line a call waits in.
enum class QueueClass : unsigned char {
  never,      // short or quiet: passes beside the queue
  streaming,  // a run whose reader watches it grow
  blocking,   // a run, or another call that asks a model, whose reader waits for all of it
  batch,      // knowledge that is fed in by programs
};
QueueClass queue_class(const Call& call, bool streaming);

std::string_view name(CallKind kind);
std::string_view name(RunKind kind);
std::string_view name(InfoKind kind);
std::string_view name(QueueClass queue);

}  // namespace outrigger::providers::dify
