// One JSON text of an answer, a chunk of a stream or a whole blocking body, understood: its pieces, its usage, its error.
// Knows what vendors do differently: MiniMax's base_resp and closing summary, Moonshot's usage inside the choice, vLLM's
// error objects, `reasoning` and `reasoning_content`, `null` and "" everywhere.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "providers/json_doc.h"
#include "providers/openai/pieces.h"

namespace outrigger::providers::openai {

// An error instead of an answer, or inside one, with whatever status it came.
bool is_error(yyjson_val* root);

// `usage` as told; nothing when it is absent or zero, which is what relays write that did not count.
std::optional<UsageTold> usage_in(yyjson_val* usage);

class Chunk {
 public:
  // What was understood stays until the next call. `streamed`: choices have deltas.
  void read(std::string_view json, Form form, bool streamed);

  [[nodiscard]] bool error() const { return error_; }
  // False when it is JSON of a shape that this endpoint is not known to send.
  [[nodiscard]] bool understood() const { return understood_; }
  [[nodiscard]] bool has_choices() const { return !piece_.choices.empty(); }
  // Something that a reader waits for: text, reasoning, a tool call, a finish reason.
  [[nodiscard]] bool has_token() const { return has_token_; }
  [[nodiscard]] bool worth_keeping() const { return worth_keeping_; }
  [[nodiscard]] const Piece& piece() const { return piece_; }
  [[nodiscard]] std::string_view model() const { return model_; }
  [[nodiscard]] std::optional<UsageTold>& usage() { return usage_; }
  // Also when it counts nothing.
  [[nodiscard]] bool has_usage() const { return has_usage_; }
  // A closing summary repeats, in `message`, the whole text of a stream that had deltas. The reader of the stream knows
  // whether it had any.
  [[nodiscard]] bool has_summary() const { return has_summary_; }
  void drop_summary();

 private:
  void read_root(yyjson_val* root);
  void read_choices(yyjson_val* list);
  void read_choice(yyjson_val* from, std::size_t position);
  // Where a choice keeps what it says: `text`, `delta` or `message`, which some send side by side.
  void read_saying(yyjson_val* from, ChoicePiece& to);
  void read_delta(yyjson_val* from, ChoicePiece& to);
  void read_tools(yyjson_val* from, ChoicePiece& to);
  void read_tool(yyjson_val* from, ToolPiece& to);
  struct Call {
    std::string_view arguments_name;
    Text& name;
    Text& arguments;
    Extras& extras;
  };
  void read_call(yyjson_val* from, const Call& to);
  // A known member that should be text. Null is kept among `extras`.
  void take_text(std::string_view name, yyjson_val* from, Text& to, Extras& extras);
  void take_extra(std::string_view name, yyjson_val* from, Extras& to);
  void take_extra_if(std::string_view name, yyjson_val* from, Extras& to) {
    if (from != nullptr) take_extra(name, from, to);
  }
  void look_over();
  // Keeps the JSON text of `value` until the next read().
  std::string_view keep(yyjson_val* value);

  Form form_ = Form::chat;
  bool streamed_ = false;
  JsonDoc doc_;
  std::deque<std::string> kept_;
  Piece piece_;
  std::string_view model_;
  std::optional<UsageTold> usage_;
  bool has_usage_ = false;
  bool has_choice_list_ = false;
  bool error_ = false;
  bool understood_ = false;
  bool has_token_ = false;
  bool worth_keeping_ = false;
  bool has_summary_ = false;
};

}  // namespace outrigger::providers::openai
