// The body of a run at the dify door: what the door needs to know of it, and the canonical form that a cache key is made of.
// Pure; total: a body that Dify would refuse, or that is not understood, says so in `bypass` and is passed on as it is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "chat/reasons.h"
#include "core/function_ref.h"
#include "core/policy.h"
#include "providers/dify/call.h"

namespace outrigger::providers::dify {

// What an uploaded file holds, by its upload id: a hash over content, name and type, or nothing when it is not known.
using FileHash = FunctionRef<std::optional<std::string>(std::string_view upload_id)>;

struct RunOptions {
  Level level =
      Level::safe;       // how much of the question's form is ignored; inputs stay as they are but for the one named `query`
  bool per_user = true;  // `user` is part of the form
};

struct RunRequest {
  RunKind kind = RunKind::none;
  bool streaming = false;                    // response_mode; Dify's default is blocking
  std::string user;                          // free text, never checked by Dify; stop needs the same again
  std::string conversation_id;               // empty: a first turn
  std::string query;                         // as sent; empty for workflows
  bool has_files = false;                    // anywhere in the body
  std::vector<std::string> upload_ids;       // of the files that were uploaded before, in the order of the form
  std::optional<chat::BypassReason> bypass;  // not_json, not_understood, conversation, files, mutable_url
  std::uint32_t prompt_tokens = 0;           // a rough estimate of what the request adds to the app's own prompt

  // Two runs of one app share an answer if and only if this is equal. Independent of response_mode, of the names of uploads, and
  // of what only steers delivery (auto_generate_name, retriever_from, trace_id). Empty when bypassed as not_json or
  // not_understood; filled for every other reason. The app and the path are the door's part of the key (chat::Identity). It is
  // one of form.h's, of Endpoint::other; chat::print_canonical prints it.
  std::string canonical;
};

// `kind` as the path says (Call::run), not `none`. What is not understood still tells streaming, user and conversation_id where
// they can be read.
RunRequest read_run(RunKind kind, std::string_view body, const RunOptions& options, const FileHash& file_hash);
// No upload is known.
RunRequest read_run(RunKind kind, std::string_view body, const RunOptions& options);

// The same body with another conversation_id: how a turn goes on with a conversation that has another name at Dify. Every other
// member keeps its value. `body` must have been understood; what is no JSON object comes back as it is.
std::string with_conversation(std::string_view body, std::string_view conversation_id);

}  // namespace outrigger::providers::dify
