#include <fmt/format.h>

#include <map>

#include "sim/checkers/checkers.h"

namespace outrigger::sim {
namespace {

bool is_answer(const Request& request) {
  return request.end == Request::End::whole && request.status == 200 && request.number != 0 &&
         request.told.ended(request.stream);
}

// What reaches a client of the same form as the call is the provider's own body. `shortened` counts those that lack what follows the
// answer's end, because the connection broke just there.
std::string check_body(const Request& request, const Call& call, std::size_t& shortened) {
  const bool relayed = request.cache == "miss" || request.cache == "coalesced" || request.cache.starts_with("bypass");
  if (!relayed || request.stream != call.stream || request.include_usage != call.include_usage) return {};
  if (request.body_hash == call.body_hash) return {};
  if (call.ends.contains(request.body_hash)) {
    ++shortened;
    return {};
  }
  return fmt::format("its bytes are not those that the provider sent as {}", call.number);
}

}  // namespace

void check_sharing(const History& history, Complaints& complaints) {
  std::map<std::uint64_t, std::vector<const Request*>> by_call;
  std::size_t shortened = 0;
  for (const Request& request : history.requests) {
    if (!is_answer(request)) continue;
    by_call[request.number].push_back(&request);
    const auto call = history.calls.find(request.number);
    if (call == history.calls.end()) continue;
    std::string problem = check_body(request, call->second, shortened);
    const bool wants_its_own = request.no_store || request.no_cache || request.cache.starts_with("bypass");
    if (problem.empty() && wants_its_own && request.cache != "stale" && call->second.asked < request.began) {
      problem = fmt::format("it wanted an answer of its own and got {}, which is older", call->first);
    }
    if (!problem.empty()) complaints.push_back(describe(request) + ": " + problem);
  }
  for (const auto& [number, sharers] : by_call) {
    std::size_t leads = 0;
    for (const Request* request : sharers) {
      if (request->cache == "miss" || request->cache == "observe" || request->cache.starts_with("bypass")) ++leads;
      if (request->cache.starts_with("bypass") && sharers.size() > 1) {
        complaints.push_back(describe(*request) + fmt::format(": a bypass whose answer {} others got too", number));
      }
    }
    if (leads > 1) complaints.push_back(fmt::format("{} requests say that the call {} was made for them", leads, number));
  }
  // A connection that breaks within the last few bytes is rare.
  if (shortened > 3 + history.requests.size() / 1000) {
    complaints.push_back(fmt::format("{} answers lack what followed their end", shortened));
  }
}

}  // namespace outrigger::sim
