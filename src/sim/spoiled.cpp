// What faults put in place of an answer, and what they do to any answer.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sim/answers.h"
#include "sim/delivery.h"

namespace outrigger::sim_provider {
namespace {

// All in one piece under a Content-Length that is `more` bytes wrong.
void spoil_length(Script& script, std::int64_t more) {
  std::string body;
  for (Script::Step& step : script.steps) body += step.data;
  const auto size = static_cast<std::int64_t>(body.size());
  const std::int64_t told = std::max<std::int64_t>(size + more, 0);
  script.length = http::BodyLength::known(static_cast<std::uint64_t>(told));
  script.steps.clear();
  const auto framed = static_cast<std::size_t>(std::min(told, size));
  if (framed > 0) script.steps.push_back({{}, body.substr(0, framed)});
  if (framed < body.size()) script.steps.push_back({{}, body.substr(framed), true});
  if (told > size) script.end = Script::End::abort;
}

}  // namespace

std::optional<Script> answer_instead(const Fault& fault, Wire wire, const Ask& ask, const Settings& settings,
                                     std::string_view request_id) {
  const Duration wait = fault.first_token.value_or(0s);
  if (fault.refuse) {
    Script script;
    script.end = Script::End::abort;
    return script;
  }
  if (fault.garbage) {
    Script script;
    script.wait = wait;
    script.steps.push_back({{}, "SSH-2.0-OpenSSH_9.2\r\n\x16\x03\x01\x02 this is not HTTP\r\n\r\n", true});
    script.end = Script::End::abort;
    return script;
  }
  if (fault.endless_headers) {
    Script script;
    script.wait = wait;
    script.steps.push_back({{}, "HTTP/1.1 200 OK\r\n", true});
    // 32 MiB, a block a millisecond: far beyond every limit on header fields, and still an end.
    const std::string field = "x-endless: " + std::string(1011, 'e') + "\r\n";
    std::string block;
    for (int i = 0; i < 16; ++i) block += field;
    for (int i = 0; i < 2048; ++i) script.steps.push_back({1ms, block, true});
    script.end = Script::End::abort;
    return script;
  }
  if (fault.status) {
    Script script = answer_error(wire, Problem{*fault.status, {}, {}, fault.code, fault.code}, request_id);
    script.wait = wait;
    return script;
  }
  if (!fault.error_in_200) return std::nullopt;
  if (ask.stream) return streamed_alone(wire, stream_error(wire), settings, fault);
  return whole(200, "application/json", problem_body(wire, Problem{500}, request_id), first_wait(settings, fault));
}

void add_retry_after(http::Headers& headers, Duration wait) {
  const std::int64_t ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
  headers.add("retry-after", fmt::to_string((ms + 999) / 1000));
  headers.add("retry-after-ms", fmt::to_string(ms));
}

void spoil(Script& script, const Fault& fault) {
  script.reset_at = fault.reset_at;
  script.cut_at = fault.cut_at;
  script.drip = fault.drip;
  if (!script.head) return;
  for (const auto& [name, value] : fault.headers) script.head->headers.set(name, value);
  if (fault.retry_after) add_retry_after(script.head->headers, *fault.retry_after);
  if (fault.wrong_length) spoil_length(script, *fault.wrong_length);
  if (fault.early_head && !script.steps.empty()) script.steps.front().wait += std::exchange(script.wait, Duration(0));
}

}  // namespace outrigger::sim_provider
