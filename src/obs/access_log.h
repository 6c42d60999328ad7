// The access log: one JSON line a request. Prompts, answers and credentials have no field here.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/time.h"

namespace outrigger::obs {

struct AccessRecord {
  WallTime time{};
  std::string_view trace_id;                                      // 32 hex digits; empty: not traced
  std::string_view request_id, door, client, peer, method, path;  // path: no query
  std::string_view model, upstream, served_by, route;
  std::string_view app, kind;  // of the dify door: whose request, and what it is (run, upload, console, ...)
  std::string_view cache;      // hit, stale, coalesced, miss, bypass, observe
  // `cache` says how good the cache is. Not of what is no question to it: a console's page, or a run of an app that has none.
  bool counts_for_cache = true;
  std::string_view cache_reason;  // BypassReason or NoStoreReason
  std::string_view error;         // ErrorCode, or empty
  std::string_view outcome;       // ok, client_error, ...: for the journal; the line tells it by `status` and `error`
  int status = 0;
  int attempts = 0;
  struct Tried {
    std::string_view target, outcome;
    Duration took{};
  };
  std::vector<Tried> tried;  // one for each attempt that has ended or answered
  // What a translated request lacked, or had in another form.
  std::vector<std::string_view> left_out;
  Duration queued{};  // waited for a target
  bool stream = false;
  std::uint64_t request_bytes = 0, response_bytes = 0;
  std::uint64_t prompt_tokens = 0, completion_tokens = 0;
  double price = 0;           // of a run, as Dify counted it; not told for workflows
  std::string_view currency;  // of the price
  double saved_usd = 0;
  // That did not have to be paid for, as they were booked: those above, or of a run those of the kept one.
  std::uint64_t saved_tokens = 0;
  double spent_usd = 0;  // what the tokens cost that were paid for; 0 too when the model has no price
  // That were paid for, as they were booked: those above, or an estimate where the provider has not counted. 0 of a run: its model
  // calls come through the llm door as well.
  std::uint64_t spent_tokens = 0;
  Duration duration{};     // request head to last byte of the answer
  Duration first_event{};  // of a run's stream: from the request head to the first event that says something
  Duration first_byte{};   // request head to first byte of the answer; 0: none was sent
};

// A path may be as long as the header limit; a line of the log should stay readable and below the 4 KiB that pipes keep whole.
inline constexpr std::size_t k_max_field = 512;

// A line with a newline at its end, appended to `out`. Empty members and zeros are left out; of a text at most `max_field` bytes
// are told.
void write_json(const AccessRecord& record, std::string& out, std::size_t max_field = k_max_field);

// RFC 3339, UTC, milliseconds.
void append_time(std::string& out, WallTime time);

// Where lines go. Implementations buffer; net/ has the one that writes to a file descriptor.
class LineSink {
 public:
  virtual ~LineSink() = default;
  virtual void write(std::string_view line) = 0;
  // Lines that were lost so far.
  [[nodiscard]] virtual std::uint64_t dropped() const { return 0; }
};

}  // namespace outrigger::obs
