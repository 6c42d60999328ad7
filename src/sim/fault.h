// Fault: what a simulated provider does wrong, and when. Values, read from a file or a request by settings.h.
//
// One entry may combine several wrongs (`crlf` and `comments`, say). Where two exclude each other the one that stands higher
// in answer_instead() and kind() is done.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/time.h"

namespace outrigger::sim_provider {

struct Fault {
  // When. All conditions must hold; an empty one always does.
  Duration at = 0s;                // from the start of the schedule
  std::optional<Duration> length;  // `for`; without it: from `at` on
  std::optional<Duration> repeat;  // the window of `at` and `for` comes again with this period
  struct Range {
    std::uint64_t first = 1, last = std::numeric_limits<std::uint64_t>::max();
  };
  Range requests;           // counted from 1, among the requests that `path` and `model` select
  std::uint64_t every = 1;  // of those, each such one: 5 is the fifth, tenth, ...
  std::string path;         // "chat/completions", "v1beta/*"; a leading "/" or "/v1/" does not matter
  std::string model;        // exact, or a beginning followed by `*`
  std::string key;          // the credential that came, so that one of several can be refused
  double probability = 1;
  std::optional<std::uint64_t> over;  // only requests beyond so many in any stretch of `within`; refused ones count, too
  Duration within = 1s;

  // What instead of an answer.
  bool refuse = false;           // the connection is closed at once: nobody listens
  bool garbage = false;          // what comes back is not HTTP
  bool endless_headers = false;  // header fields without end
  std::optional<int> status;     // an error in the wire's own shape
  std::string code;              // its `code` (messages: `type`), in place of the status' usual one
  std::optional<Duration> retry_after;
  std::vector<std::pair<std::string, std::string>> headers;  // added to the answer, whatever it is
  bool error_in_200 = false;                                 // a 200 whose body, or first event, is an error

  // What goes wrong with an answer that has begun. Bytes count from the status line's first.
  std::optional<std::uint64_t> reset_at;     // connection dropped, both ways at once, after so many bytes
  std::optional<std::uint64_t> cut_at;       // connection closed cleanly (FIN) after so many bytes
  std::optional<Duration> drip;              // bytes one by one with this gap
  std::optional<std::int64_t> wrong_length;  // Content-Length says so many bytes more than there are (negative: fewer)
  std::uint64_t after = 3;                   // tokens that come before what the next five do
  std::optional<Duration> stall;
  bool malformed_chunk = false;  // a chunk header that is no number
  bool error_in_stream = false;  // streams: an error event, then the end
  bool truncate = false;         // a proper end for HTTP, but the answer's rest, its finish reason and end mark are missing
  bool half_utf8 = false;        // the first bytes of a character whose rest never comes

  bool run_failed = false;  // Dify: the run ends as failed, as its mode tells it (`workflow_finished`, `error`, or 400)

  // What is odd about the answer.
  bool no_done = false;  // no [DONE], message_stop, response.completed
  bool no_finish_reason = false;
  std::string finish_reason;   // in place of the right one; OpenAI's words are translated, others stand as they are
  bool empty = false;          // no text
  bool refusal = false;        // the text stands in `refusal`; messages: the stop reason
  bool unknown_event = false;  // streams: after `after` tokens an event, and first of all a part, of a type nobody knows
  bool bad_arguments = false;  // half of a tool call's arguments is missing, so they are no JSON
  bool out_of_order = false;   // streams: the first token comes before the event that opens what it belongs to
  bool no_usage = false;
  bool crlf = false;         // streams: CRLF in place of LF
  bool event_lines = false;  // streams: an `event:` line in each event, also where the wire has none
  bool comments = false;     // streams: ": keepalive" before each event
  bool early_head = false;   // the head comes at once, before the wait for the first token

  // How slow.
  std::optional<Duration> first_token, between_tokens;
};

// The word for what this fault mainly does, for the counts: "status_503", "reset_at", "slow", ...
std::string kind(const Fault& fault);

// Does `model` fit a pattern as in Fault::model?
bool model_fits(std::string_view pattern, std::string_view model);

// "/v1/chat/completions", "chat/completions" and "v1/chat/completions" without what is before the endpoint's own name.
std::string_view endpoint_name(std::string_view path);

}  // namespace outrigger::sim_provider
