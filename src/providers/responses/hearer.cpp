#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include "providers/responses/json.h"
#include "providers/responses/translation.h"
#include "providers/responses/verdict.h"
#include "providers/sse.h"

namespace outrigger::providers::responses {
namespace {

constexpr std::size_t k_body_size_max = std::size_t{64} << 20;

// What of an answer has been said already, and how it ends. Shared by both hearers.
class Telling {
 public:
  std::uint64_t skipped = 0;
  [[nodiscard]] bool over() const { return over_; }

  void begin(std::string_view model, Speaker& to) {
    if (!std::exchange(begun_, true)) to.begin(model);
  }
  void text(std::uint64_t output, std::uint64_t part, std::string_view piece, Speaker& to) {
    if (piece.empty()) return;
    begin({}, to);
    said_text_ = true;
    mark(output, part);
    to.text(piece);
  }
  void refusal(std::uint64_t output, std::uint64_t part, std::string_view piece, Speaker& to) {
    if (piece.empty()) return;
    begin({}, to);
    said_refusal_ = true;
    mark(output, part);
    to.refusal(piece);
  }
  // Summaries have numbers; between two of them is a blank line.
  void reasoning(std::uint64_t output, std::uint64_t part, std::string_view piece, Speaker& to) {
    if (piece.empty()) return;
    begin({}, to);
    if (reasoning_ && *reasoning_ != std::pair(output, part)) to.reasoning("\n\n");
    reasoning_ = {output, part};
    to.reasoning(piece);
  }
  // A call begins when it has its name.
  void call(std::uint64_t output, yyjson_val* item, Speaker& to) {
    if (text_in(item, "name").empty() || calls_.size() == k_items_max) return;
    const auto [place, is_new] = calls_.try_emplace(output, Call{static_cast<std::uint32_t>(calls_.size())});
    if (is_new) {
      begin({}, to);
      to.call(place->second.number, text_in(item, "call_id"), text_in(item, "name"));
    }
  }
  void arguments(std::uint64_t output, std::string_view piece, Speaker& to) {
    const auto call = calls_.find(output);
    if (call == calls_.end()) return static_cast<void>(++skipped);
    if (piece.empty()) return;
    call->second.has_arguments = true;
    to.arguments(call->second.number, piece);
  }

  // An item that is complete: says what no delta has said.
  void whole_item(std::uint64_t output, yyjson_val* item, Speaker& to);
  // The final object. `blocking`: nothing of it has been said.
  void conclude(yyjson_val* response, bool blocking, Speaker& to);
  void fail(yyjson_val* error, Speaker& to) {
    over_ = true;
    to.error(error_in(error, 0));
  }

 private:
  struct Call {
    std::uint32_t number = 0;
    bool has_arguments = false;
  };

  void mark(std::uint64_t output, std::uint64_t part) {
    if (last_ == std::pair(output, part)) return;
    last_ = {output, part};
    if (said_.size() < k_items_max) said_.try_emplace(last_, true);
  }
  void whole_message(std::uint64_t output, yyjson_val* item, Speaker& to);
  void usage(yyjson_val* told, Speaker& to);
  void finish(yyjson_val* response, Speaker& to);

