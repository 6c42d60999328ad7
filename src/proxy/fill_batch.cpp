// The part of a Fill that is about embeddings: answers for several texts, of which some may be known.
#include "proxy/fill.h"
#include "proxy/fills.h"

namespace outrigger::proxy {

void Fill::complete_batch() {
  assembled_ = Bytes::copy(order_.batch->render(order_.storing->usage, order_.storing->meta.model));
  enter(State::complete);
}

// The parts of a batch cannot be put together: ask for all of it, as the client did, and pass the answer on as it comes.
void Fill::ask_for_everything() {
  settle_bill();
  order_.batch.reset();
  owner_.calling_.held -= recording_.held();
  recording_ = {};
  is_answered_ = false;
  stop_keeping_whole();
  attempts_ = attempts();
  tried_ = tried();
  waited_ = waited();
  call_upstream();
}

void Fill::accept_batch() {
  const auto unknown = order_.batch->unknown();
  const bool whole = order_.batch->is_whole(unknown);
  if (not_stored_) {
    if (!whole) ask_for_everything();
    return;
  }
  cache::Meta meta = order_.storing->meta;
  meta.stored_at = owner_.calling_.world.loop.wall_now();
  const Bytes body = recording_.piece(0, recording_.end());
  const auto entries = order_.batch->accept(body.view(), unknown, meta);
  if (!entries) {
    refuse_storing(entries.error());
    if (!whole) ask_for_everything();
    return;
  }
  std::uint64_t paid = 0;
  for (const cache::EntryPtr& entry : *entries) {
    paid += entry->meta().prompt_tokens;
    if (!storing_forbidden_) owner_.store_.put(entry);
  }
  owner_.calling_.metrics.count_tokens(served_by(), paid, 0);
  order_.call.trace.note_usage({paid, 0});
  pursuit_->settle(paid);
  bill_.charge(pursuit_->served_by(), {paid, 0});
  if (!whole) assembled_ = Bytes::copy(order_.batch->render(UsagePolicy::original, order_.storing->meta.model));
}

}  // namespace outrigger::proxy
