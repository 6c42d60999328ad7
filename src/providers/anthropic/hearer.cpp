#include "providers/anthropic/hearer.h"

#include <string>
#include <utility>
#include <vector>

#include "providers/anthropic/event.h"
#include "providers/anthropic/notices.h"
#include "providers/anthropic/object.h"
#include "providers/anthropic/stored.h"
#include "providers/json_doc.h"
#include "providers/sse.h"

namespace outrigger::providers::anthropic {
namespace {

Finish finish_of(std::string_view stop_reason) {
  if (stop_reason == "end_turn") return Finish::stop;
  if (stop_reason == "tool_use") return Finish::tool_calls;
  if (stop_reason == "stop_sequence") return Finish::stop_sequence;
  if (stop_reason == "refusal") return Finish::refused;
  return Finish::length;  // max_tokens and its kin; what is not known ("pause_turn") is not whole either
}

class BlockingHearer final : public Hearer {
 public:
  void feed(std::string_view data, Speaker& /*to*/) override {
    if (data.size() > k_body_size_max - body_.size()) is_too_large_ = true;
    if (!is_too_large_) body_ += data;
  }
  void finish(Speaker& to) override {
    if (is_too_large_) return;
    const JsonDoc doc = JsonDoc::read(body_);
    if (is_error(doc.root())) return to.error(hear_error(0, body_));
    yyjson_val* content = member(doc.root(), "content");
    if (!yyjson_is_arr(content)) return;
    to.begin(text_in(doc.root(), "model"));
    std::uint32_t calls = 0;
    for_each_item(content, [&](yyjson_val* block) { take(block, calls, to); });
    if (yyjson_val* usage = member(doc.root(), "usage"); yyjson_is_obj(usage)) {
      UsageTold told;
      told.take(usage);
      to.usage(told.said());
    }
    // Without a reason it is not known to be whole.
    const auto reason = string_of(member(doc.root(), "stop_reason"));
    if (!reason) return;
    to.finish(finish_of(*reason), text_in(doc.root(), "stop_sequence"));
    to.end();
  }
  [[nodiscard]] std::uint64_t skipped() const override { return skipped_; }

 private:
  static constexpr std::size_t k_body_size_max = std::size_t{64} << 20;

  void take(yyjson_val* block, std::uint32_t& calls, Speaker& to) {
    switch (block_type(text_in(block, "type"))) {
      case BlockType::text:
        if (!is_nothing(member(block, "citations"))) ++skipped_;
        if (const auto text = text_in(block, "text"); !text.empty()) to.text(text);
        break;
      case BlockType::thinking:
        if (const auto text = text_in(block, "thinking"); !text.empty()) to.reasoning(text);
        break;
      case BlockType::call: {
        yyjson_val* input = member(block, "input");
        const std::uint32_t number = calls++;
        to.call(number, text_in(block, "id"), text_in(block, "name"));
        to.arguments(number, is_nothing(input) ? "{}" : json_of(input));
        break;
      }
      default:
        ++skipped_;
    }
  }

  std::string body_;
  std::uint64_t skipped_ = 0;
  bool is_too_large_ = false;
};

class StreamHearer final : public Hearer {
 public:
  void feed(std::string_view data, Speaker& to) override {
    if (opening_.shows_object(data)) blocking_ = std::make_unique<BlockingHearer>();
    if (blocking_) return blocking_->feed(data, to);
    while (const std::optional<SseEvent> event = splitter_.next(data)) take(*event, to);
  }
  void finish(Speaker& to) override {
    if (blocking_) return blocking_->finish(to);
    const std::optional<SseEvent> last = splitter_.rest();
    if (last && !last->comment_only && JsonDoc::read(trimmed(last->data)).root() != nullptr) take(*last, to);
  }
  [[nodiscard]] std::uint64_t skipped() const override { return blocking_ ? blocking_->skipped() : skipped_; }

 private:
  struct Block {
    BlockType type = BlockType::other;
    bool is_open = false;
    bool has_arguments = false;
    std::uint32_t call = 0;
  };

  void take(const SseEvent& event, Speaker& to);
  void begin(yyjson_val* message, Speaker& to);
  void block_start(yyjson_val* root, Speaker& to);
  void block_delta(yyjson_val* root, Speaker& to);
  void block_stop(yyjson_val* root, Speaker& to);
  void message_delta(yyjson_val* root, Speaker& to);
  void usage(yyjson_val* told, Speaker& to) {
    if (!yyjson_is_obj(told)) return;
    usage_.take(told);
    to.usage(usage_.said());
  }
  void end(Speaker& to) {
    is_over_ = true;
    begin(nullptr, to);
    if (!has_finished_) to.finish(Finish::length, {});  // nobody said why it ends
    to.end();
  }
  // The block that the event is of; null when it has not begun, or is over.
  Block* open_block(yyjson_val* root) {
    const auto index = whole_number_of(member(root, "index"));
    const bool is_open = index && *index < blocks_.size() && blocks_[*index].is_open && !has_finished_;
    if (!is_open) ++skipped_;
    return is_open ? &blocks_[*index] : nullptr;
  }

