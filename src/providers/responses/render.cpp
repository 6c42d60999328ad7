#include "providers/responses/render.h"

#include "providers/openai/cuts.h"
#include "providers/responses/json.h"
#include "providers/responses/stored.h"
#include "providers/responses/template.h"
#include "providers/responses/wire.h"

namespace outrigger::providers::responses {
namespace {

std::string usage_shown(const Head& head, const RenderOptions& options) {
  if (head.usage && options.usage != UsagePolicy::zero) return std::string(head.usage_json);
  const bool zero = options.usage == UsagePolicy::zero;
  std::string text;
  append_usage(text, zero ? UsageSaid{}
                          : UsageSaid{.input = options.prompt_tokens_estimate, .output = head.estimated_completion_tokens});
  return text;
}

// A final object as the events of a stream, the documented ones in their order.
class Cutter {
 public:
  Cutter(std::string& to, yyjson_val* response) : wire_(to), response_(response), id_(text_in(response, "id")) {}

  void run(std::string_view final) {
    std::string begun;
    TemplateWriter(begun, id_).response(response_, TemplateWriter::Moment::beginning);
    wire_.response("response.created", begun);
    wire_.response("response.in_progress", begun);
    each(member(response_, "output"), [&](std::uint32_t index, yyjson_val* item) { this->item(index, item); });
    wire_.response("response.completed", final);
  }

 private:
  void item(std::uint32_t index, yyjson_val* item) {
    spot_ = {.item_id = text_in(item, "id"), .output = index};
    const std::string_view type = text_in(item, "type");
    wire_.item("response.output_item.added", index, without_words(item));
    if (type == k_function_call.type) {
      call(k_function_call, item);
    } else if (type == k_custom_call.type) {
      call(k_custom_call, item);
    } else if (type == "message" || type == "reasoning") {
      each(member(item, "summary"), [&](std::uint32_t number, yyjson_val* part) { this->part(number, part); });
      each(member(item, "content"), [&](std::uint32_t number, yyjson_val* part) { this->part(number, part); });
    }
    wire_.item("response.output_item.done", index, json(item));
  }

  void call(const CallKind& kind, yyjson_val* item) {
    const std::string_view whole = text_in(item, kind.member);
    if (!whole.empty()) wire_.call_delta(kind, spot_, whole);
    wire_.call_done(kind, spot_, whole);
  }

  void part(std::uint32_t number, yyjson_val* part) {
    spot_.content = number;
    const std::string_view type = text_in(part, "type");
    const std::string whole = json(part);
    for (const TextKind* kind : {&k_output_text, &k_refusal, &k_reasoning_text, &k_summary_text}) {
      if (type != kind->part) continue;
      wire_.part(*kind, kind->added, spot_, without_words(part));
      words(*kind, part);
      wire_.part(*kind, kind->ended, spot_, whole);
      return;
    }
    wire_.part(k_output_text, k_output_text.added, spot_, whole);
    wire_.part(k_output_text, k_output_text.ended, spot_, whole);
  }

  void words(const TextKind& kind, yyjson_val* part) {
    const std::string_view text = text_in(part, kind.member);
    yyjson_val* told = member(part, "logprobs");
    // Log probabilities are told token by token; they stay with the whole text that they are of.
    const bool whole = !is_nothing(told);
    const std::string logprobs = whole ? json(told) : "[]";
    for (std::string_view left = text; !left.empty();) {
      const std::string_view piece = whole ? left : openai::first_cut(left);
      wire_.text_delta(kind, spot_, piece, logprobs);
      left.remove_prefix(piece.size());
    }
    each(member(part, "annotations"),
         [&](std::uint32_t index, yyjson_val* one) { wire_.annotation(spot_, index, json(one)); });
    wire_.text_done(kind, spot_, text, logprobs);
  }

  [[nodiscard]] std::string json(yyjson_val* value) const {
    std::string text;
    TemplateWriter(text, id_).value(value, 4);
    return text;
  }

  // An item or a part as it begins.
  [[nodiscard]] std::string without_words(yyjson_val* value) const {
    std::string text;
    append_without_words(text, value);
    return text;
  }
  void append_without_words(std::string& to, yyjson_val* value) const {
    Object object(to);
    yyjson_obj_iter iterator = yyjson_obj_iter_with(value);
    while (yyjson_val* name = yyjson_obj_iter_next(&iterator)) {
      const std::string_view own = *string_of(name);
      yyjson_val* member = yyjson_obj_iter_get_val(name);
      const bool words = own == "text" || own == "refusal" || own == "arguments" || own == "input";
      const bool lists = own == "content" || own == "summary" || own == "annotations" || own == "logprobs";
      if (words && yyjson_is_str(member)) {
        object.string(own, "");
      } else if (lists && yyjson_is_arr(member)) {
        object.json(own, "[]");
      } else if (own == "status" && yyjson_is_str(member)) {
        object.string(own, "in_progress");
      } else {
        object.extra(own, json(member));
      }
    }
  }

  Wire wire_;
  yyjson_val* response_;
  std::string_view id_;
  Spot spot_{};
};

std::optional<Rendered> render_events(StoredReader& stored, std::string_view usage) {
  Filler out;
  StoredEvent event;
  for (std::uint64_t number = 0; stored.next(event); ++number) {
    out.append("event: ");
    out.append(event.name);
    out.append("\ndata: ");
    out.fill(event.frame, {.sequence = number, .delta = event.delta, .usage = usage, .response = event.response});
    out.append("\n\n");
    if (out.size() > k_rendered_size_max) return std::nullopt;
  }
  if (stored.broken()) return std::nullopt;
  return std::move(out).rendered();
}

}  // namespace

std::optional<Rendered> render(std::string_view encoded, const RenderOptions& options) {
  std::optional<StoredReader> stored = StoredReader::open(encoded);
  if (!stored) return std::nullopt;
  const Head& head = stored->head();
  const std::string usage = usage_shown(head, options);
  if (options.stream && head.streamed) return render_events(*stored, usage);
  Filler body;
  body.fill(head.response, {.usage = usage});
  if (!options.stream) return std::move(body).rendered();
  const JsonDoc doc = JsonDoc::read(body.text());
  if (doc.root() == nullptr) return std::nullopt;
  std::string text;
  Cutter(text, doc.root()).run(head.response);
  if (text.size() > k_rendered_size_max) return std::nullopt;
  Filler out;
  out.fill(text, {.usage = usage});
  return std::move(out).rendered();
}

}  // namespace outrigger::providers::responses
