// The events of a stream, written one after the other into one buffer. Knows how events look; render.cpp and speaker.cpp know
// which. What is passed as JSON may hold marks (template.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "providers/json_object.h"
#include "providers/saying.h"

namespace outrigger::providers::responses {

using Object = JsonObject;
using List = JsonList;

// Where in an answer something stands.
struct Spot {
  std::string_view item_id;
  std::uint32_t output = 0;
  std::uint32_t content = 0;  // of texts, or the number of the summary
};

// What kind of text a part holds, and what its events are called.
struct TextKind {
  std::string_view part;     // the type of the part
  std::string_view member;   // of the part and of the last event, where the text stands
  std::string_view delta;    // the type of the event of a piece
  std::string_view done;     // the type of the last one
  std::string_view added;    // the type of the event that begins the part
  std::string_view ended;    // and of the one that ends it
  std::string_view counted;  // the member that numbers it
};
inline constexpr TextKind k_output_text{"output_text",
                                        "text",
                                        "response.output_text.delta",
                                        "response.output_text.done",
                                        "response.content_part.added",
                                        "response.content_part.done",
                                        "content_index"};
inline constexpr TextKind k_refusal{"refusal",
                                    "refusal",
                                    "response.refusal.delta",
                                    "response.refusal.done",
                                    "response.content_part.added",
                                    "response.content_part.done",
                                    "content_index"};
inline constexpr TextKind k_reasoning_text{"reasoning_text",
                                           "text",
                                           "response.reasoning_text.delta",
                                           "response.reasoning_text.done",
                                           "response.content_part.added",
                                           "response.content_part.done",
                                           "content_index"};
inline constexpr TextKind k_summary_text{"summary_text",
                                         "text",
                                         "response.reasoning_summary_text.delta",
                                         "response.reasoning_summary_text.done",
                                         "response.reasoning_summary_part.added",
                                         "response.reasoning_summary_part.done",
                                         "summary_index"};

// How a call's arguments are told.
struct CallKind {
  std::string_view type;    // of the item
  std::string_view member;  // where they stand
  std::string_view delta;
  std::string_view done;
};
inline constexpr CallKind k_function_call{"function_call", "arguments", "response.function_call_arguments.delta",
                                          "response.function_call_arguments.done"};
inline constexpr CallKind k_custom_call{"custom_tool_call", "input", "response.custom_tool_call_input.delta",
                                        "response.custom_tool_call_input.done"};

class Wire {
 public:
  explicit Wire(std::string& to) : to_(to) {}

  // response.created and its kind.
  void response(std::string_view type, std::string_view object);
  void item(std::string_view type, std::uint32_t output, std::string_view item);
  void part(const TextKind& kind, std::string_view type, const Spot& spot, std::string_view part);
  // `logprobs`: JSON; of output_text only.
  void text_delta(const TextKind& kind, const Spot& spot, std::string_view piece, std::string_view logprobs = "[]");
  void text_done(const TextKind& kind, const Spot& spot, std::string_view text, std::string_view logprobs = "[]");
  void annotation(const Spot& spot, std::uint32_t index, std::string_view annotation);
  void call_delta(const CallKind& kind, const Spot& spot, std::string_view piece);
  void call_done(const CallKind& kind, const Spot& spot, std::string_view whole);
  void error(std::string_view code, std::string_view message);

  void count_from(std::uint64_t events) { events_ = events; }

 private:
  template <class Fill>
  void event(std::string_view type, Fill&& fill);

  std::string& to_;
  std::uint64_t events_ = 0;
};

// The part itself: {"type":"output_text","text":…,"annotations":[],"logprobs":[]}.
void append_part(std::string& to, const TextKind& kind, std::string_view text);
// The usage of an answer.
void append_usage(std::string& to, const UsageSaid& usage);

}  // namespace outrigger::providers::responses
