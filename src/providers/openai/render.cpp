#include "providers/openai/render.h"

#include "providers/openai/cuts.h"
#include "providers/openai/merged.h"
#include "providers/openai/wire.h"

namespace outrigger::providers::openai {
namespace {

UsageShown usage_shown(const Head& head, const RenderOptions& options) {
  if (options.usage == UsagePolicy::zero) return {};
  if (head.usage) {
    const Usage& told = head.usage->usage;
    return {told.prompt_tokens, told.completion_tokens, head.usage->total_tokens, &*head.usage};
  }
  const std::uint64_t completion = head.estimated_completion_tokens;
  return {options.prompt_tokens_estimate, completion, options.prompt_tokens_estimate + completion, nullptr};
}

void strip(Extras& extras) {
  std::erase_if(extras, [](const Extra& extra) { return says_nothing(extra.json); });
}

// A blocking answer's one piece as the pieces of a stream: role, reasoning, text, refusal, calls, end. Members that say nothing
// are left out.
class Cutter {
 public:
  Cutter(Wire& wire, const Piece& whole) : wire_(wire), whole_(whole) {
    piece_.model = whole.model;
    piece_.extras = whole.extras;
    strip(piece_.extras);
  }

  void run() {
    for (const ChoicePiece& choice : whole_.choices) {
      from_ = &choice;
      begin();
      text(&ChoicePiece::reasoning_content);
      text(&ChoicePiece::reasoning);
      content();
      text(&ChoicePiece::refusal);
      calls();
      end();
    }
  }

 private:
  // What the next chunk says is put into the piece's one choice; say() sends it and makes room for the next.
  ChoicePiece& choice() {
    if (piece_.choices.empty()) piece_.choices.emplace_back().index = from_->index;
    return piece_.choices.front();
  }
  void say() {
    wire_.chunk(piece_);
    piece_.choices.clear();
    piece_.extras.clear();  // members of the whole answer stand in its first chunk
  }

  void begin() {
    choice().role = from_->role && !from_->role->empty() ? from_->role : "assistant";
    choice().content = "";
    choice().delta_extras = from_->delta_extras;
    strip(choice().delta_extras);
    say();
  }
  void text(Text ChoicePiece::*member) {
    std::string_view left = (from_->*member).value_or(std::string_view());
    while (!left.empty()) {
      const std::string_view part = first_cut(left);
      choice().*member = part;
      say();
      left.remove_prefix(part.size());
    }
  }
  void content() {
    if (!from_->logprobs) return text(&ChoicePiece::content);
    // Log probabilities are told token by token; they stay with the whole text that they are of.
    choice().content = from_->content;
    choice().logprobs = from_->logprobs;
    say();
  }
  void calls() {
    std::uint32_t index = 0;
    for (const ToolPiece& tool : from_->tools) {
      ToolPiece& part = choice().tools.emplace_back(tool);
      part.index = index++;
      strip(part.extras);
      strip(part.call_extras);
      if (!part.type) part.type = part.custom ? "custom" : "function";
      say();
    }
    if (!from_->function_name && !from_->function_arguments) return;
    choice().function_name = from_->function_name;
    choice().function_arguments = from_->function_arguments;
    choice().function_extras = from_->function_extras;
    strip(choice().function_extras);
    say();
  }
  void end() {
    choice().finish_reason = from_->finish_reason;
    for (const Extra& extra : from_->extras) {
      if (survives_conversion(extra)) choice().extras.push_back(extra);
    }
    say();
  }

  Wire& wire_;
  const Piece& whole_;
  const ChoicePiece* from_ = nullptr;
  Piece piece_;
};

std::optional<Rendered> render_stream(PieceReader& pieces, const RenderOptions& options) {
  Wire wire(pieces.head(), options);
  const UsageShown usage = usage_shown(pieces.head(), options);
  bool told_usage = false;
  Piece piece;
  while (pieces.next(piece)) {
    if (piece.usage_only) {
      if (options.include_usage) wire.usage_chunk(piece, usage);
      told_usage = true;
    } else if (pieces.head().streamed) {
      wire.chunk(piece);
    } else {
      Cutter(wire, piece).run();
    }
    if (wire.size() > k_rendered_size_max) return std::nullopt;
  }
  if (pieces.broken()) return std::nullopt;
  if (options.include_usage && !told_usage) {
    Piece own;
    own.model = wire.model();
    wire.usage_chunk(own, usage);
  }
  wire.done();
  return std::move(wire).rendered();
}

// A blocking answer as it was.
std::optional<Rendered> render_body(PieceReader& pieces, const RenderOptions& options) {
  Piece piece;
  if (!pieces.next(piece)) return std::nullopt;
  Wire wire(pieces.head(), options);
  wire.body(piece, usage_shown(pieces.head(), options));
  if (pieces.next(piece) || pieces.broken()) return std::nullopt;
  return std::move(wire).rendered();
}

}  // namespace

std::optional<Rendered> render(Form form, std::string_view encoded, const RenderOptions& options) {
  std::optional<PieceReader> pieces = PieceReader::open(encoded);
  if (!pieces || pieces->head().form != form) return std::nullopt;
  if (options.stream) return render_stream(*pieces, options);
  if (!pieces->head().streamed) return render_body(*pieces, options);
  const std::optional<Merged> merged = merge(*pieces, true);
  if (!merged) return std::nullopt;
  Wire wire(pieces->head(), options);
  wire.body(*merged, usage_shown(pieces->head(), options));
  return std::move(wire).rendered();
}

}  // namespace outrigger::providers::openai
