// DifyLive: conversations that began with an answer from the cache, and go on at Dify.
//
//   remembered (the first turn's body) ──a call names the conversation──► replaying (the first turn is asked at Dify)
//                                                                             │ its end
//                                          known (Dify's own id) ◄────────────┘
//
// The first turn is asked of Dify when the conversation goes on and not before; its model call is a hit at the llm door, if Dify's
// models are asked through it. What Dify answers then may differ in its words from what the client was shown.
//
// What is remembered lies in the cache's two tiers, so that every replica knows it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cache/store.h"
#include "proxy/dify_pursuit.h"

namespace outrigger::proxy {

class DifyLive {
 public:
  // A chat that rests longer has to begin anew.
  static constexpr Duration k_remember = 24h;

  struct Resolved {
    std::string conversation{};  // Dify's id; empty: there is none, and:
    bool is_unknown = false;     // nothing is remembered of it (any more); else the first turn could not be asked again:
    ErrorCode error = ErrorCode::internal;
    std::optional<Duration> retry_after{};
    std::optional<Bytes> words{};  // what Dify said of it, with `status`
    int status = 0;
  };
  using Done = std::move_only_function<void(const Resolved&)>;

  // Both must outlive it.
  DifyLive(DifyDoor& door, cache::Store& store);
  ~DifyLive();
  DifyLive(const DifyLive&) = delete;
  DifyLive& operator=(const DifyLive&) = delete;

  // The cache has answered `body`, the first turn of a chat of that app, and named the conversation `minted`.
  void remember(std::string_view app, std::string_view minted, std::string_view body);
  // Dify's id of it. `done` runs once, maybe at once, unless `alive` has gone before. `like`: a call of the same app; its head and
  // caller are what the first turn is asked with.
  void resolve(std::string_view minted, DifyPursuitOrder like, std::weak_ptr<bool> alive, Done done);
  // Where the first turn of any chat is asked.
  static constexpr std::string_view k_path = "/v1/chat-messages";

 private:
  class Replay;
  struct Waiter {
    std::weak_ptr<bool> alive;
    Done done;
  };
  void find(const std::string& name);
  void on_found(const std::string& name, const cache::EntryPtr& entry);
  void end(const std::string& name, const Resolved& resolved);
  void put(std::string_view name, std::string_view body, std::string_view conversation);

  DifyDoor& door_;
  cache::Store& store_;
  std::map<std::string, std::unique_ptr<Replay>, std::less<>> replays_;  // by the name of what is remembered
};

}  // namespace outrigger::proxy
