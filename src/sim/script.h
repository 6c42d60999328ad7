// Script: an answer as a list of things to do, each after a wait. Made by pure functions (answers.h), played by a Session.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/time.h"
#include "http/server.h"

namespace outrigger::sim_provider {

struct Script {
  struct Step {
    Duration wait{};
    std::string data;
    bool raw = false;  // past the HTTP framing
  };
  enum class End : unsigned char {
    finish,  // as HTTP wants it
    abort,   // the connection is closed when everything has left
  };

  std::optional<http::ResponseHead> head;  // nothing: only raw steps
  http::BodyLength length;
  Duration wait{};  // before the head
  std::vector<Step> steps;
  End end = End::finish;
  bool counted = true;  // false: the provider's own door, /sim
  // Held while the request is under way; the Desk counts them.
  std::shared_ptr<const void> seat;
  // What the connection does to it; see FaultStream.
  std::optional<std::uint64_t> reset_at, cut_at;
  std::optional<Duration> drip;
};

// An answer that is all there at once.
inline Script whole(int status, std::string_view content_type, std::string body, Duration wait = {}) {
  Script script;
  script.head.emplace().status = status;
  script.head->headers.add("content-type", content_type);
  script.length = http::BodyLength::known(body.size());
  script.wait = wait;
  if (!body.empty()) script.steps.push_back({{}, std::move(body), false});
  return script;
}

}  // namespace outrigger::sim_provider
