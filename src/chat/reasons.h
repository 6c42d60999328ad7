// Why a request is not looked up in the cache, and why an answer is not kept. The names stand in headers, logs and metrics.
#pragma once

#include <cstddef>
#include <string_view>

namespace outrigger::chat {

// `x-outrigger-cache: bypass; reason=<name>`
enum class BypassReason : unsigned char {
  cache_off,        // cache.mode = "off"
  endpoint,         // a path or method that Outrigger does not understand: passed through
  not_json,         // the body is not strict JSON (syntax, duplicate members, lone surrogates, invalid UTF-8, too deep)
  not_understood,   // JSON, but not of a shape that this endpoint is known to take
  too_large,        // the body is too large to be worth understanding
  encoded_body,     // Content-Encoding: we do not look inside
  no_store,         // the client said cache-control: no-store
  ping,             // a credential check; it must reach the provider (reference: Dify sends `ping`)
  temperature,      // above cache.max_temperature
  several_answers,  // n > 1, best_of > 1
  hosted_tool,      // web search, code interpreter, ...: the answer depends on the world
  mutable_url,      // an image or file by URL: its content may change
  audio,            // audio output
  stateful,         // refers to or creates state at the provider
  no_scope_value,   // scope is app or user, and the request names none
  overloaded,       // the recording budget is used up
  refused,          // the request was not let in: no valid client key, or the process is going down
  conversation,     // Dify: goes on with a conversation
  files,            // Dify: a file whose content is not known here
};
inline constexpr std::size_t k_bypass_reasons = 19;
std::string_view name(BypassReason reason);

// Why a complete or incomplete answer was not stored. Label of the metric and field of the log.
enum class NoStoreReason : unsigned char {
  error_status,     // not 200
  error_in_answer,  // a 200 with an error inside
  cut,              // ended early, or failed on the way
  abandoned,        // every client left before the end
  length,           // finish_reason "length": cut by a limit
  filtered,         // finish_reason "content_filter"
  refused,          // the model refused
  empty,            // no text and no tool call
  unfinished,       // no finish reason came
  not_understood,   // not of a known shape, or not the content type that was asked for
  too_large,        // above cache.max_entry
  purged,           // a purge came while it was under way
  downgraded,       // another model than the one that was asked for has answered
  files,            // Dify: holds links to files, which are signed and soon expire
};
inline constexpr std::size_t k_no_store_reasons = 14;
std::string_view name(NoStoreReason reason);

}  // namespace outrigger::chat
