#include "proxy/interpreter.h"

namespace outrigger::proxy {

void Interpreter::on_attempt_head(http::ResponseHead head) {
  status_ = head.status;
  const auto type = head.headers.get("content-type");
  const bool is_sse = type && type->starts_with("text/event-stream");
  const bool is_readable = !head.headers.get("content-encoding") && type && (is_sse || type->contains("json"));
  const bool is_answer = status_ == 200;
  const bool is_error = status_ >= 300;
  if (!is_error && !(is_answer && is_readable)) {
    return handler_.on_attempt_failed({ErrorCode::upstream_protocol, "neither JSON nor a stream of events"});
  }
  if (is_answer) {
    providers::SpeakerOptions options;
    options.stream = languages_.streamed;
    options.include_usage = languages_.include_usage;
    options.id_high = world_.rng.next();
    options.id_low = world_.rng.next();
    options.created = unix_seconds(world_.loop.wall_now());
    translation_.emplace(languages_.of_target, languages_.of_client, is_sse, options);
  }
  head.content_length.reset();
  for (const std::string_view name : {"content-length", "content-encoding"}) {
    head.headers.remove_if([&](std::string_view other) { return http::equal_ignoring_case(name, other); });
  }
  const bool speaks_events = is_answer && languages_.streamed;
  head.headers.set("Content-Type", speaks_events ? "text/event-stream; charset=utf-8" : "application/json");
  handler_.on_attempt_head(std::move(head));
}

void Interpreter::on_attempt_body(const Bytes& data) {
  if (!translation_) {
    if (error_body_.size() + data.size() <= k_error_body_max) error_body_.append(data.view());
    return;
  }
  const std::string said = translation_->feed(data.view());
  if (!said.empty()) handler_.on_attempt_body(Bytes::copy(said));
}

void Interpreter::on_attempt_end() {
  std::string rest;
  if (translation_) {
    rest = translation_->finish();
    if (translation_->skipped() > 0) metrics_.count_untranslated(translation_->skipped());
  } else {
    rest = providers::translate_error(languages_.of_target, languages_.of_client, status_, error_body_);
  }
  if (rest.empty()) return handler_.on_attempt_end();
  // The handler may end everything at what it hears last; if it does, nothing follows.
  end_ = world_.loop.after(0s, [this] { handler_.on_attempt_end(); });
  handler_.on_attempt_body(Bytes::copy(rest));
}

}  // namespace outrigger::proxy