  SseSplitter splitter_;
  std::vector<Block> blocks_;  // by index
  UsageTold usage_;
  std::uint32_t calls_ = 0;
  std::uint64_t skipped_ = 0;
  std::unique_ptr<BlockingHearer> blocking_;
  Opening opening_;
  bool has_begun_ = false;
  bool has_finished_ = false;
  bool is_over_ = false;  // after the end mark or an error nothing more is said
};

void StreamHearer::take(const SseEvent& event, Speaker& to) {
  const std::string_view data = trimmed(event.data);
  if (is_over_ || data.empty() || data == "[DONE]") return;
  const JsonDoc doc = JsonDoc::read(data);
  yyjson_val* root = doc.root();
  switch (event_type(root, event.name)) {
    case EventType::message_start:
      begin(member(root, "message"), to);
      usage(member(member(root, "message"), "usage"), to);
      break;
    case EventType::block_start:
      block_start(root, to);
      break;
    case EventType::block_delta:
      block_delta(root, to);
      break;
    case EventType::block_stop:
      block_stop(root, to);
      break;
    case EventType::message_delta:
      message_delta(root, to);
      break;
    case EventType::message_stop:
      end(to);
      break;
    case EventType::ping:
      break;
    case EventType::error:
      is_over_ = true;
      to.error(hear_error(0, data));
      break;
    case EventType::unknown:
      ++skipped_;
  }
}

void StreamHearer::begin(yyjson_val* message, Speaker& to) {
  if (std::exchange(has_begun_, true)) return;
  to.begin(text_in(message, "model"));
}

void StreamHearer::block_start(yyjson_val* root, Speaker& to) {
  begin(nullptr, to);
  const auto index = whole_number_of(member(root, "index"));
  yyjson_val* content = member(root, "content_block");
  if (!index || *index >= k_blocks_max || has_finished_) {
    ++skipped_;
    return;
  }
  if (*index >= blocks_.size()) blocks_.resize(*index + 1);
  Block& block = blocks_[*index];
  if (block.is_open) {
    ++skipped_;
    return;
  }
  block = {.type = block_type(text_in(content, "type")), .is_open = true};
  switch (block.type) {
    case BlockType::text:
      if (const auto text = text_in(content, "text"); !text.empty()) to.text(text);
      break;
    case BlockType::thinking:
      if (const auto text = text_in(content, "thinking"); !text.empty()) to.reasoning(text);
      break;
    case BlockType::call:
      block.call = calls_++;
      to.call(block.call, text_in(content, "id"), text_in(content, "name"));
      if (yyjson_val* input = member(content, "input"); !is_nothing(input)) {
        block.has_arguments = true;
        to.arguments(block.call, json_of(input));
      }
      break;
    default:
      ++skipped_;
  }
}

void StreamHearer::block_delta(yyjson_val* root, Speaker& to) {
  Block* block = open_block(root);
  if (block == nullptr) return;
  yyjson_val* delta = member(root, "delta");
  const DeltaType type = delta_type(text_in(delta, "type"));
  const std::string_view grown = grown_member(type);
  const std::string_view piece = grown.empty() ? std::string_view() : text_in(delta, grown);
  if (type == DeltaType::text && block->type == BlockType::text) {
    if (!piece.empty()) to.text(piece);
  } else if (type == DeltaType::thinking && block->type == BlockType::thinking) {
    if (!piece.empty()) to.reasoning(piece);
  } else if (type == DeltaType::input_json && block->type == BlockType::call) {
    if (piece.empty()) return;
    block->has_arguments = true;
    to.arguments(block->call, piece);
  } else if (type != DeltaType::input_json || block->type != BlockType::hosted_call) {
    ++skipped_;  // signatures and citations as well; what belongs to a block that is left out has been counted with it
  }
}

void StreamHearer::block_stop(yyjson_val* root, Speaker& to) {
  Block* block = open_block(root);
  if (block == nullptr) return;
  block->is_open = false;
  if (block->type == BlockType::call && !block->has_arguments) to.arguments(block->call, "{}");
}

void StreamHearer::message_delta(yyjson_val* root, Speaker& to) {
  begin(nullptr, to);
  usage(member(root, "usage"), to);
  yyjson_val* delta = member(root, "delta");
  const auto reason = string_of(member(delta, "stop_reason"));
  if (!reason || std::exchange(has_finished_, true)) return;
  to.finish(finish_of(*reason), text_in(delta, "stop_sequence"));
}

}  // namespace

std::unique_ptr<Hearer> make_hearer(bool streamed) {
  if (streamed) return std::make_unique<StreamHearer>();
  return std::make_unique<BlockingHearer>();
}

}  // namespace outrigger::providers::anthropic
