#include "providers/anthropic/render.h"

#include "providers/anthropic/assembly.h"
#include "providers/anthropic/event.h"
#include "providers/anthropic/object.h"
#include "providers/anthropic/stored.h"
#include "providers/json_doc.h"
#include "providers/openai/cuts.h"

namespace outrigger::providers::anthropic {
namespace {

constexpr std::string_view k_id_head = R"("id":"msg_)";
constexpr std::string_view k_id_blank = "000000000000000000000000";
static_assert(k_id_blank.size() == k_id_size);

constexpr std::string_view k_no_usage =
    R"({"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0})";
constexpr std::string_view k_no_usage_at_end = R"({"output_tokens":0})";

class Renderer {
 public:
  Renderer(RecordReader& records, const RenderOptions& options) : records_(records), options_(options) {}

  std::optional<Rendered> run() {
    const bool fits = options_.stream ? stream() : records_.head().streamed ? assembled() : body();
    if (!fits || records_.broken() || text_.size() > k_rendered_size_max) return std::nullopt;
    out_.text = Bytes::copy(text_);
    return std::move(out_);
  }

 private:
  [[nodiscard]] bool is_told() const { return records_.head().usage.has_value(); }
  [[nodiscard]] Usage usage() const {
    const Head& head = records_.head();
    return head.usage.value_or(Usage{options_.prompt_tokens_estimate, head.estimated_completion_tokens});
  }
  // What is shown where all counts belong. `told`: what the provider did tell there.
  [[nodiscard]] std::string whole_usage(std::string_view told, std::uint64_t output) const {
    if (options_.usage == UsagePolicy::zero) return std::string(k_no_usage);
    if (is_told() && !told.empty()) return std::string(told);
    std::string text;
    {
      Object object(text);
      object.number("input_tokens", usage().prompt_tokens);
      object.number("output_tokens", output);
    }
    return text;
  }
  [[nodiscard]] std::string usage_at_end(std::string_view told) const {
    if (options_.usage == UsagePolicy::zero) return std::string(k_no_usage_at_end);
    if (is_told() && !told.empty()) return std::string(told);
    std::string text;
    {
      Object object(text);
      object.number("output_tokens", usage().completion_tokens);
    }
    return text;
  }

  void begin_event(std::string_view name) {
    text_ += "event: ";
    text_ += name;
    text_ += "\ndata: ";
  }
  void end_event() { text_ += "\n\n"; }
  void id() {
    text_ += k_id_head;
    out_.ids.push_back(static_cast<std::uint32_t>(text_.size()));
    text_ += k_id_blank;
    text_ += '"';
  }

