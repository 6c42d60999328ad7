#include <deque>
#include <utility>

#include "providers/answer.h"
#include "providers/openai/notices.h"
#include "providers/responses/notices.h"
#include "providers/responses/translation.h"
#include "providers/responses/wire.h"

namespace outrigger::providers::responses {
namespace {

// One item of the output while it is said.
struct Item {
  std::string id;
  std::uint32_t output = 0;
  bool is_call = false;
  bool open = true;
  std::string call_id, tool;
  std::string words;  // of the open part, or the arguments
  std::string parts;  // JSON of those that are closed, comma by comma
  std::uint32_t parts_closed = 0;
  const TextKind* part = nullptr;  // that is open
};

class ResponsesSpeaker final : public Speaker {
 public:
  explicit ResponsesSpeaker(const SpeakerOptions& options)
      : stream_(options.stream),
        created_(options.created),
        letters_(id_text(options.id_high, options.id_low)),
        wire_(out_) {}

  void begin(std::string_view model) override;
  void text(std::string_view piece) override { words(k_output_text, piece); }
  void reasoning(std::string_view /*piece*/) override {}
  void refusal(std::string_view piece) override {
    refused_ = refused_ || !piece.empty();
    words(k_refusal, piece);
  }
  void call(std::uint32_t number, std::string_view id, std::string_view tool) override;
  void arguments(std::uint32_t number, std::string_view piece) override;
  void usage(const UsageSaid& usage) override { usage_ = usage; }
  void finish(Finish why, std::string_view stop_sequence) override;
  void error(const ErrorSaid& error) override;
  void end() override;
  std::string take() override { return std::exchange(out_, {}); }

 private:
  void words(const TextKind& kind, std::string_view piece);
  Item& message();
  Item& add(bool is_call);
  void close_part(Item& item);
  void close(Item& item);
  void close_message();
  [[nodiscard]] std::string json(const Item& item) const;
  [[nodiscard]] std::string object(std::string_view status) const;

