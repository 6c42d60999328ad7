// The benchmark mode: answers made once per model and sent as they lie, so that the simulated provider is not what is measured.
// The body is not parsed but searched for the three members that matter; ids and times repeat.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/server.h"
#include "sim/desk.h"

namespace outrigger::sim_provider {

// The answers for one model, at one endpoint.
struct Prepared {
  Bytes whole;
  struct Stream {
    Bytes text;
    std::vector<std::size_t> ends;  // of each write
  };
  Stream with_usage, without_usage;
  std::string model;
};

class FastAnswers {
 public:
  explicit FastAnswers(const Settings& settings) : settings_(settings) {}

  // Null: this body needs the Desk (no plain model name, or too many models).
  const Prepared* find(Endpoint endpoint, std::string_view body, std::int64_t created);

 private:
  const Settings& settings_;
  std::map<std::string, Prepared, std::less<>> chats_, completions_;
};

// Is `"name" : true` in this JSON text?
bool has_true(std::string_view json, std::string_view quoted_name);
// The text of the first `"model" : "..."`; nothing when it has an escape in it.
std::optional<std::string_view> model_in(std::string_view json);

}  // namespace outrigger::sim_provider
