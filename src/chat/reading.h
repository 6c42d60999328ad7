// Reading: one request body while it is being understood. Owned by understand(); holds what its parts need in common.
//
// Every function that writes returns false when the reading has come to its end: the body is not strict JSON or not of a known
// shape, and the reason has been noted. Whatever was written until then is thrown away.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "chat/code_spans.h"
#include "chat/form.h"
#include "chat/json.h"
#include "chat/normalise.h"
#include "chat/reasons.h"
#include "chat/request.h"

namespace outrigger::chat {

enum class TextUse : unsigned char {
  last_user,  // levels from `faq` up may fold it further
  other,
  exact,  // the model goes on where it ends, or it is code
};

class Reading {
 public:
  Reading(Request& into, Level at) : request(into), level(at), form(into.canonical) {}

  Request& request;
  const Level level;
  FormWriter form;
  bool says_ping = false;     // the whole question is the word that credential checks ask
  bool tiny_output = false;   // an output limit of at most k_ping_tokens, or none is to be expected
  bool has_suffix = false;    // of completions
  unsigned marks = 0;         // what the readers of one Shape leave for each other
  std::uint32_t longest = 0;  // tokens of the longest of several prompts that do not share a context; 0: there is one

  // Remembers a reason; the first in the order of the enumeration wins.
  void note(BypassReason reason);
  bool not_json() { return note(BypassReason::not_json), false; }
  bool not_understood() { return note(BypassReason::not_understood), false; }

  // Appends a value as it stands. `depth` is the depth of the container that holds it. Inside a message's parts the markers
  // for a provider's prompt cache (cache_control) are left out at any depth.
  enum class Markers : unsigned char { kept, left_out };
  bool value(yyjson_val* value, int depth, Markers markers = Markers::kept);
  // A number as an exact decimal; anything else as it stands.
  bool number(yyjson_val* value, int depth);
  // A text that a person or a model wrote, at the level asked for. Counts its tokens.
  void text(std::string_view text, Edges edges, TextUse turn);
  // For what is left out of the form: it must be strict JSON all the same.
  bool dropped(yyjson_val* value, int depth) { return is_strict(value, depth + 1) || not_json(); }

  // For shapes of conversations. Between `true` and `false`, value() looks out for what binds the request to its provider.
  void watch_bindings(bool on) { in_messages_ = on; }
  // A member inside a message: what binds the request to its provider.
  void see(std::string_view name, yyjson_val* value);
  // Ids of tool calls are random; which call an answer belongs to is not. They become numbers in the order of appearance.
  void call_id(std::string_view id);
  // A part that is not text: looks at every text inside, wherever a provider's dialect may put it, for references to what may
  // change or is somebody's own.
  void inspect_media(yyjson_val* part);

  // The values of the members with a shape of their own, as OpenAI writes them.
  bool messages(yyjson_val* value);  // messages.cpp
  bool tools(yyjson_val* value);
  bool prompt(yyjson_val* value);  // inputs.cpp
  bool input(yyjson_val* value);
  // After the whole form: cuts it into one form for each element of `input`, unless keep_whole() was called.
  bool cut_inputs(std::string_view body);
  // The elements of `input` have one answer together: they depend on each other, or are no texts. The request's endpoint becomes
  // `embed`, whose answers are kept as a whole.
  void keep_whole() { whole_ = true; }

  // Inputs that stay together (whole_inputs.cpp).
  // An object with texts and pictures, as it stands: a document to rank, an input to embed. `depth` as for value().
  bool record(yyjson_val* value, int depth);
  // The value of a top-level member: a list of texts, each read as `turn` says, and of records that are not empty.
  bool list(yyjson_val* value, TextUse turn);
  // The same: a list of pictures.
  bool pictures(yyjson_val* value);

 private:
  bool container(yyjson_val* value, int depth, Markers markers);
  bool message(yyjson_val* value, bool is_last_user, bool is_last);
  bool message_member(const Members::Member& member, std::size_t& count, TextUse turn);
  bool content(yyjson_val* value, TextUse turn);
  bool part(yyjson_val* value, Edges edges, TextUse turn);
  bool without_cache_control(yyjson_val* object, int depth);
  bool tool_calls(yyjson_val* value);
  bool tool_call(yyjson_val* value);

  bool in_messages_ = false;
  std::map<std::string_view, std::uint32_t> calls_;  // a tree, because ids come from outside
  std::vector<Span> elements_;                       // of `input`, in the form
  Span input_;                                       // all of it
  bool whole_ = false;
};

// Credential checks ask for almost no output (reference: 5 to 20).
constexpr double k_ping_tokens = 20;
constexpr std::uint32_t k_message_tokens = 4;  // OpenAI's own rule of thumb for role and separators
constexpr std::uint32_t k_media_tokens = 800;  // an image of middling size
constexpr std::string_view k_ping = "ping";

}  // namespace outrigger::chat
