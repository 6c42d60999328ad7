// Ledger: what the simulated provider was asked. Kept so that a test can see exactly what reached it; /sim/stats shows it.
// Credentials are never kept: their place says "(set)", and a hash tells two of them apart.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/message.h"
#include "sim/received.h"

namespace outrigger::sim_provider {

// One request as it came.
struct Seen {
  std::string method, target;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case, in their order
  std::string credential_sha256;  // of the first credential's value without "Bearer "; empty: none came
  std::uint64_t body_size = 0;
  std::string body_sha256;
  std::string body;  // when it is short enough
  bool body_kept = false;
};

using Counts = std::map<std::string, std::uint64_t, std::less<>>;

struct Ledger {
  std::uint64_t requests = 0;
  std::uint64_t connections = 0;
  std::uint64_t streams = 0;
  std::uint64_t unauthorized = 0;
  std::uint64_t rate_limited = 0;
  std::uint64_t over_concurrency = 0;  // refused, because as many as may be were under way
  std::uint64_t in_flight_max = 0;     // the most that were under way at once
  std::uint64_t clients_gone = 0;      // hung up before the end of their answer
  std::uint64_t answers_sent = 0;      // to their end
  std::uint64_t prompt_tokens = 0;
  std::uint64_t completion_tokens = 0;
  std::uint64_t texts_embedded = 0;
  Counts by_endpoint, by_model, by_fault;
  std::deque<Seen> last;  // the newest at the end

  // At most k_max_names names per table; the rest is counted together as "(others)".
  static void count(Counts& counts, std::string_view name);
  void remember(Seen seen, std::uint64_t most);
  // Counts one, and keeps it; its body when that is at most so long.
  void note(const Received& request, std::string_view endpoint, std::uint64_t most, std::uint64_t longest_body);
  [[nodiscard]] std::string json() const;
};

// A request without its body.
Seen seen_head(const http::RequestHead& head);
// The credential that came, without "Bearer ": Authorization, x-api-key, api-key, x-goog-api-key. Empty: none.
std::string_view credential_of(const http::Headers& headers);

}  // namespace outrigger::sim_provider
