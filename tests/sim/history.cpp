#include "sim/history.h"

namespace outrigger::sim {

std::string_view name(Kind kind) {
  switch (kind) {
    case Kind::chat:
      return "chat";
    case Kind::completion:
      return "completion";
    case Kind::embeddings:
      return "embeddings";
    case Kind::upload:
      return "upload";
    case Kind::models:
      return "models";
    case Kind::not_json:
      return "not_json";
    case Kind::odd_http:
      return "odd_http";
  }
  return "";
}

bool Call::storable() const {
  // A stream that has told its reason is whole, whatever becomes of the connection after it.
  const bool is_whole = whole || (stream && !told.finish_reason.empty());
  if (!is_whole || status != 200 || !told.readable || told.error || told.broken_event || no_store) return false;
  if (kind == Kind::embeddings) return true;
  const bool finished = told.finish_reason == "stop" || told.finish_reason == "tool_calls";
  return finished && told.refusal.empty() && !(told.text.empty() && told.calls.empty());
}

void History::complain(std::string words) {
  if (complaints.size() < k_complaints_max) complaints.push_back(std::move(words));
}

}  // namespace outrigger::sim
