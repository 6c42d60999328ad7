// The paying half of Fill: what its calls cost, and what happens when its payer may not spend more.
#include <algorithm>

#include "proxy/fill.h"
#include "proxy/fills.h"

namespace outrigger::proxy {
namespace {

// Of prose in JSON, roughly.
constexpr std::uint64_t k_bytes_of_token = 4;

}  // namespace

// What is there of the answer costs nothing, so an old one is better than none. The operator's fixed words are for when targets fail.
void Fill::on_refused() {
  if (serve_stale()) return;
  if (refusal_->retry_after > Duration::zero()) retry_after_ = refusal_->retry_after;
  error_ = {refusal_->code, {}};
  enter(State::failed);
}

// What the call under way, or the one that has just ended, took: as its provider counted, else by estimate. Of an answer that has not
// come to its end the provider may have told less than what came.
providers::Usage Fill::used_so_far() const {
  providers::Usage used{std::max<std::uint64_t>(order_.call.prompt_tokens, uploaded_ / k_bytes_of_token), 0};
  if (order_.batch) {
    used.prompt_tokens = 0;
    for (const std::size_t i : order_.batch->unknown()) used.prompt_tokens += order_.batch->elements()[i].tokens;
  }
  if (!is_answered_) return used;
  if (answer_) {
    used.completion_tokens = answer_->estimated_completion_tokens;
  } else if (order_.call.output_tokens > 0 && sse_ && reader_) {
    used.completion_tokens = static_cast<std::uint64_t>(
        std::ranges::count(reader_->events(), providers::EventKind::token, &providers::Event::kind));
  } else if (order_.call.output_tokens > 0) {
    used.completion_tokens = recording_.end() / k_bytes_of_token;
  }
  // Nobody will tell here what it comes to. What a budget is for is not overrun when it counts as much as it may be.
  const bool goes_on = order_.call.is_background && bill_.is_metered() && !(reader_ && reader_->saw_error());
  if (goes_on) used.completion_tokens = order_.call.needs.max_output.value_or(ClientAccount::k_unknown_output);
  const auto told = usage();
  if (told && told->prompt_tokens > 0) used.prompt_tokens = told->prompt_tokens;
  if (told && (is_count_final_ || told->completion_tokens > used.completion_tokens))
    used.completion_tokens = told->completion_tokens;
  return used;
}

// The call is over, or is given up. What passes through is not read, so nobody knows what it costs; where its payer has limits it counts
// by its size.
void Fill::settle_bill() {
  if (!bill_.is_open()) return;
  const bool has_answered = is_answered_ && head_.status == 200;
  const bool is_asked = !is_answered_ && pursuit_ != nullptr && pursuit_->is_running();
  const bool is_counted = order_.call.endpoint != chat::Endpoint::other || bill_.is_metered();
  if (!is_counted || !(has_answered || is_asked)) return bill_.drop();
  bill_.charge(pursuit_->served_by(), used_so_far());
}

Spent Fill::spent() const {
  Spent spent = bill_.spent();
  const bool is_under_way =
      bill_.is_open() && is_answered_ && head_.status == 200 && order_.call.endpoint != chat::Endpoint::other;
  if (!is_under_way) return spent;
  const providers::Usage used = used_so_far();
  spent.usd += bill_.cost(pursuit_->served_by(), used);
  spent.tokens += used.prompt_tokens + used.completion_tokens;
  return spent;
}

}  // namespace outrigger::proxy
