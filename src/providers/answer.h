// Answers of the understood endpoints: read from the wire as they pass, kept in a canonical form, written to the wire again.
// Pure. One folder of providers/ knows one dialect (dialect.h); this header is what the rest of the program sees.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "chat/endpoint.h"
#include "chat/reasons.h"
#include "core/bytes.h"
#include "core/error.h"
#include "core/policy.h"

namespace outrigger::providers {

struct Usage {
  std::uint64_t prompt_tokens = 0;
  std::uint64_t completion_tokens = 0;
};

// A complete answer: model, pieces (text, reasoning, refusal, tool calls, log probabilities, finish reasons, in the order and
// the cuts in which they came), usage, and fields that we do not know, kept as they were.
// Opaque outside providers/: bytes that encode themselves, versioned, so that they can lie in Redis.
struct Answer {
  Bytes encoded;
  std::string model;                              // as the provider named it
  std::optional<Usage> usage;                     // as the provider counted; zero counts as not counted
  std::uint64_t estimated_completion_tokens = 0;  // always there, whatever the provider counted
};

// What an SSE event means to those who relay it.
enum class EventKind : unsigned char {
  other,  // role, comments, keep-alives, metadata: nothing that a reader waits for
  token,  // text, reasoning, a tool call, a finish reason
  usage,  // a chunk that holds nothing but usage (choices: [])
  error,  // an error in the stream
  done,   // the end mark
};
struct Event {
  std::size_t end;  // offset in the body just after the event's blank line
  EventKind kind;
};

// Reads the body of a 200 as it passes. Push parser: any split gives the same result.
class AnswerReader {
 public:
  virtual ~AnswerReader() = default;
  virtual void feed(std::string_view data) = 0;
  // Streams: events completed since the reader was made. Grows; never shrinks. Blocking answers have none.
  [[nodiscard]] virtual const std::vector<Event>& events() const = 0;
  // Call once, after the body ended well. Either an answer fit for storing, or the first reason why it is not.
  virtual std::expected<Answer, chat::NoStoreReason> finish() = 0;
  // Usage seen so far, also when finish() refuses. A blocking answer is understood in finish(): before, nothing is known.
  [[nodiscard]] virtual std::optional<Usage> usage() const = 0;
  // A 200 with an error inside (streamed or blocking) has been seen; blocking: ask after finish().
  [[nodiscard]] virtual bool saw_error() const = 0;
};
// `streamed`: is the body SSE? Null for embeddings, which are read as a whole, and for `other`.
std::unique_ptr<AnswerReader> make_answer_reader(chat::Endpoint endpoint, bool streamed);

// An answer on the wire, with the places that are fresh for each who gets it. `id` and `created` stand in `text` with fixed
// widths (k_id_size letters, 10 digits), so a hit is a copy and a few overwrites.
struct Rendered {
  Bytes text;
  std::vector<std::uint32_t> ids;       // offsets of the id's random part
  std::vector<std::uint32_t> createds;  // offsets of the 10 digits of the time
};
inline constexpr std::size_t k_id_size = 24;
// The k_id_size letters that two random words are.
std::string id_text(std::uint64_t high, std::uint64_t low);
// A copy of `rendered` with a fresh id and time.
Bytes personalise(const Rendered& rendered, std::uint64_t id_high, std::uint64_t id_low, std::int64_t created);

struct RenderOptions {
  bool stream = false;
  bool include_usage = false;  // streams only; a blocking answer always has usage
  UsagePolicy usage = UsagePolicy::original;
  std::uint32_t prompt_tokens_estimate = 0;  // used when the provider told no usage
};
// Streams come in the original pieces, or, if the answer was not streamed, in natural ones. LF only, with the marks that Dify and
// the SDKs need on this wire (each dialect's render.h). Nothing when `encoded` is not readable (another version, another
// endpoint's, rubbish in Redis).
std::optional<Rendered> render(chat::Endpoint endpoint, std::string_view encoded, const RenderOptions& options);

// The usage chunk that a stream lacks for a reader who asked for one, as a whole SSE event. `like` is an event of that
// stream, from which id, model and time are taken.
std::string usage_event(chat::Endpoint endpoint, std::string_view like, const Usage& usage);

// Does a stream of this endpoint tell its usage only to those who ask? Elsewhere it is always there.
bool has_optional_usage(chat::Endpoint endpoint);

// An error of our own, as a blocking body or as an event inside a stream, after so many others.
// `message`: instead of the one that the code has.
std::string error_body(chat::Endpoint endpoint, ErrorCode code, std::string_view message = {});
std::string error_event(chat::Endpoint endpoint, ErrorCode code, std::size_t events = 0);

// An answer that nobody generated: `text`, complete and without usage. Nothing for endpoints that do not answer in words.
std::optional<Answer> fixed_answer(chat::Endpoint endpoint, std::string_view model, std::string_view text);

// Embeddings.
struct EmbeddingsAnswer {
  std::string model;
  std::vector<std::string> embeddings;  // in order of index; the JSON text of each `embedding` member, untouched
  std::uint64_t prompt_tokens = 0;
};
// Errors: the reason why nothing of it may be stored.
std::expected<EmbeddingsAnswer, chat::NoStoreReason> read_embeddings(std::string_view body, std::size_t expected_count);
std::string render_embeddings(const EmbeddingsAnswer& answer);

}  // namespace outrigger::providers