  std::map<std::pair<std::uint64_t, std::uint64_t>, bool> said_;  // parts of which something has been said
  std::pair<std::uint64_t, std::uint64_t> last_{UINT64_MAX, 0};   // the last of them
  std::map<std::uint64_t, Call> calls_;                           // by output_index
  std::optional<std::pair<std::uint64_t, std::uint64_t>> reasoning_;
  bool begun_ = false;
  bool over_ = false;
  bool said_text_ = false;
  bool said_refusal_ = false;
};

void Telling::whole_item(std::uint64_t output, yyjson_val* item, Speaker& to) {
  const std::string_view type = text_in(item, "type");
  if (type == "message") return whole_message(output, item, to);
  if (type == "function_call") {
    call(output, item, to);
    const auto call = calls_.find(output);
    if (call == calls_.end()) return static_cast<void>(++skipped);
    if (!call->second.has_arguments) arguments(output, text_in(item, "arguments"), to);
  } else if (type == "reasoning") {
    if (reasoning_ && reasoning_->first == output) return;
    const auto say = [&](std::uint32_t number, yyjson_val* part) { reasoning(output, number, text_in(part, "text"), to); };
    each(member(item, "summary"), say);
    each(member(item, "content"), say);
  } else {
    ++skipped;
  }
}

void Telling::whole_message(std::uint64_t output, yyjson_val* item, Speaker& to) {
  each(member(item, "content"), [&](std::uint32_t number, yyjson_val* part) {
    if (said_.contains({output, number})) return;
    const std::string_view type = text_in(part, "type");
    if (type == "output_text") {
      text(output, number, text_in(part, "text"), to);
    } else if (type == "refusal") {
      refusal(output, number, text_in(part, "refusal"), to);
    } else {
      ++skipped;
    }
  });
}

void Telling::usage(yyjson_val* told, Speaker& to) {
  if (!yyjson_is_obj(told)) return;
  const auto count = [](yyjson_val* object, std::string_view name) {
    return whole_number_of(member(object, name)).value_or(0);
  };
  to.usage({.input = count(told, "input_tokens"),
            .output = count(told, "output_tokens"),
            .cached = count(member(told, "input_tokens_details"), "cached_tokens"),
            .cache_written = count(member(told, "input_tokens_details"), "cache_write_tokens"),
            .reasoning = count(member(told, "output_tokens_details"), "reasoning_tokens")});
}

void Telling::finish(yyjson_val* response, Speaker& to) {
  if (text_in(response, "status") == "incomplete") {
    const bool filtered = text_in(member(response, "incomplete_details"), "reason") == "content_filter";
    return to.finish(filtered ? Finish::filtered : Finish::length, {});
  }
  if (!calls_.empty()) return to.finish(Finish::tool_calls, {});
  to.finish(said_refusal_ && !said_text_ ? Finish::refused : Finish::stop, {});
}

void Telling::conclude(yyjson_val* response, bool blocking, Speaker& to) {
  if (!yyjson_is_obj(response)) return static_cast<void>(++skipped);
  begin(text_in(response, "model"), to);
  // A final object may count its items in another way than the stream did; it is only asked when that has said nothing.
  if (blocking || (!said_text_ && !said_refusal_ && calls_.empty())) {
    const std::uint64_t counted = skipped;
    each(member(response, "output"), [&](std::uint32_t index, yyjson_val* item) { whole_item(index, item, to); });
    if (!blocking) skipped = counted;  // what was skipped there has been skipped before
  }
  usage(member(response, "usage"), to);
  finish(response, to);
  over_ = true;
  to.end();
}

// An answer in one piece, also when it came instead of a stream.
void hear_body(std::string& body, Telling& telling, Speaker& to) {
  const JsonDoc doc = JsonDoc::read_in_place(body);
  yyjson_val* root = doc.root();
  const std::string_view status = text_in(root, "status");
  if (yyjson_val* error = member(root, "error"); !is_nothing(error) || status == "failed") {
    telling.fail(error, to);
  } else if (text_in(root, "type") == "error") {
    telling.fail(root, to);
  } else if (yyjson_is_arr(member(root, "output")) && (status.empty() || status == "completed" || status == "incomplete")) {
    telling.conclude(root, true, to);
  } else {
    ++telling.skipped;
  }
}

class BlockingHearer final : public Hearer {
 public:
  void feed(std::string_view data, Speaker& /*to*/) override {
    too_long_ = too_long_ || data.size() > k_body_size_max - body_.size();
    if (!too_long_) body_ += data;
  }
  void finish(Speaker& to) override {
    if (!too_long_) hear_body(body_, telling_, to);
  }
  [[nodiscard]] std::uint64_t skipped() const override { return telling_.skipped; }

 private:
  std::string body_;
  Telling telling_;
  bool too_long_ = false;
};

class StreamHearer final : public Hearer {
 public:
  void feed(std::string_view data, Speaker& to) override;
  void finish(Speaker& to) override;
  [[nodiscard]] std::uint64_t skipped() const override { return blocking_ ? blocking_->skipped() : telling_.skipped; }

 private:
  void take(const SseEvent& event, Speaker& to);
  void take_known(std::string_view type, yyjson_val* root, Speaker& to);
  bool take_delta(std::string_view type, yyjson_val* root, Speaker& to);

