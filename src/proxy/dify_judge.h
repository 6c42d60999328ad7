// judge_run(): may the cache answer this run at the dify door, and under which key? Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "chat/key.h"
#include "chat/reasons.h"
#include "providers/dify/run_request.h"
#include "proxy/judge.h"

namespace outrigger::proxy {

struct RunJudgement {
  Steering steering;
  std::optional<chat::BypassReason> bypass;  // set: no lookup, no sharing, nothing stored
  std::string identity;                      // unless bypassed: what the key is made of
};

// How the body of a run is to be read for the key. `app`: null: none is configured.
providers::dify::RunOptions run_options(const config::Config& config, const config::App* app);

struct RunAsked {
  const config::App* app = nullptr;  // its [[app]]; null: none
  std::string_view digest;           // of the app's key
  const providers::dify::Call& call;
  const providers::dify::RunRequest& run;
  std::string_view target;   // of the request: path and query
  std::string_view backend;  // Target::identity of where a run of this user would go
  const http::Headers& headers;
};
RunJudgement judge_run(const config::Config& config, const RunAsked& asked, const chat::KeyMaker& keys);

}  // namespace outrigger::proxy
