#include <fmt/format.h>

#include <map>

#include "sim/checkers/checkers.h"

namespace outrigger::sim {
namespace {

// The entry's times are whole milliseconds, and an answer travels a while before and after it is stored.
constexpr Duration k_slack = 3s;

std::string check_hit(const History& history, const Request& request, const Call& call, Duration ttl, Duration stale) {
  if (!call.storable()) {
    return fmt::format("the answer {} should never have been stored: {}, status {}, finish reason \"{}\"{}{}{}{}",
                       call.number, call.whole ? "whole" : "cut", call.status, call.told.finish_reason,
                       call.no_store ? ", no-store" : "", call.told.readable ? "" : ", unreadable",
                       call.told.error ? ", an error" : "", call.told.broken_event ? ", a broken event" : "");
  }
  // A stale answer is better than none, also for who wanted a new one.
  if (request.no_store || (request.no_cache && request.cache == "hit")) return "the client did not want a stored answer";
  if (history.wall_jumped) return {};
  // From the end of the call to the request: what the answer's age is at most, wherever it lay meanwhile.
  const Duration age = request.began - call.ended;
  const Duration limit = request.cache == "hit" ? ttl : ttl + stale;
  if (age > limit + k_slack) return fmt::format("the answer {} is {:.1f} s old", call.number, seconds(age));
  if (request.cache == "hit" && request.max_age && age > *request.max_age + 1s) {
    return fmt::format("max-age was {} s, the answer {} is {:.1f} s old", request.max_age->count() / 1'000'000'000,
                       call.number, seconds(age));
  }
  return {};
}

// An answer that was asked for before a purge began must not be served to who came after it was over.
std::string check_purges(const History& history, const Request& request, const Call& call) {
  if (history.lost_ground) return {};
  for (const Purge& purge : history.purges) {
    if (purge.instance != request.instance || !purge.complete) continue;
    if (call.asked < purge.asked && request.began > purge.done) {
      return fmt::format("the answer {} was purged at {:.6f} s", call.number, seconds(purge.asked.time_since_epoch()));
    }
  }
  return {};
}

}  // namespace

void check_cached(const History& history, Duration longest_ttl, Duration longest_stale, Complaints& complaints) {
  std::size_t instances = 0;
  for (const Request& request : history.requests) instances = std::max(instances, request.instance + 1);
  for (const Request& request : history.requests) {
    if (request.end != Request::End::whole || request.status != 200) continue;
    if (request.cache != "hit" && request.cache != "stale") continue;
    std::vector<std::uint64_t> numbers;
    if (request.number != 0) numbers.push_back(request.number);
    for (const std::uint64_t hash : request.told.embeddings) {
      if (const auto origin = history.embeddings.find(hash); origin != history.embeddings.end())
        numbers.push_back(origin->second.call);
    }
    for (const std::uint64_t number : numbers) {
      const auto call = history.calls.find(number);
      if (call == history.calls.end()) continue;
      std::string problem = check_hit(history, request, call->second, longest_ttl, longest_stale);
      // Another instance's memory is not purged, and may give what it has to Redis again.
      if (problem.empty() && instances == 1) problem = check_purges(history, request, call->second);
      if (!problem.empty()) complaints.push_back(describe(request) + ": " + problem);
    }
  }
}

}  // namespace outrigger::sim
