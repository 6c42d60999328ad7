#include "providers/anthropic/speaker.h"

#include <algorithm>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "providers/answer.h"
#include "providers/anthropic/calls.h"
#include "providers/anthropic/notices.h"
#include "providers/anthropic/object.h"

namespace outrigger::providers::anthropic {
namespace {

std::string_view stop_reason_of(Finish why) {
  switch (why) {
    case Finish::stop:
      return "end_turn";
    case Finish::stop_sequence:
      return "stop_sequence";
    case Finish::length:
      return "max_tokens";
    case Finish::tool_calls:
      return "tool_use";
    case Finish::filtered:
    case Finish::refused:
      return "refusal";
  }
  return "end_turn";
}

// A block as it is said: text, or a call.
struct Block {
  bool is_call = false;
  std::uint32_t number = 0;  // of the call
  std::string id, tool;
  std::string text;  // or arguments; in a stream, what has not gone out yet
  bool has_text = false;
};

// The last, where the numbers are not as they should be.
template <class Blocks>
Block* call_in(Blocks& blocks, std::uint32_t number) {
  const auto is_it = [number](const Block& one) { return one.is_call && one.number == number; };
  const auto found = std::find_if(blocks.rbegin(), blocks.rend(), is_it);
  return found == blocks.rend() ? nullptr : &*found;
}

// What both forms have in common.
class MessageSpeaker : public Speaker {
 public:
  explicit MessageSpeaker(const SpeakerOptions& options) : id_("msg_" + id_text(options.id_high, options.id_low)) {}

  void begin(std::string_view model) override {
    if (is_over_ || std::exchange(has_begun_, true)) return;
    model_ = model;
    begun();
  }
  void reasoning(std::string_view /*piece*/) override {
    if (has_begun_ && !is_over_) thought();
  }
  void refusal(std::string_view piece) override {
    if (piece.empty()) return;
    has_refused_ = true;
    text(piece);
  }
  void usage(const UsageSaid& usage) override { usage_ = usage; }
  void finish(Finish why, std::string_view stop_sequence) override {
    why_ = why;
    stop_sequence_ = stop_sequence;
  }
  void error(const ErrorSaid& error) override {
    if (!std::exchange(is_over_, true)) failed(error);
  }
  void end() override {
    if (is_over_) return;
    begin({});
    ended();
    is_over_ = true;
  }
  std::string take() override { return std::exchange(out_, {}); }

 protected:
  virtual void begun() = 0;
  virtual void thought() = 0;
  virtual void failed(const ErrorSaid& error) = 0;
  virtual void ended() = 0;

  // Members of a message up to its content.
  void write_head(Object& message) const {
    message.string("id", id_);
    message.string("type", "message");
    message.string("role", "assistant");
    message.string("model", model_);
  }
  void write_stop(Object& to) const {
    to.string("stop_reason", stop_reason());
    if (why_ == Finish::stop_sequence && !has_refused_) {
      to.string("stop_sequence", stop_sequence_);
    } else {
      to.json("stop_sequence", "null");
    }
  }
  void write_usage(std::string& to) const {
    const std::uint64_t cached = std::min(usage_.cached, usage_.input);
    const std::uint64_t written = std::min(usage_.cache_written, usage_.input - cached);
    Object object(to);
    object.number("input_tokens", usage_.input - cached - written);
    object.number("cache_creation_input_tokens", written);
    object.number("cache_read_input_tokens", cached);
    object.number("output_tokens", usage_.output);
  }
  void write_call(std::string& to, const Block& block, std::string_view input) const {
    Object object(to);
    object.string("type", "tool_use");
    object.string("id",
                  block.id.empty() ? "toolu_" + id_.substr(4) + '_' + std::to_string(block.number) : valid_id(block.id));
    object.string("name", block.tool);
    object.json("input", input);
  }
  [[nodiscard]] bool is_over() const { return is_over_; }

  std::string out_;
  bool has_called_ = false;

 private:
  [[nodiscard]] std::string_view stop_reason() const {
    if (has_refused_ && why_ != Finish::length) return "refusal";
    // Some say "stop" whatever the reason was.
    if (why_ == Finish::stop && has_called_) return "tool_use";
    return stop_reason_of(why_);
  }

  std::string id_;
  std::string model_;
  UsageSaid usage_;
  Finish why_ = Finish::stop;
  std::string stop_sequence_;
  bool has_begun_ = false;
  bool has_refused_ = false;
  bool is_over_ = false;
};

class StreamSpeaker final : public MessageSpeaker {
 public:
  using MessageSpeaker::MessageSpeaker;

