#include <fmt/format.h>

#include <set>

#include "sim/checkers/checkers.h"

namespace outrigger::sim {
namespace {

// Total limits (two: who waited for another's answer in vain asks alone), clogs and stalls together are shorter.
constexpr Duration k_silence_max = 100s;
// The simulated model's.
constexpr std::string_view k_refusal = "I cannot help with that.";

bool is_from_cache(const Request& request) { return request.cache == "hit" || request.cache == "stale"; }

// The answers that nobody can tell by a mark: what the provider sent, word for word.
struct Sent {
  std::set<std::uint64_t> bodies;
  std::set<std::string> told;
};

std::string signature(const Told& told) {
  return fmt::format("{}|{}|{}|{}|{}", told.text, told.thought, told.refusal, told.calls, told.finish_reason);
}

Sent all_sent(const History& history) {
  Sent sent;
  for (const auto& [number, call] : history.calls) {
    sent.bodies.insert(call.body_hash);
    sent.told.insert(signature(call.told));
  }
  return sent;
}

// May somebody who asked `request` get an answer to `call`?
std::string crossing(const Request& request, const Call& call, const std::string& question) {
  if (call.upstream != request.upstream) return "of another upstream";
  if (call.model != request.model) return "of another model";
  if (call.kind != request.kind) return "of another endpoint";
  if (question != request.questions.front()) return "to another question: " + question;
  if (request.sharing != Sharing::everybody && call.credential != request.credential) return "of another credential";
  if (request.sharing == Sharing::user && call.user != request.user) return "of another user";
  return {};
}

std::string check_text(const History& history, const Sent& sent, const Request& request) {
  const bool streamed = request.content_type.starts_with("text/event-stream");
  const Told& told = request.told;
  if (told.error) return is_from_cache(request) ? "an error came from the cache" : "";
  if (!told.readable && !streamed) {
    if (is_from_cache(request)) return "unreadable, from the cache";
    return sent.bodies.contains(request.body_hash) ? "" : "unreadable, and no provider sent it";
  }
  if (told.broken_event) {
    if (is_from_cache(request)) return "a broken stream from the cache";
    return sent.bodies.contains(request.body_hash) ? "" : "a broken stream with a proper end, and no provider sent it";
  }
  if (streamed && !told.ended(true)) {
    return "a stream that just ends: neither an end mark, nor a finish reason, nor an error";
  }
  if (streamed != request.stream && !sent.bodies.contains(request.body_hash)) return "the form is not the one asked for";
  if (request.number == 0) {
    // Completions have no place for a refusal: there it is a text like any other.
    const bool refusal = request.kind == Kind::completion && told.text == k_refusal;
    if (is_from_cache(request) && !refusal) return "an answer without a mark from the cache: " + told.text.substr(0, 60);
    return sent.told.contains(signature(told)) ? "" : "an answer that no provider gave: " + told.text.substr(0, 60);
  }
  const auto call = history.calls.find(request.number);
  if (call == history.calls.end()) return "a number that nobody gave";
  if (!told.says_the_same(call->second.told)) {
    return fmt::format("it differs from what the provider sent as {}: \"{}\" [{}] and \"{}\" [{}]", request.number,
                       told.text.substr(0, 80), told.finish_reason, call->second.told.text.substr(0, 80),
                       call->second.told.finish_reason);
  }
  const std::string question = call->second.questions.empty() ? std::string() : call->second.questions.front();
  if (const std::string problem = crossing(request, call->second, question); !problem.empty()) return "an answer " + problem;
  if (streamed && call->second.stream && told.pieces != call->second.told.pieces)
    return "the pieces of the stream are cut anew";
  // A stream that is too large to be kept is passed on as it comes, also to those who asked for the other form.
  const bool adapted = call->second.body_size <= Node::k_max_entry;
  if (streamed && adapted && !request.include_usage && told.usage) return "usage that nobody asked for";
  if (streamed && adapted && request.include_usage && !told.usage && (is_from_cache(request) || call->second.told.usage)) {
    return "the usage that was asked for is missing";
  }
  return {};
}

std::string check_embeddings(const History& history, const Sent& sent, const Request& request) {
  const Told& told = request.told;
  if (told.error) return is_from_cache(request) ? "an error came from the cache" : "";
  if (!told.readable) {
    if (is_from_cache(request)) return "unreadable, from the cache";
    return sent.bodies.contains(request.body_hash) ? "" : "unreadable, and no provider sent it";
  }
  if (told.embeddings.size() != request.questions.size()) {
    if (!is_from_cache(request) && sent.bodies.contains(request.body_hash)) return {};
    return fmt::format("{} embeddings for {} texts", told.embeddings.size(), request.questions.size());
  }
  for (std::size_t i = 0; i < told.embeddings.size(); ++i) {
    const auto origin = history.embeddings.find(told.embeddings[i]);
    if (origin == history.embeddings.end()) return "an embedding that no provider made";
    if (origin->second.question != request.questions[i]) {
      return fmt::format("text {} got the embedding of {}", request.questions[i], origin->second.question);
    }
    const Call& call = history.calls.at(origin->second.call);
    if (const std::string problem = crossing(request, call, request.questions.front()); !problem.empty()) {
      return "an embedding " + problem;
    }
  }
  return {};
}

std::string check_whole(const History& history, const Sent& sent, const Request& request) {
  if (request.status < 200 || request.status > 599) return "a status that is none";
  if (request.kind == Kind::odd_http) {
    return request.status >= 400 && request.status < 500 ? "" : fmt::format("{} for malformed input", request.status);
  }
  // Refusals at the edge have no id.
  if (request.request_id.empty() && request.status < 400) return "no x-outrigger-request-id";
  if (request.status < 400 && request.cache.empty()) return "no x-outrigger-cache";
  if (request.status >= 400) {
    if (request.cache == "hit" || request.cache == "stale") return "an error status from the cache";
    const bool has_error = request.told.error || request.body.find("\"error\"") != std::string::npos;
    return has_error || sent.bodies.contains(request.body_hash) ? "" : "an error without words";
  }
  if (is_from_cache(request) && request.attempts != "0" && request.cache == "hit") return "a hit that made attempts";
  if (is_from_cache(request) && request.kind != Kind::embeddings && !request.age) return "a stored answer without its age";
  switch (request.kind) {
    case Kind::chat:
    case Kind::completion:
      return check_text(history, sent, request);
    case Kind::embeddings:
      return check_embeddings(history, sent, request);
    case Kind::upload:
      if (request.body.find("\"error\"") != std::string::npos) return {};
      // A provider that announces fewer bytes than it sends cuts its own answer; what passes through cannot show that.
      if (!request.body.ends_with("}")) return {};
      if (request.body.find(request.upload_sha256) == std::string::npos) {
        return "the file did not arrive as it was sent: " + request.body.substr(0, 200);
      }
      return {};
    default:
      return {};
  }
}

}  // namespace

std::string describe(const Request& request) {
  const std::string question = request.questions.empty() ? "-" : fmt::format("{}", fmt::join(request.questions, "+"));
  return fmt::format("request {} ({}{}{} {} {} {} via {}, instance {}, at {:.6f} s; {} {} {})", request.id,
                     name(request.kind), request.stream ? " stream" : "", request.include_usage ? " usage" : "", question,
                     request.credential, request.model, request.path, request.instance,
                     seconds(request.began.time_since_epoch()), request.status, request.cache, request.request_id);
}

void check_answers(const History& history, Complaints& complaints) {
  const Sent sent = all_sent(history);
  for (const Request& request : history.requests) {
    std::string problem;
    if (request.end == Request::End::none) problem = "it has no end";
    // Who reads slowly, or over a wire that drips, may be at it for long; but something must come.
    if (request.silence > k_silence_max) problem = fmt::format("nothing came for {:.1f} s", seconds(request.silence));
    if (request.end == Request::End::whole) problem = check_whole(history, sent, request);
    if (!problem.empty()) complaints.push_back(describe(request) + ": " + problem);
  }
}

}  // namespace outrigger::sim
