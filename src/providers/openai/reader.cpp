#include "providers/openai/reader.h"

#include <utility>

#include "chat/request.h"

namespace outrigger::providers::openai {
namespace {

using enum chat::NoStoreReason;

std::optional<Usage> counts_of(const Gathered& gathered) {
  if (!gathered.usage) return std::nullopt;
  return gathered.usage->usage;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

}  // namespace

void Gathered::take(Chunk& chunk) {
  if (chunk.usage()) usage = std::move(chunk.usage());
  error = error || chunk.error();
  not_understood = not_understood || !chunk.understood();
  if (error || not_understood) {
    pieces = {};
    return;
  }
  if (model.empty()) model = chunk.model();
  if (chunk.worth_keeping()) pieces.add(chunk.piece());
}

std::expected<Answer, chat::NoStoreReason> Gathered::conclude(Form form, bool streamed, Ending ending) {
  if (error) return std::unexpected(error_in_answer);
  if (not_understood) return std::unexpected(chat::NoStoreReason::not_understood);
  const std::optional<Merged> merged = merge(PieceReader::over(pieces.pieces()), streamed);
  if (!merged) return std::unexpected(chat::NoStoreReason::not_understood);
  if (const auto reason = judge(*merged, streamed, ending)) return std::unexpected(*reason);
  Answer answer;
  answer.estimated_completion_tokens = chat::estimate_tokens(all_text(*merged));
  answer.encoded = encode({.form = form,
                           .streamed = streamed,
                           .model = model,
                           .usage = usage,
                           .estimated_completion_tokens = answer.estimated_completion_tokens},
                          pieces.pieces());
  answer.model = model;
  if (usage) answer.usage = usage->usage;
  return answer;
}

void BlockingReader::feed(std::string_view data) {
  if (gathered_.not_understood) return;
  if (data.size() > k_body_size_max - body_.size()) {
    gathered_.not_understood = true;
    std::exchange(body_, {});
    return;
  }
  body_ += data;
}

std::expected<Answer, chat::NoStoreReason> BlockingReader::finish() {
  if (!gathered_.not_understood) {
    Chunk chunk;
    chunk.read(body_, form_, false);
    gathered_.take(chunk);
  }
  return gathered_.conclude(form_, false, Ending::whole);
}

std::optional<Usage> BlockingReader::usage() const { return counts_of(gathered_); }

void StreamReader::feed(std::string_view data) {
  if (opening_.shows_object(data)) blocking_ = std::make_unique<BlockingReader>(form_);
  if (blocking_) return blocking_->feed(data);
  while (const std::optional<SseEvent> event = splitter_.next(data)) {
    if (events_.size() == k_events_max) {
      gathered_.not_understood = true;
      return;
    }
    events_.push_back({event->end, take(*event)});
  }
  if (splitter_.overflowed()) gathered_.not_understood = true;
}

EventKind StreamReader::take(const SseEvent& event) {
  const std::string_view data = trimmed(event.data);
  if (done_ || data.empty()) return EventKind::other;
  if (data == "[DONE]") {
    done_ = true;
    return EventKind::done;
  }
  chunk_.read(data, form_, true);
  const bool error = chunk_.error() || (event.name == "error" && !chunk_.has_choices());
  gathered_.error = gathered_.error || error;
  if (chunk_.has_summary() && had_delta_) chunk_.drop_summary();
  const EventKind kind = kind_of_chunk();
  gathered_.take(chunk_);
  return error ? EventKind::error : kind;
}

EventKind StreamReader::kind_of_chunk() {
  // What cannot be read is something all the same: a reader gets it, and must not be called stalled while it comes.
  if (!chunk_.understood()) return EventKind::token;
  had_delta_ = had_delta_ || (chunk_.has_token() && !chunk_.has_summary());
  if (chunk_.has_token()) return EventKind::token;
  return chunk_.has_usage() && !chunk_.has_choices() ? EventKind::usage : EventKind::other;
}

std::expected<Answer, chat::NoStoreReason> StreamReader::finish() {
  if (blocking_) return blocking_->finish();
  std::optional<Event> last;
  const Ending ending = end(last);
  auto verdict = gathered_.conclude(form_, true, ending);
  // Of an answer that was cut nobody should be given the piece of an event: words about the cut may have to follow.
  const bool was_cut = !verdict && verdict.error() == chat::NoStoreReason::cut;
  if (last && !was_cut) events_.push_back(*last);
  return verdict;
}

Ending StreamReader::end(std::optional<Event>& unterminated) {
  const std::optional<SseEvent> last = done_ ? std::nullopt : splitter_.rest();
  bool whole = !last || last->comment_only;
  if (!whole) {
    const std::string_view data = trimmed(last->data);
    whole = data == "[DONE]" || JsonDoc::read(data).root() != nullptr;
    if (whole) unterminated = Event{last->end, take(*last)};
  }
  if (done_) return Ending::whole;
  return whole ? Ending::no_mark : Ending::in_event;
}

std::optional<Usage> StreamReader::usage() const { return blocking_ ? blocking_->usage() : counts_of(gathered_); }

bool StreamReader::saw_error() const { return blocking_ ? blocking_->saw_error() : gathered_.error; }

}  // namespace outrigger::providers::openai
