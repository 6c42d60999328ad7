#include "proxy/dify_call.h"

#include "config/config.h"

namespace outrigger::proxy {

bool sent_nothing(ErrorCode code) {
  return code == ErrorCode::dns_failed || code == ErrorCode::connect_refused || code == ErrorCode::connect_failed ||
         code == ErrorCode::connect_timeout || code == ErrorCode::proxy_refused || code == ErrorCode::tls_failed;
}

DifyCall::DifyCall(io::Loop& loop, http::Client& client, Order order, DifyCallHandler& handler)
    : loop_(loop), handler_(handler), active_at_(loop.now()) {
  http::CallOptions options;
  options.connect_timeout = config::Timeouts().connect;
  options.body = std::move(order.body);
  options.streamed = order.streamed_body;
  options.streamed_length = order.streamed_length;
  options.alone = true;
  options.upgrade = order.upgrade;
  call_ = client.start(order.target->origin, order.head, std::move(options), *this);
  if (order.first_event) {
    first_event_ = loop_.after(*order.first_event, [this] { give_up(ErrorCode::first_token_timeout); });
  }
  watch_idle();
}

void DifyCall::write_body(const Bytes& data) {
  active_at_ = loop_.now();
  call_->write_body(data);
}

void DifyCall::end_body() {
  active_at_ = loop_.now();
  call_->end_body();
}

void DifyCall::read_body(bool on) {
  if (on == reading_) return;
  reading_ = on;
  active_at_ = loop_.now();
  call_->read_body(on);
}

// One timer for all pieces: when it rings, it looks how long the last one is ago.
void DifyCall::watch_idle() {
  idle_ = loop_.at(active_at_ + k_idle, [this] {
    if (!reading_) active_at_ = loop_.now();
    if (loop_.now() - active_at_ >= k_idle) return give_up(ErrorCode::stall_timeout);
    watch_idle();
  });
}

void DifyCall::on_head(http::ResponseHead head) {
  active_at_ = loop_.now();
  handler_.on_call_head(std::move(head));
}

void DifyCall::on_body(const Bytes& data) {
  active_at_ = loop_.now();
  handler_.on_call_body(data);
}

void DifyCall::on_end() { handler_.on_call_end(); }
void DifyCall::on_error(Error error) { handler_.on_call_failed(std::move(error)); }

void DifyCall::on_drained() {
  active_at_ = loop_.now();
  handler_.on_call_drained();
}

void DifyCall::give_up(ErrorCode code) {
  call_.reset();
  first_event_.cancel();
  idle_.cancel();
  handler_.on_call_failed({code, {}});
}

}  // namespace outrigger::proxy