  void message_start(std::string_view members, std::string_view usage) {
    begin_event("message_start");
    text_ += R"({"type":"message_start","message":{)";
    id();
    if (!members.empty()) text_ += ',';
    text_ += members;
    text_ += R"(,"usage":)";
    text_ += usage;
    text_ += "}}";
    end_event();
  }
  void delta(std::uint64_t index, std::string_view type, std::string_view name, std::string_view piece) {
    begin_event("content_block_delta");
    text_ += R"({"type":"content_block_delta","index":)";
    append_number(text_, index);
    text_ += R"(,"delta":{"type":")";
    text_ += type;
    text_ += R"(",")";
    text_ += name;
    text_ += R"(":)";
    append_string(text_, piece);
    text_ += "}}";
    end_event();
  }
  void block_stop(std::uint64_t index) {
    begin_event("content_block_stop");
    text_ += R"({"type":"content_block_stop","index":)";
    append_number(text_, index);
    text_ += '}';
    end_event();
  }
  void message_delta(std::string_view members, std::string_view usage) {
    begin_event("message_delta");
    {
      Object object(text_);
      object.string("type", "message_delta");
      object.members(members);
      object.json("usage", usage);
    }
    end_event();
  }

  bool stream() {
    Record record;
    while (records_.next(record)) {
      if (!replay(record) || text_.size() > k_rendered_size_max) return false;
    }
    return true;
  }

  bool replay(const Record& record) {
    // The whole answer cut up, or pieces of one; never both.
    if ((record.kind == Record::Kind::body) == records_.head().streamed) return false;
    switch (record.kind) {
      case Record::Kind::text_delta:
        delta(record.index, "text_delta", "text", record.text);
        break;
      case Record::Kind::input_json_delta:
        delta(record.index, "input_json_delta", "partial_json", record.text);
        break;
      case Record::Kind::thinking_delta:
        delta(record.index, "thinking_delta", "thinking", record.text);
        break;
      case Record::Kind::signature_delta:
        delta(record.index, "signature_delta", "signature", record.text);
        break;
      case Record::Kind::block_stop:
        block_stop(record.index);
        break;
      case Record::Kind::message_start:
        message_start(record.members, whole_usage(record.usage, 0));
        break;
      case Record::Kind::message_delta:
        message_delta(record.members, usage_at_end(record.usage));
        break;
      case Record::Kind::body:
        return cut_up(record);
      default:
        begin_event(record.text);
        text_ += '{';
        text_ += record.members;
        text_ += '}';
        end_event();
    }
    return true;
  }

  // A blocking answer as a stream.
  bool cut_up(const Record& record) {
    const JsonDoc doc = JsonDoc::read('{' + std::string(record.members) + '}');
    yyjson_val* content = member(doc.root(), "content");
    if (!yyjson_is_arr(content)) return false;
    begin_message(doc.root(), record.usage);
    std::uint64_t index = 0;
    for_each_item(content, [&](yyjson_val* block) { cut_block(index++, block); });
    std::string members = R"("delta":)";
    {
      Object object(members);
      for (const std::string_view name : {"stop_reason", "stop_sequence"}) {
        if (yyjson_val* value = member(doc.root(), name)) append_member(object, name, value);
      }
    }
    message_delta(members, end_usage(record.usage));
    begin_event("message_stop");
    text_ += R"({"type":"message_stop"})";
    end_event();
    return true;
  }

  void begin_message(yyjson_val* message, std::string_view told) {
    std::string members;
    {
      Object object(members);
      for_each_member(message, [&](std::string_view name, yyjson_val* value) {
        if (name == "content") {
          object.json("content", "[]");
        } else if (name == "stop_reason" || name == "stop_sequence") {
          object.json(name, "null");
        } else {
          append_member(object, name, value);
        }
      });
    }
    // Before the first token nothing has been put out yet.
    std::string usage;
    if (is_told() && !told.empty() && options_.usage != UsagePolicy::zero) {
      const JsonDoc doc = JsonDoc::read(told);
      Object object(usage);
      for_each_member(doc.root(), [&](std::string_view name, yyjson_val* value) {
        name == "output_tokens" ? static_cast<void>(object.number(name, 0)) : append_member(object, name, value);
      });
    } else {
      usage = whole_usage({}, 0);
    }
    message_start(std::string_view(members).substr(1, members.size() - 2), usage);
  }

  // Of all that a blocking answer told, what comes at the end of a stream.
  [[nodiscard]] std::string end_usage(std::string_view told) const {
    if (options_.usage == UsagePolicy::zero || !is_told() || told.empty()) return usage_at_end({});
    const JsonDoc doc = JsonDoc::read(told);
    std::string text;
    {
      Object object(text);
      yyjson_val* output = member(doc.root(), "output_tokens");
      if (output != nullptr) {
        append_member(object, "output_tokens", output);
      } else {
        object.number("output_tokens", usage().completion_tokens);
      }
    }
    return text;
  }

  void cut_block(std::uint64_t index, yyjson_val* block) {
    const BlockType type = block_type(string_of(member(block, "type")).value_or(std::string_view()));
    block_start(index, block, type);
    switch (type) {
      case BlockType::text:
        // In a stream citations come before the text that they are of.
        for_each_item(member(block, "citations"), [&](yyjson_val* citation) { cite(index, citation); });
        cut_text(index, "text_delta", "text", member(block, "text"));
        break;
      case BlockType::thinking:
        cut_text(index, "thinking_delta", "thinking", member(block, "thinking"));
        if (const auto signature = string_of(member(block, "signature")); signature && !signature->empty())
          delta(index, "signature_delta", "signature", *signature);
        break;
      case BlockType::call:
      case BlockType::hosted_call:
        delta(index, "input_json_delta", "partial_json", json_of(member(block, "input")));
        break;
      default:
        break;
    }
    block_stop(index);
  }

  // With what comes in deltas left empty.
  void block_start(std::uint64_t index, yyjson_val* block, BlockType type) {
    begin_event("content_block_start");
    text_ += R"({"type":"content_block_start","index":)";
    append_number(text_, index);
    text_ += R"(,"content_block":)";
    {
      Object object(text_);
      const bool is_call = type == BlockType::call || type == BlockType::hosted_call;
      for_each_member(block, [&](std::string_view name, yyjson_val* value) {
        if ((type == BlockType::text && name == "text") ||
            (type == BlockType::thinking && (name == "thinking" || name == "signature"))) {
          object.string(name, "");
        } else if (is_call && name == "input") {
          object.json(name, "{}");
        } else if (type == BlockType::text && name == "citations" && yyjson_is_arr(value)) {
          object.json(name, "[]");
        } else {
          append_member(object, name, value);
        }
      });
    }
    text_ += '}';
    end_event();
  }

  void cite(std::uint64_t index, yyjson_val* citation) {
    begin_event("content_block_delta");
    text_ += R"({"type":"content_block_delta","index":)";
    append_number(text_, index);
    text_ += R"(,"delta":{"type":"citations_delta","citation":)";
    append_json(text_, citation);
    text_ += "}}";
    end_event();
  }

  void cut_text(std::uint64_t index, std::string_view type, std::string_view name, yyjson_val* whole) {
    std::string_view left = string_of(whole).value_or(std::string_view());
    while (!left.empty()) {
      const std::string_view piece = openai::first_cut(left);
      delta(index, type, name, piece);
      left.remove_prefix(piece.size());
    }
  }

  // A blocking answer as it was.
  bool body() {
    Record record;
    Record more;
    if (!records_.next(record) || record.kind != Record::Kind::body || records_.next(more)) return false;
    text_ += '{';
    id();
    if (!record.members.empty()) text_ += ',';
    text_ += record.members;
    text_ += R"(,"usage":)";
    text_ += whole_usage(record.usage, usage().completion_tokens);
    text_ += '}';
    return true;
  }

  // A stream as a body.
  bool assembled() {
    const std::optional<Assembled> answer = assemble(records_);
    if (!answer) return false;
    text_ += '{';
    id();
    for (const auto& [name, json] : answer->members.all()) {
      if (name == "stop_reason") content(*answer);  // where Anthropic has it
      text_ += ',';
      append_string(text_, name);
      text_ += ':';
      text_ += json;
    }
    if (!has_content_) content(*answer);
    std::string told;
    if (!answer->usage.all().empty()) {
      Object object(told);
      for (const auto& [name, json] : answer->usage.all()) object.extra(name, json);
    }
    text_ += R"(,"usage":)";
    text_ += whole_usage(told, usage().completion_tokens);
    text_ += '}';
    return true;
  }
  void content(const Assembled& answer) {
    has_content_ = true;
    text_ += R"(,"content":)";
    List list(text_);
    for (const std::string& block : answer.blocks) list.item() += block;
  }

  RecordReader& records_;
  const RenderOptions& options_;
  std::string text_;
  Rendered out_;
  bool has_content_ = false;
};

}  // namespace

std::optional<Rendered> render(std::string_view encoded, const RenderOptions& options) {
  std::optional<RecordReader> records = RecordReader::open(encoded);
  if (!records) return std::nullopt;
  return Renderer(*records, options).run();
}

}  // namespace outrigger::providers::anthropic
