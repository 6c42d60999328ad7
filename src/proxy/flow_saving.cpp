// What a Flow's answer has saved.
#include <algorithm>

#include "proxy/bill.h"
#include "proxy/flow.h"
#include "proxy/llm_door.h"

namespace outrigger::proxy {

// What this request did not cost, when it did not.
void Flow::book_saving(const providers::Usage& usage) {
  usage_ = usage;
  const std::string& model = judgement_.request.model;
  // "upstream:model". Where that is the model asked for, the book knows its built-in price without looking it up again.
  const std::string_view answering = std::string_view(served_by_).substr(std::min(served_by_.find(':'), served_by_.size()));
  const bool is_alias = answering.size() > 1 && answering.substr(1) != model;
  const auto price = is_alias ? price_of(*snapshot_, model, answering.substr(1)) : snapshot_->price(model);
  saved_usd_ = door_.metrics().savings().book(model, saved_by(result_), usage.prompt_tokens, usage.completion_tokens, price);
  saved_tokens_ = usage.prompt_tokens + usage.completion_tokens;
}

void Flow::book_shared() {
  if (fill_->head().status != 200) return;
  if (const auto& answer = fill_->answer()) book_saving(usage_of(*answer, judgement_.request.prompt_tokens));
}

}  // namespace outrigger::proxy