  void text(std::string_view piece) override {
    if (piece.empty() || is_over()) return;
    begin({});
    // Text may have blocks after it, but calls that are not over yet come first.
    if (!blocks_.empty() && blocks_.back().is_call) {
      blocks_.push_back({});
      if (blocks_.size() == 1) open();
    } else if (blocks_.empty()) {
      blocks_.push_back({});
      open();
    }
    grow(blocks_.back(), piece);
  }
  void call(std::uint32_t number, std::string_view id, std::string_view tool) override {
    if (is_over()) return;
    begin({});
    has_called_ = true;
    if (blocks_.size() == 1 && !blocks_.front().is_call) close();
    blocks_.push_back({.is_call = true, .number = number, .id = std::string(id), .tool = std::string(tool), .text = {}});
    if (blocks_.size() == 1) open();
  }
  void arguments(std::uint32_t number, std::string_view piece) override {
    if (piece.empty() || is_over()) return;
    if (Block* block = call_in(blocks_, number)) grow(*block, piece);
  }
  void finish(Finish why, std::string_view stop_sequence) override {
    if (is_over()) return;
    MessageSpeaker::finish(why, stop_sequence);
    flush();
  }

 private:
  void begun() override {
    event("message_start", [this](Object& object) {
      Object message(object.name("message"));
      write_head(message);
      message.json("content", "[]");
      message.json("stop_reason", "null");
      message.json("stop_sequence", "null");
      write_usage(message.name("usage"));
    });
  }
  // A stream in which nothing comes for long is given up by some; a keep-alive tells nothing of what is thought.
  void thought() override {
    if (thoughts_++ % k_thoughts_a_ping == 0) event("ping", [](Object&) {});
  }
  void failed(const ErrorSaid& error) override { out_ += error_event(error); }
  void ended() override {
    flush();
    event("message_delta", [this](Object& object) {
      {
        Object delta(object.name("delta"));
        write_stop(delta);
      }
      write_usage(object.name("usage"));
    });
    event("message_stop", [](Object&) {});
  }

  template <class Write>
  void event(std::string_view name, Write&& write) {
    out_ += "event: ";
    out_ += name;
    out_ += "\ndata: ";
    {
      Object object(out_);
      object.string("type", name);
      write(object);
    }
    out_ += "\n\n";
  }

  // The first of the blocks is the one that is open.
  void open() {
    event("content_block_start", [this](Object& object) {
      object.number("index", index_);
      std::string& to = object.name("content_block");
      if (blocks_.front().is_call) {
        write_call(to, blocks_.front(), "{}");
      } else {
        to += R"({"type":"text","text":""})";
      }
    });
    if (const std::string waiting = std::exchange(blocks_.front().text, {}); !waiting.empty()) delta(waiting);
  }
  void grow(Block& block, std::string_view piece) {
    block.has_text = true;
    if (&block == &blocks_.front()) {
      delta(piece);
    } else {
      block.text += piece;
    }
  }
  void delta(std::string_view piece) {
    const bool is_call = blocks_.front().is_call;
    out_ += R"(event: content_block_delta
data: {"type":"content_block_delta","index":)";
    append_number(out_, index_);
    out_ += is_call ? R"(,"delta":{"type":"input_json_delta","partial_json":)" : R"(,"delta":{"type":"text_delta","text":)";
    append_string(out_, piece);
    out_ += "}}\n\n";
  }
  void close() {
    if (blocks_.front().is_call && !blocks_.front().has_text) delta("{}");
    event("content_block_stop", [this](Object& object) { object.number("index", index_); });
    ++index_;
    blocks_.pop_front();
  }
  void flush() {
    while (!blocks_.empty()) {
      close();
      if (!blocks_.empty()) open();
    }
  }

  std::deque<Block> blocks_;                              // the open one, and those that wait for it
  static constexpr std::uint64_t k_thoughts_a_ping = 64;  // about a second of a fast model
  std::uint64_t index_ = 0;                               // of the open one
  std::uint64_t thoughts_ = 0;                            // pieces of reasoning that were left out
};

class BlockingSpeaker final : public MessageSpeaker {
 public:
  using MessageSpeaker::MessageSpeaker;

  void text(std::string_view piece) override {
    if (piece.empty()) return;
    if (blocks_.empty() || blocks_.back().is_call) blocks_.push_back({});
    blocks_.back().text += piece;
  }
  void call(std::uint32_t number, std::string_view id, std::string_view tool) override {
    has_called_ = true;
    blocks_.push_back({.is_call = true, .number = number, .id = std::string(id), .tool = std::string(tool), .text = {}});
  }
  void arguments(std::uint32_t number, std::string_view piece) override {
    if (Block* block = call_in(blocks_, number)) block->text += piece;
  }

 private:
  void begun() override {}
  void thought() override {}
  void failed(const ErrorSaid& error) override { out_ = error_body(error); }
  void ended() override {
    Object message(out_);
    write_head(message);
    {
      List content(message.name("content"));
      for (const Block& block : blocks_) write(block, content.item());
    }
    write_stop(message);
    write_usage(message.name("usage"));
  }
  void write(const Block& block, std::string& to) const {
    if (!block.is_call) {
      Object object(to);
      object.string("type", "text");
      object.string("text", block.text);
      return;
    }
    bool changed = false;
    write_call(to, block, input_of(block.text, changed));
  }

  std::vector<Block> blocks_;
};

}  // namespace

std::unique_ptr<Speaker> make_speaker(const SpeakerOptions& options) {
  if (options.stream) return std::make_unique<StreamSpeaker>(options);
  return std::make_unique<BlockingSpeaker>(options);
}

}  // namespace outrigger::providers::anthropic
