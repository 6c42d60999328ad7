// judge(): everything that is decided about a request from its text alone: what it is, whether the cache may answer it, and
// under which key. Pure, so that /api/explain and `outrigger explain` tell exactly what the door would do.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "chat/key.h"
#include "chat/request.h"
#include "proxy/snapshot.h"

namespace outrigger::proxy {

// What the client asked of the cache by `cache-control`.
struct Steering {
  bool no_store = false;            // bypass
  bool no_cache = false;            // refresh: ask upstream, and keep the answer
  std::optional<Duration> max_age;  // a stored answer must not be older
};
Steering steering(const http::Headers& headers);

struct Judgement {
  chat::Request request;
  const config::Client* client = nullptr;  // the [[client]] that asks; null: it is none
  const config::Model* model = nullptr;    // the [[model]] that matches
  const config::Cache* policy = nullptr;   // never null
  Steering steering;
  std::optional<chat::BypassReason> bypass;  // set: no lookup, no sharing, nothing stored
  std::string identity;                      // unless bypassed: what the key is made of, when one is needed
};

// Everything that may identify the caller at the upstream: every credential header that is passed on, organisation, project.
std::string credential_of(const http::Headers& headers);
// What tells callers apart where answers are kept: their credential; of a [[client]] whose key the upstream is never shown, since it has
// keys of its own, the client's name, so that another key changes nothing.
std::string caller_of(const http::Headers& headers, const config::Client* client, const config::Upstream& upstream);

// Can this request have a body that is worth reading as a whole?
bool is_understood(const Destination& destination, std::string_view method, const http::Headers& headers);

// The parts of judge(): understanding may run in the pool (pure text), deciding needs the loop's KeyMaker.
// The memory of `room` is used for what they make.
chat::Request understand(const Snapshot& snapshot, const Destination& destination, std::string_view body,
                         std::string room = {});
Judgement judge(const Snapshot& snapshot, const Destination& destination, const http::Headers& headers,
                const config::Client* client, chat::Request request, const chat::KeyMaker& keys, std::string room = {});

// The identity of one element of an embeddings batch.
std::string input_identity(const Judgement& judgement, const Destination& destination, const http::Headers& headers,
                           const chat::Request::Input& input, const chat::KeyMaker& keys);

}  // namespace outrigger::proxy
