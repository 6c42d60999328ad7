// Explains what the cache thinks of a request: its canonical form, its key, whether it is cacheable and why not. Behind both
// `POST /api/explain` and `outrigger explain`. Uses proxy::judge(), so it cannot differ from what the door does.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/store.h"
#include "proxy/judge.h"

namespace outrigger::admin {

struct Explanation {
  proxy::Destination destination;
  std::optional<proxy::Judgement> judgement;  // nothing: a path, method or encoding that is not understood
  std::optional<chat::BypassReason> reason;
  chat::Key key{};                            // of the whole request, unless there is a reason
  std::vector<cache::Store::Wanted> lookups;  // the request's own key, or one per text of an embeddings request
};

// `target` is the request target as a client would send it at the llm door; it must outlive the result.
Explanation explain(const proxy::Snapshot& snapshot, const chat::KeyMaker& keys, std::string_view target,
                    const http::Headers& headers, std::string_view body);

// As JSON text: {"key","cacheable","reason","level","scope","canonical","stored","nearest",…}. `found` answers
// Explanation::lookups, in order; `store` may be null (then there is no "nearest").
std::string to_json(const Explanation& explanation, const std::vector<cache::EntryPtr>& found, const cache::Store* store,
                    WallTime now);

}  // namespace outrigger::admin
