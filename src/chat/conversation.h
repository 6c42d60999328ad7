// Conversation: what a request for words says, whatever its wire. It is what a request passes through on its way from one dialect
// to another: a dialect reads its own bodies into it and writes others' out of it. docs/dialects.md tells what is carried.
// A value without logic; texts are copies, JSON texts stand as they were sent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace outrigger::chat {

// Why a request cannot be said in another dialect: there, it would be refused or mean something else. The log says
// "unfit_<name>". What only steers delivery, or has no influence on what the answer means, is left out and noted instead (Losses).
enum class NotCarried : unsigned char {
  not_understood,       // not of a shape that is known
  several_answers,      // n, best_of
  logprobs,             // asked for
  signed_thinking,      // thinking that its provider has signed or hidden
  encrypted_reasoning,  // reasoning items
  hosted_tool,          // that the provider runs itself, and traces of one that it has run
  provider_id,          // of a file, an answer, a conversation, a prompt
  audio,                // heard or spoken
  media,                // documents, videos, pictures where the other wire has no place for them
  continuation,         // the answer is to go on where the last, unfinished one of the assistant ends
  stop_sequences,       // the other wire has none
  custom_tool,          // that takes free text, by a grammar perhaps
  last_one,
};
inline constexpr std::size_t k_not_carried = static_cast<std::size_t>(NotCarried::last_one);
std::string_view name(NotCarried reason);

// By what a picture or document comes: bytes in base64, or a place. One of the two is set.
struct Media {
  std::string type = {};    // "image/png"; empty: not told
  std::string base64 = {};  // without "data:" and type in front
  std::string url = {};     // https://…
  std::string detail = {};  // OpenAI's "low", "high", "auto"; empty: not told
};

struct Part {
  enum class Kind : unsigned char {
    text,    // `text`
    image,   // `media`
    call,    // the assistant calls a tool: `id`, `tool`, `arguments`
    result,  // what came of it: `id`, `content` (texts and images only), `is_error`
  };
  Kind kind = Kind::text;
  std::string text = {};
  Media media = {};
  std::string id = {};
  std::string tool = {};
  std::string arguments = {};  // JSON text, or what a model took for it
  std::vector<Part> content = {};
  bool is_error = false;
};

enum class Role : unsigned char { instruction, user, assistant };

// Instructions are system and developer messages; they may stand anywhere. Results of tools are parts of a user's turn, before
// everything else in it. Texts of one turn stay apart as they were.
struct Turn {
  Role role = Role::user;
  std::vector<Part> parts = {};
};

struct Tool {
  std::string name;
  std::string description;  // empty: none
  std::string parameters;   // JSON schema; empty: it takes nothing
  std::optional<bool> strict = std::nullopt;
};

struct ToolChoice {
  enum class Kind : unsigned char { automatic, none, required, named };
  Kind kind = Kind::automatic;
  std::string tool = {};  // of `named`
};

// What an answer must look like.
struct Format {
  enum class Kind : unsigned char { text, json_object, json_schema };
  Kind kind = Kind::text;
  std::string name = {};         // of the schema; empty: none
  std::string description = {};  // empty: none
  std::string schema = {};       // JSON
  std::optional<bool> strict = std::nullopt;
};

struct Conversation {
  std::string model;
  std::vector<Turn> turns;
  std::vector<Tool> tools;
  std::optional<ToolChoice> tool_choice;
  std::optional<bool> parallel_calls;
  std::optional<Format> format;

  // Numbers as they were written.
  std::optional<std::uint64_t> max_output;
  std::optional<std::string> temperature, top_p, top_k, frequency_penalty, presence_penalty, seed;
  std::vector<std::string> stops;
  std::string effort;  // of reasoning: "none", "minimal", "low", "medium", "high", ...; empty: not told
  std::optional<std::uint64_t> thinking_budget;  // tokens; 0: no thinking
  std::string verbosity;                         // "low", "medium", "high"; empty: not told

  std::string user;  // who asks
  bool stream = false;
  bool include_usage = false;  // a stream shall tell it (wires that always do set it)
};

// Names of what was left out or changed on the way ("top_k", "temperature"), each once, for log and metric. Ours, never the
// client's: a member that no dialect knows is "unknown".
class Losses {
 public:
  void note(std::string_view what);
  [[nodiscard]] const std::vector<std::string_view>& names() const { return names_; }  // of static storage

 private:
  std::vector<std::string_view> names_;
};

}  // namespace outrigger::chat
