#include "trace/exporter.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "resilience/backoff.h"

namespace outrigger::trace {
namespace {

obs::Counter& declare(obs::Registry& registry, std::string_view outcome) {
  registry.declare_counter("outrigger_trace_spans_total", "Spans, by what became of them on the way to the collector.");
  return registry.counter("outrigger_trace_spans_total", {{"outcome", outcome}});
}

bool is_passing(int status) { return status == 429 || status == 502 || status == 503 || status == 504; }

// In seconds; as a date it is as if it were not there.
std::optional<Duration> read_retry_after(const http::Headers& headers) {
  const auto text = headers.get("retry-after");
  std::uint32_t value = 0;
  if (!text) return std::nullopt;
  const auto [end, problem] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (problem != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return std::min<Duration>(std::chrono::seconds(value), Exporter::k_retry_after_max);
}

}  // namespace

Exporter::Exporter(io::World world, http::Client& client, obs::Registry& registry, obs::Log& log)
    : world_(world),
      client_(client),
      log_(log),
      sent_(declare(registry, "sent")),
      rejected_(declare(registry, "rejected")),
      failed_(declare(registry, "failed")),
      dropped_(declare(registry, "dropped")) {}

void Exporter::set_collector(std::optional<Collector> collector) {
  collector_ = collector ? std::make_shared<const Collector>(std::move(*collector)) : nullptr;
  is_troubled_ = false;
  silent_until_ = {};
  if (collector_ == nullptr) drop_waiting();
}

void Exporter::drop_waiting() {
  dropped_.add(static_cast<double>(waiting_.size()));
  waiting_.clear();
  waiting_bytes_ = 0;
  if (batch_.empty()) timer_.cancel();
}

// ---- gathering -------------------------------------------------------------------------------------------------------

void Exporter::add(std::string span) {
  if (waiting_.size() >= k_spans_max || waiting_bytes_ + span.size() > k_bytes_max) return dropped_.add();
  waiting_bytes_ += span.size();
  waiting_.push_back(std::move(span));
  if (batch_.empty()) gather();
}

void Exporter::gather() {
  if (waiting_.size() >= k_batch) {
    // In a turn of its own: whoever has added the last one is answering a request.
    timer_ = world_.loop.after(0s, [this] { begin_batch(); });
  } else if (!timer_.pending()) {
    timer_ = world_.loop.after(k_delay, [this] { begin_batch(); });
  }
}

void Exporter::begin_batch() {
  std::vector<std::string> spans;
  while (!waiting_.empty() && spans.size() < k_batch) {
    waiting_bytes_ -= waiting_.front().size();
    spans.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  batch_for_ = collector_;
  batch_spans_ = spans.size();
  batch_ = Bytes::copy(obs::export_request(batch_for_->resource, spans));
  tries_ = 0;
  try_batch();
}

// ---- sending ---------------------------------------------------------------------------------------------------------

void Exporter::try_batch() {
  ++tries_;
  status_ = 0;
  retry_after_.reset();
  answer_.clear();
  http::CallOptions options;
  options.body = batch_;
  http::CallHandler& handler = *this;
  call_ = client_.start(batch_for_->origin, batch_for_->head, std::move(options), handler);
  timer_ = world_.loop.after(k_answer_time, [this] {
    call_.reset();
    fail("it does not answer in time", {});
  });
}

void Exporter::on_head(http::ResponseHead head) {
  status_ = head.status;
  retry_after_ = read_retry_after(head.headers);
}

void Exporter::on_body(const Bytes& data) {
  answer_.append(data.view().substr(0, k_answer_max - std::min(k_answer_max, answer_.size())));
  if (answer_.size() < k_answer_max) return;
  // Whatever this is, it is not for us; its status says enough.
  call_.reset();
  judge();
}

void Exporter::on_end() {
  call_.reset();
  judge();
}

void Exporter::on_error(Error error) {
  call_.reset();
  fail(traits(error.code).name, {});
}

void Exporter::judge() {
  if (is_passing(status_)) return fail(fmt::format("it answers {}", status_), retry_after_);
  if (status_ < 200 || status_ >= 300) {
    tries_ = k_tries;
    return fail(fmt::format("it answers {}", status_), {});
  }
  const auto rejected = std::min<std::uint64_t>(obs::rejected_spans(answer_), batch_spans_);
  rejected_.add(static_cast<double>(rejected));
  sent_.add(static_cast<double>(batch_spans_ - rejected));
  if (rejected > 0) {
    speak(LogLevel::warning,
          fmt::format("the collector {} has refused {} of {} spans", batch_for_->name, rejected, batch_spans_));
  } else if (std::exchange(is_troubled_, false)) {
    // Else this would stand as the last word though the next trouble has begun. One that comes and goes must not fill the log either.
    silent_until_ = world_.loop.now() + k_lull;
    log_.info(fmt::format("the collector {} takes spans again", batch_for_->name));
  }
  end_batch();
}

void Exporter::fail(std::string_view why, std::optional<Duration> again) {
  speak(LogLevel::warning,
        fmt::format("spans cannot be sent to {}: {}; requests are not held up, but their spans are lost while this lasts",
                    batch_for_->name, why));
  if (tries_ >= k_tries) {
    failed_.add(static_cast<double>(batch_spans_));
    return end_batch();
  }
  if (!rng_) rng_ = world_.rng.fork();
  // At least half of the base, so that a hasty series of tries is not all that a short restart gets.
  const Duration pause = k_backoff_base / 2 + resilience::full_jitter(static_cast<std::uint32_t>(tries_ - 1), k_backoff_base,
                                                                      k_backoff_cap, *rng_);
  timer_ = world_.loop.after(again.value_or(pause), [this] { try_batch(); });
}

void Exporter::end_batch() {
  timer_.cancel();
  batch_ = {};
  batch_for_.reset();
  if (waiting_.empty()) return end_flush();
  if (flushed_) {
    timer_ = world_.loop.after(0s, [this] { begin_batch(); });
  } else {
    gather();
  }
}

// One line when it begins, and one in a long while as long as it lasts. What begins just after an end waits a moment for its line.
void Exporter::speak(LogLevel level, std::string_view words) {
  if (world_.loop.now() < silent_until_) return;
  silent_until_ = world_.loop.now() + k_silence;
  is_troubled_ = true;
  log_.line(level, words);
}

// ---- the end ---------------------------------------------------------------------------------------------------------

void Exporter::flush(Duration limit, std::function<void()> done) {
  flushed_ = std::move(done);
  flush_limit_ = world_.loop.after(is_idle() ? 0s : limit, [this] { end_flush(); });
  if (batch_.empty() && !waiting_.empty()) timer_ = world_.loop.after(0s, [this] { begin_batch(); });
}

void Exporter::end_flush() {
  flush_limit_.cancel();
  if (flushed_) std::exchange(flushed_, nullptr)();
}

}  // namespace outrigger::trace