  bool stream_;
  std::int64_t created_;
  std::string letters_;
  std::string model_;
  std::string out_;
  Wire wire_;
  std::deque<Item> items_;       // by output_index; places stay
  std::deque<Item*> calls_;      // by number
  Item* message_ = nullptr;      // that is open
  std::string_view incomplete_;  // the reason
  UsageSaid usage_;
  bool begun_ = false;
  bool refused_ = false;
  bool finished_ = false;
  bool over_ = false;
};

void ResponsesSpeaker::begin(std::string_view model) {
  if (over_ || std::exchange(begun_, true)) return;
  model_ = model;
  if (!stream_) return;
  const std::string begun = object("in_progress");
  wire_.response("response.created", begun);
  wire_.response("response.in_progress", begun);
}

Item& ResponsesSpeaker::add(bool is_call) {
  begin({});
  Item& item = items_.emplace_back();
  item.output = static_cast<std::uint32_t>(items_.size() - 1);
  item.id = (is_call ? "fc_" : "msg_") + letters_ + "_" + std::to_string(item.output);
  item.is_call = is_call;
  return item;
}

Item& ResponsesSpeaker::message() {
  if (message_ == nullptr) {
    message_ = &add(false);
    if (stream_) wire_.item("response.output_item.added", message_->output, json(*message_));
  }
  return *message_;
}

void ResponsesSpeaker::words(const TextKind& kind, std::string_view piece) {
  if (over_ || finished_ || piece.empty()) return;
  Item& item = message();
  if (item.part != &kind) {
    close_part(item);
    item.part = &kind;
    if (stream_) {
      std::string part;
      append_part(part, kind, {});
      wire_.part(kind, kind.added, {item.id, item.output, item.parts_closed}, part);
    }
  }
  item.words += piece;
  if (stream_) wire_.text_delta(kind, {item.id, item.output, item.parts_closed}, piece);
}

void ResponsesSpeaker::close_part(Item& item) {
  if (item.part == nullptr) return;
  std::string part;
  append_part(part, *item.part, item.words);
  if (stream_) {
    const Spot spot{item.id, item.output, item.parts_closed};
    wire_.text_done(*item.part, spot, item.words);
    wire_.part(*item.part, item.part->ended, spot, part);
  }
  if (item.parts_closed++ > 0) item.parts += ',';
  item.parts += part;
  item.words.clear();
  item.part = nullptr;
}

void ResponsesSpeaker::close(Item& item) {
  if (!item.open) return;
  item.open = false;
  if (item.is_call) {
    if (stream_) wire_.call_done(k_function_call, {item.id, item.output, 0}, item.words);
  } else {
    close_part(item);
  }
  if (stream_) wire_.item("response.output_item.done", item.output, json(item));
}

void ResponsesSpeaker::close_message() {
  if (Item* item = std::exchange(message_, nullptr)) close(*item);
}

void ResponsesSpeaker::call(std::uint32_t number, std::string_view id, std::string_view tool) {
  // Numbers come in order; any other belongs to no call.
  if (over_ || finished_ || number != calls_.size()) return;
  close_message();
  Item& item = add(true);
  item.call_id = id;
  if (id.empty()) item.call_id = "call_" + letters_ + "_" + std::to_string(number);
  item.tool = tool;
  calls_.push_back(&item);
  if (stream_) wire_.item("response.output_item.added", item.output, json(item));
}

void ResponsesSpeaker::arguments(std::uint32_t number, std::string_view piece) {
  if (over_ || finished_ || piece.empty() || number >= calls_.size()) return;
  Item& item = *calls_[number];
  item.words += piece;
  if (stream_) wire_.call_delta(k_function_call, {item.id, item.output, 0}, piece);
}

void ResponsesSpeaker::finish(Finish why, std::string_view /*stop_sequence*/) {
  if (over_ || std::exchange(finished_, true)) return;
  begin({});
  if (why == Finish::length) incomplete_ = "max_output_tokens";
  // A refusal without a word is no complete answer.
  const bool wordless = why == Finish::refused && !refused_;
  if (why == Finish::filtered || wordless) incomplete_ = "content_filter";
  for (Item& item : items_) close(item);
  message_ = nullptr;
}

void ResponsesSpeaker::error(const ErrorSaid& error) {
  if (std::exchange(over_, true)) return;
  if (stream_) {
    wire_.error(error.code.empty() ? error.type : error.code, error.message);
  } else {
    out_ = openai::error_body(error);
  }
}

void ResponsesSpeaker::end() {
  if (over_) return;
  finish(Finish::stop, {});
  over_ = true;
  const std::string_view status = incomplete_.empty() ? "completed" : "incomplete";
  const std::string whole = object(status);
  if (stream_) {
    wire_.response(incomplete_.empty() ? "response.completed" : "response.incomplete", whole);
  } else {
    out_ = whole;
  }
}

std::string ResponsesSpeaker::json(const Item& item) const {
  std::string text;
  {
    Object object(text);
    object.string("id", item.id).string("type", item.is_call ? k_function_call.type : "message");
    // What the limit has cut is not complete.
    const bool cut = !incomplete_.empty() && &item == &items_.back();
    object.string("status", item.open ? "in_progress" : cut ? "incomplete" : "completed");
    if (item.is_call) {
      object.string("arguments", item.open ? std::string_view() : item.words);
      object.string("call_id", item.call_id).string("name", item.tool);
    } else {
      object.json("content", "[" + item.parts + "]").string("role", "assistant");
    }
  }
  return text;
}

std::string ResponsesSpeaker::object(std::string_view status) const {
  std::string output = "[";
  std::string usage = "null";
  if (status != "in_progress") {
    for (const Item& item : items_) {
      if (item.output > 0) output += ',';
      output += json(item);
    }
    usage.clear();
    append_usage(usage, usage_);
  }
  output += ']';
  std::string text;
  append_response(text, {.id = "resp_" + letters_,
                         .created = created_,
                         .model = model_,
                         .status = status,
                         .incomplete = incomplete_,
                         .output = output,
                         .usage = usage});
  return text;
}

}  // namespace

std::unique_ptr<Speaker> make_speaker(const SpeakerOptions& options) { return std::make_unique<ResponsesSpeaker>(options); }

}  // namespace outrigger::providers::responses
