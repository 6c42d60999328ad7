#include "http/client_dial.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "http/writer.h"

namespace outrigger::http {
namespace {

// authority-form (RFC 9112 §3.2.3)
std::string authority(const io::Address& address) {
  if (address.host.find(':') != std::string::npos) return fmt::format("[{}]:{}", address.host, address.port);
  return fmt::format("{}:{}", address.host, address.port);
}

}  // namespace

Dial::Dial(io::World world, const Origin& origin, Duration timeout, std::size_t head_bytes, io::ConnectDone done)
    : world_(world),
      origin_(origin),
      deadline_(world.loop.now() + timeout),
      head_bytes_(head_bytes),
      done_(std::move(done)) {
  const io::Address& to = origin.proxy ? origin.proxy->address : origin.address;
  pending_ = world_.net.connect(to, timeout,
                                [this](Result<std::unique_ptr<io::Stream>> stream) { on_connected(std::move(stream)); });
}

Dial::~Dial() = default;

void Dial::on_connected(Result<std::unique_ptr<io::Stream>> stream) {
  if (!stream) return end(std::move(stream));
  stream_ = std::move(*stream);
  if (origin_.proxy) return ask_proxy();
  secure();
}

void Dial::ask_proxy() {
  RequestHead head;
  head.method = "CONNECT";
  head.target = authority(origin_.address);
  head.headers.add("Host", head.target);
  std::string text;
  if (!write_request_head(text, head, {})) return refused("the origin's address cannot be asked for");
  const std::string& credentials = origin_.proxy->authorization;
  if (!credentials.empty() && is_field_value(credentials)) {
    // Hop-by-hop, so the writer leaves it out; it belongs before the empty line.
    text.insert(text.size() - 2, "Proxy-Authorization: " + credentials + "\r\n");
  }
  // Whatever its fields say, a 2xx to CONNECT has no body (RFC 9110 §9.3.6), and the body of a refusal is of no interest.
  parser_.start({.head_bytes = head_bytes_}, true);
  limit_ = world_.loop.after(left(), [this] { end(fail(ErrorCode::connect_timeout, "the proxy did not answer in time")); });
  stream_->set_handler(this);
  stream_->read(true);
  stream_->write(Bytes::copy(text));
}

void Dial::on_data(std::string_view data) {
  const Parsed parsed = parser_.next(data);
  if (parsed.event == ParseEvent::need_more) return;
  if (parsed.event == ParseEvent::failed) return refused(parser_.error().detail);
  const int status = parser_.head().status;
  if (status < 200 || status > 299) return refused(fmt::format("it answered {}", status));
  // The origin speaks only when spoken to, so these bytes cannot be its own.
  if (!data.empty()) return refused("bytes came after its answer");
  limit_.cancel();
  stream_->read(false);
  stream_->set_handler(nullptr);
  secure();
}

void Dial::on_eof() { refused("it closed the connection"); }

void Dial::on_error(Error error) { refused(error.detail); }

void Dial::refused(std::string_view why) {
  end(fail(ErrorCode::proxy_refused, fmt::format("proxy {}: {}", authority(origin_.proxy->address), why)));
}

void Dial::secure() {
  if (!origin_.tls) return end(std::move(stream_));
  pending_ = world_.net.start_tls(std::move(stream_), *origin_.tls, left(),
                                  [this](Result<std::unique_ptr<io::Stream>> stream) { end(std::move(stream)); });
}

void Dial::end(Result<std::unique_ptr<io::Stream>> result) {
  limit_.cancel();
  if (!result) stream_.reset();
  // The owner destroys this object.
  io::ConnectDone done = std::exchange(done_, nullptr);
  done(std::move(result));
}

// At least a moment: the limit is the net's to notice.
Duration Dial::left() const { return std::max<Duration>(deadline_ - world_.loop.now(), std::chrono::nanoseconds(1)); }

}  // namespace outrigger::http
