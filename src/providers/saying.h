// An answer on its way from one wire to another: a Hearer reads what a provider says, a Speaker says it in another dialect. Both
// work piece by piece: what is known leaves at once. Pure.
//
//   begin ─► (text | reasoning | refusal | call, arguments*)* ─► finish ─► end
//                                    error at any place; after it, nothing
//   usage may come at any place before end, and again with larger numbers
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace outrigger::providers {

// Why the model stopped.
enum class Finish : unsigned char {
  stop,
  stop_sequence,  // one of the request's
  length,
  tool_calls,
  filtered,
  refused,
};

struct UsageSaid {
  std::uint64_t input = 0;  // all of the prompt, what was cached of it included
  std::uint64_t output = 0;
  std::uint64_t cached = 0;         // of input: read from the provider's cache
  std::uint64_t cache_written = 0;  // of input
  std::uint64_t reasoning = 0;      // of output
};

// An error of the upstream, inside an answer or instead of one.
struct ErrorSaid {
  int status = 0;            // of HTTP; 0: unknown
  std::string type = {};     // the provider's words; may be empty
  std::string code = {};     // the provider's words; may be empty
  std::string message = {};  // the provider's words
};

class Speaker {
 public:
  virtual ~Speaker() = default;
  virtual void begin(std::string_view model) = 0;
  virtual void text(std::string_view piece) = 0;
  // Thinking as far as it may be shown. A wire whose clients send it back signed leaves it out.
  virtual void reasoning(std::string_view piece) = 0;
  virtual void refusal(std::string_view piece) = 0;
  // Calls are numbered from 0 in the order in which they begin. Their arguments may come interleaved. Where the provider gives
  // none, `id` is empty: the speaker makes one that no other answer has, since clients send all of them back together.
  virtual void call(std::uint32_t number, std::string_view id, std::string_view tool) = 0;
  virtual void arguments(std::uint32_t number, std::string_view piece) = 0;
  virtual void usage(const UsageSaid& usage) = 0;
  virtual void finish(Finish why, std::string_view stop_sequence) = 0;
  virtual void error(const ErrorSaid& error) = 0;
  // The answer is complete. Without this call the client sees that it is not.
  virtual void end() = 0;

  // What has been said since the last call: whole events of a stream; a body, all of it after end().
  virtual std::string take() = 0;
};

class Hearer {
 public:
  virtual ~Hearer() = default;
  // Any split of the bytes gives the same result.
  virtual void feed(std::string_view data, Speaker& to) = 0;
  // The body has ended. A provider's end mark calls Speaker::end(), here or in feed(); so does a blocking answer that is whole.
  virtual void finish(Speaker& to) = 0;
  // Events, blocks and members of a kind that is not known, or that the other wire has no place for.
  [[nodiscard]] virtual std::uint64_t skipped() const = 0;
};

struct SpeakerOptions {
  bool stream = false;
  bool include_usage = true;              // a stream tells the usage (only OpenAI's chat can do without)
  std::uint64_t id_high = 0, id_low = 0;  // for the answer's id (see personalise())
  std::int64_t created = 0;               // seconds since 1970
};

}  // namespace outrigger::providers
