#include "proxy/attempt.h"

namespace outrigger::proxy {

namespace {

// The only one since 2023; the API refuses requests without it.
constexpr std::string_view k_anthropic_version = "2023-06-01";

// Says something of the body, or of its answer, that does not hold on another wire.
bool is_of_wire(std::string_view name) {
  constexpr std::string_view k_anthropic = "anthropic-";
  return name.size() > k_anthropic.size() && http::equal_ignoring_case(name.substr(0, k_anthropic.size()), k_anthropic);
}

}  // namespace

http::RequestHead outgoing_head(const http::RequestHead& from, const Destination& destination, std::size_t key_number,
                                bool passes_credential) {
  const config::Upstream& upstream = *destination.target->upstream;
  http::RequestHead head;
  head.method = from.method;
  head.target = destination.path();
  const bool is_translated = destination.is_translated();
  const std::string_view query = http::split_target(from.target).query;
  if (!query.empty() && !is_translated) head.target.append("?").append(query);
  head.headers.reserve(from.headers.size() + 4, from.headers.text_size() + 128);
  head.headers.add("Host", destination.target->host);
  const http::HopByHop is_hop_by_hop(from.headers);
  const bool own_key = !upstream.keys.empty();
  for (std::size_t i = 0; i < from.headers.size(); ++i) {
    const auto [name, value] = from.headers[i];
    const auto is = [name = name](std::string_view other) { return http::equal_ignoring_case(name, other); };
    if (is_hop_by_hop(name) || is("host") || is("content-length") || is("expect")) continue;
    const bool is_credential = is("authorization") || is("x-api-key") || is("api-key") || is("x-goog-api-key");
    if (is_credential && (own_key || !passes_credential)) continue;
    // These tell the first provider who pays; another one must not learn it.
    const bool is_account = is("cookie") || is("openai-organization") || is("openai-project");
    if (is_account && !passes_credential) continue;
    if (is_translated && (is_credential || is_of_wire(name))) continue;
    // What steers Outrigger is not the provider's business.
    if (name.size() > 12 && http::equal_ignoring_case(name.substr(0, 12), "x-outrigger-")) continue;
    head.headers.add(name, value);
  }
  std::string key;
  if (own_key) {
    key = upstream.keys[key_number % upstream.keys.size()].text;
  } else if (is_translated && passes_credential) {
    key = presented_key(from.headers);
  }
  const bool is_anthropic = destination.wire == chat::Endpoint::messages || upstream.dialect == config::Dialect::anthropic;
  if (!key.empty() && is_anthropic) {
    head.headers.add("X-Api-Key", key);
  } else if (!key.empty()) {
    head.headers.add("Authorization", "Bearer " + key);
  }
  if (is_anthropic && is_translated) head.headers.add("anthropic-version", k_anthropic_version);
  for (const auto& [name, value] : upstream.headers) head.headers.set(name, value.text);
  return head;
}

Attempt::Attempt(io::Loop& loop, http::Client& client, const Target& target, const config::Timeouts& limits,
                 AttemptRequest request, AttemptHandler& handler)
    : loop_(loop), limits_(limits), handler_(handler), streamed_answer_(request.streamed_answer) {
  http::CallOptions options;
  options.connect_timeout = limits.connect;
  options.body = std::move(request.body);
  options.streamed = request.streamed_body;
  options.streamed_length = request.streamed_length;
  call_ = client.start(target.origin, request.head, std::move(options), *this);
  total_ = loop_.after(limits_.total, [this] { give_up(ErrorCode::total_timeout); });
  if (streamed_answer_ && limits_.first_token) {
    progress_ = loop_.after(*limits_.first_token, [this] { give_up(ErrorCode::first_token_timeout); });
  }
}

void Attempt::read_body(bool on) {
  if (on == reading_) return;
  reading_ = on;
  if (last_progress_ != MonoTime{}) last_progress_ = loop_.now();
  call_->read_body(on);
}

void Attempt::on_head(http::ResponseHead head) { handler_.on_attempt_head(std::move(head)); }

void Attempt::on_body(const Bytes& data) { handler_.on_attempt_body(data); }

void Attempt::note_progress() {
  const bool first = last_progress_ == MonoTime{};
  last_progress_ = loop_.now();
  if (!first || !streamed_answer_) return;
  progress_.cancel();
  if (limits_.between_tokens) watch_for_stall();
}

// One timer for the whole stream instead of one per piece: when it rings, it looks how long the last token is ago.
void Attempt::watch_for_stall() {
  const MonoTime due = last_progress_ + *limits_.between_tokens;
  progress_ = loop_.at(due, [this] {
    if (!reading_) last_progress_ = loop_.now();
    if (loop_.now() - last_progress_ >= *limits_.between_tokens) {
      give_up(ErrorCode::stall_timeout);
    } else {
      watch_for_stall();
    }
  });
}

void Attempt::on_end() { handler_.on_attempt_end(); }
void Attempt::on_error(Error error) { handler_.on_attempt_failed(std::move(error)); }
void Attempt::on_drained() { handler_.on_attempt_drained(); }

void Attempt::give_up(ErrorCode code) {
  call_.reset();
  total_.cancel();
  progress_.cancel();
  handler_.on_attempt_failed({code, {}});
}

}  // namespace outrigger::proxy
