#include "providers/openai/merged.h"

#include <algorithm>

#include "providers/json_doc.h"
#include "providers/openai/verdict.h"

namespace outrigger::providers::openai {
namespace {

void append(std::optional<std::string>& to, const Text& text) {
  if (!text) return;
  if (!to) to.emplace();
  *to += *text;
}

// Two texts of JSON strings, or of lists, become one by joining what is inside: no escape spans two strings.
bool joinable(std::string_view a, std::string_view b) {
  return a.size() >= 2 && b.size() >= 2 && a.front() == b.front() && (a.front() == '"' || a.front() == '[');
}

// Deltas add up: strings and lists grow, anything else is replaced.
void grow(std::string& value, std::string_view json) {
  if (!joinable(value, json)) {
    value = json;
    return;
  }
  const bool comma = value.front() == '[' && value.size() > 2 && json.size() > 2;
  value.pop_back();
  if (comma) value += ',';
  value += json.substr(1);
}

// A name comes whole, in parts, or again and again, depending on the vendor.
void append_name(std::string& to, std::string_view part) {
  if (to != part) to += part;
}

bool says_something(const ChoicePiece& piece) {
  return (piece.content && !piece.content->empty()) || !piece.tools.empty() || piece.function_name ||
         piece.function_arguments;
}

class Merger {
 public:
  explicit Merger(bool streamed) : streamed_(streamed) {}

  std::optional<Merged> run(PieceReader& pieces) {
    Piece piece;
    while (pieces.next(piece)) {
      for (const Extra& extra : piece.extras) set(merged_.extras, extra);
      for (const ChoicePiece& choice : piece.choices) add(choice_of(choice.index), choice);
      if (too_many_) return std::nullopt;
    }
    if (pieces.broken()) return std::nullopt;
    return std::move(merged_);
  }

 private:
  MergedChoice& choice_of(std::uint32_t index) {
    const auto place = std::ranges::lower_bound(merged_.choices, index, {}, &MergedChoice::index);
    if (place != merged_.choices.end() && place->index == index) return *place;
    MergedChoice& choice = *merged_.choices.emplace(place);
    choice.index = index;
    return choice;
  }

  void add(MergedChoice& to, const ChoicePiece& piece) {
    if (!to.finish_reason.empty() && says_something(piece)) to.text_after_finish = true;
    if (piece.role && to.role.empty()) to.role = *piece.role;
    append(to.content, piece.content);
    append(to.reasoning_content, piece.reasoning_content);
    append(to.reasoning, piece.reasoning);
    if (piece.refusal && !piece.refusal->empty()) append(to.refusal, piece.refusal);
    append(to.function_name, piece.function_name);
    append(to.function_arguments, piece.function_arguments);
    if (piece.logprobs) add_logprobs(to.logprobs, *piece.logprobs);
    // A reason that forbids storing is not taken back by a later one that allows it.
    const bool ends = piece.finish_reason && !piece.finish_reason->empty();
    if (ends && !verdict_of(to.finish_reason.empty() ? "stop" : to.finish_reason)) {
      to.finish_reason = *piece.finish_reason;
    }
    for (const ToolPiece& tool : piece.tools) add(to.tools, tool);
    for (const Extra& extra : piece.function_extras) set(to.function_extras, extra);
    for (const Extra& extra : piece.delta_extras) grow_in(to.delta_extras, extra);
    for (const Extra& extra : piece.extras) {
      if (survives_conversion(extra)) set(to.extras, extra);
    }
  }

  void add(std::vector<MergedTool>& tools, const ToolPiece& part) {
    MergedTool* to = streamed_ ? find(tools, part) : nullptr;
    if (to == nullptr) {
      if (tools.size() == k_tools_max) {
        too_many_ = true;
        return;
      }
      to = &tools.emplace_back();
    }
    if (part.index) to->index = part.index;
    if (part.id && to->id.empty()) to->id = *part.id;
    if (part.type && !part.type->empty()) to->type = *part.type;
    if (part.name) append_name(to->name, *part.name);
    if (part.arguments) to->arguments += *part.arguments;
    to->custom = to->custom || part.custom;
    for (const Extra& extra : part.call_extras) set(to->call_extras, extra);
    for (const Extra& extra : part.extras) grow_in(to->extras, extra);
  }

  // The call that a part belongs to; null for a new one. The index says so, unless a vendor numbers every call 0 or none at
  // all: then a new id does, or a name after arguments.
  static MergedTool* find(std::vector<MergedTool>& tools, const ToolPiece& part) {
    const std::string_view id = part.id.value_or(std::string_view());
    for (auto tool = tools.rbegin(); tool != tools.rend(); ++tool) {
      if (part.index && tool->index && *part.index != *tool->index) continue;
      if (!id.empty() && !tool->id.empty()) {
        if (tool->id == id) return &*tool;
        continue;
      }
      const bool begins_anew = !part.index && part.name && !part.name->empty() && !tool->arguments.empty();
      return begins_anew ? nullptr : &*tool;
    }
    return nullptr;
  }

  void add_logprobs(MergedExtras& to, std::string_view json) {
    const JsonDoc doc = JsonDoc::read(json);
    yyjson_obj_iter iterator = yyjson_obj_iter_with(doc.root());
    while (yyjson_val* name = yyjson_obj_iter_next(&iterator)) {
      yyjson_val* value = yyjson_obj_iter_get_val(name);
      std::string* place = value_of(to, {yyjson_get_str(name), yyjson_get_len(name)});
      if (place != nullptr && (place->empty() || !yyjson_is_null(value))) grow(*place, text_of(value));
    }
  }

  void set(MergedExtras& to, const Extra& extra) {
    if (says_nothing(extra.json)) return;
    if (std::string* value = value_of(to, extra.name)) *value = extra.json;
  }
  void grow_in(MergedExtras& to, const Extra& extra) {
    if (says_nothing(extra.json)) return;
    if (std::string* value = value_of(to, extra.name)) grow(*value, extra.json);
  }
  std::string* value_of(MergedExtras& extras, std::string_view name) {
    for (auto& [known, value] : extras) {
      if (known == name) return &value;
    }
    if (extras.size() == k_extras_max) {
      too_many_ = true;
      return nullptr;
    }
    return &extras.emplace_back(name, std::string()).second;
  }

  Merged merged_;
  bool streamed_;
  bool too_many_ = false;
};

}  // namespace

std::optional<Merged> merge(PieceReader pieces, bool streamed) { return Merger(streamed).run(pieces); }

std::string all_text(const Merged& answer) {
  std::string text;
  for (const MergedChoice& choice : answer.choices) {
    for (const auto* part : {&choice.content, &choice.reasoning_content, &choice.reasoning, &choice.refusal,
                             &choice.function_name, &choice.function_arguments}) {
      if (*part) text += **part;
    }
    for (const MergedTool& tool : choice.tools) {
      text += tool.name;
      text += tool.arguments;
    }
  }
  return text;
}

}  // namespace outrigger::providers::openai