  SseSplitter splitter_;
  Telling telling_;
  std::unique_ptr<BlockingHearer> blocking_;
  Opening opening_;
};

void StreamHearer::feed(std::string_view data, Speaker& to) {
  if (opening_.shows_object(data)) blocking_ = std::make_unique<BlockingHearer>();
  if (blocking_) return blocking_->feed(data, to);
  while (const std::optional<SseEvent> event = splitter_.next(data)) take(*event, to);
}

void StreamHearer::finish(Speaker& to) {
  if (blocking_) return blocking_->finish(to);
  if (const std::optional<SseEvent> last = splitter_.rest()) take(*last, to);
}

void StreamHearer::take(const SseEvent& event, Speaker& to) {
  if (telling_.over() || !event.has_data) return;
  const JsonDoc doc = JsonDoc::read(event.data);
  const std::string_view own = text_in(doc.root(), "type");
  const std::string_view type = own.empty() ? event.name : own;
  yyjson_val* error = member(doc.root(), "error");
  if (type == "error" || (own.empty() && !is_nothing(error))) {
    telling_.fail(is_nothing(error) ? doc.root() : error, to);
  } else if (yyjson_is_obj(doc.root())) {
    take_known(type, doc.root(), to);
  } else if (event.data.find("[DONE]") == std::string_view::npos) {
    ++telling_.skipped;
  }
}

bool StreamHearer::take_delta(std::string_view type, yyjson_val* root, Speaker& to) {
  const std::string_view delta = text_in(root, "delta");
  const auto index = [&](std::string_view name) { return whole_number_of(member(root, name)).value_or(0); };
  const std::uint64_t output = index("output_index");
  if (type == "response.output_text.delta") {
    telling_.text(output, index("content_index"), delta, to);
  } else if (type == "response.function_call_arguments.delta") {
    telling_.arguments(output, delta, to);
  } else if (type == "response.refusal.delta") {
    telling_.refusal(output, index("content_index"), delta, to);
  } else if (type == "response.reasoning_summary_text.delta") {
    telling_.reasoning(output, index("summary_index"), delta, to);
  } else if (type == "response.reasoning_text.delta") {
    telling_.reasoning(output, index("content_index"), delta, to);
  } else {
    return false;
  }
  return true;
}

// What only repeats, or says where something begins and ends.
constexpr std::array<std::string_view, 11> k_frames{"response.in_progress",
                                                    "response.queued",
                                                    "response.content_part.added",
                                                    "response.content_part.done",
                                                    "response.output_text.done",
                                                    "response.refusal.done",
                                                    "response.function_call_arguments.done",
                                                    "response.reasoning_summary_part.added",
                                                    "response.reasoning_summary_part.done",
                                                    "response.reasoning_summary_text.done",
                                                    "response.reasoning_text.done"};

void StreamHearer::take_known(std::string_view type, yyjson_val* root, Speaker& to) {
  if (take_delta(type, root, to)) return;
  const std::uint64_t output = whole_number_of(member(root, "output_index")).value_or(0);
  yyjson_val* response = member(root, "response");
  if (type == "response.created") {
    telling_.begin(text_in(response, "model"), to);
  } else if (type == "response.output_item.added") {
    yyjson_val* item = member(root, "item");
    if (text_in(item, "type") != "function_call") return;
    telling_.call(output, item, to);
    if (const std::string_view begun = text_in(item, "arguments"); !begun.empty()) telling_.arguments(output, begun, to);
  } else if (type == "response.output_item.done") {
    telling_.whole_item(output, member(root, "item"), to);
  } else if (type == "response.completed" || type == "response.incomplete") {
    telling_.conclude(response, false, to);
  } else if (type == "response.failed") {
    telling_.fail(member(response, "error"), to);
  } else if (std::ranges::find(k_frames, type) == k_frames.end()) {
    ++telling_.skipped;
  }
}

}  // namespace

std::unique_ptr<Hearer> make_hearer(bool streamed) {
  if (streamed) return std::make_unique<StreamHearer>();
  return std::make_unique<BlockingHearer>();
}

ErrorSaid error_in(yyjson_val* error, int status) {
  ErrorSaid said{.status = status};
  if (const auto words = string_of(error)) {
    said.message = *words;
    return said;
  }
  // The type of an event says that it is one.
  if (const std::string_view type = text_in(error, "type"); type != "error") said.type = type;
  said.code = text_in(error, "code");
  if (const auto number = number_of(member(error, "code"))) said.code = *number;
  said.message = text_in(error, "message");
  return said;
}

ErrorSaid hear_error(int status, std::string_view body) {
  const JsonDoc doc = JsonDoc::read(body);
  yyjson_val* error = member(doc.root(), "error");
  return error_in(is_nothing(error) ? doc.root() : error, status);
}

}  // namespace outrigger::providers::responses
