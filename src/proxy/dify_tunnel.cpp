#include "proxy/dify_tunnel.h"

#include <utility>

namespace outrigger::proxy {

DifyTunnel::DifyTunnel(io::Loop& loop, http::Upgraded client, http::Upgraded backend, obs::Gauge& open, Over over)
    : loop_(loop),
      open_(open),
      over_(std::move(over)),
      client_(*this, backend_, ErrorCode::client_gone, std::move(client.stream)),
      backend_(*this, client_, ErrorCode::upstream_cut, std::move(backend.stream)),
      moved_at_(loop.now()) {
  open_.add(1);
  client_.take(client.early);
  backend_.take(backend.early);
  for (Side* side : {&client_, &backend_}) {
    side->stream->set_handler(side);
    side->stream->read(side->other.unsent() <= k_unsent_max);
  }
  unsent_seen_ = unsent();
  watch();
}

DifyTunnel::~DifyTunnel() { open_.add(-1); }

void DifyTunnel::Side::take(std::string_view data) {
  heard += data.size();
  if (!data.empty()) other.stream->write(Bytes::copy(data));
}

void DifyTunnel::Side::on_data(std::string_view data) {
  if (other.stream == nullptr) return;  // for nobody, so that it keeps nothing alive either
  take(data);
  if (other.unsent() > k_unsent_max) stream->read(false);
  tunnel.moved();
}

void DifyTunnel::Side::on_drained() {
  if (other.stream != nullptr) other.stream->read(true);
  tunnel.moved();
}

void DifyTunnel::Side::on_eof() { tunnel.end_side(*this, std::nullopt); }

void DifyTunnel::Side::on_error(Error) {
  stream.reset();
  // Its end is waited for, and comes behind what is still being said.
  if (other.stream != nullptr) other.stream->read(true);
  tunnel.end_side(*this, broken);
}

void DifyTunnel::end_side(Side& side, std::optional<ErrorCode> why) {
  if (!closing()) why_ = why;
  side.ended = true;
  if (side.other.stream != nullptr) side.other.stream->shutdown();
  moved();
}

void DifyTunnel::moved() {
  if (client_.ended && backend_.ended && unsent() == 0) return end(why_);
  moved_at_ = loop_.now();
  unsent_seen_ = unsent();
  watch();
}

Duration DifyTunnel::patience() const {
  if (closing()) return k_linger;
  return client_.unsent() > 0 ? k_send_timeout : k_idle;
}

// One timer for all pieces, which is set anew only if it would come too late: when it rings, it looks how things are.
void DifyTunnel::watch() {
  const MonoTime when = moved_at_ + patience();
  if (limit_.pending() && limit_at_ <= when) return;
  limit_at_ = when;
  limit_ = loop_.at(when, [this] { on_limit(); });
}

void DifyTunnel::on_limit() {
  if (unsent() != unsent_seen_) return moved();
  if (loop_.now() < moved_at_ + patience()) return watch();
  if (closing()) return end(why_);
  end(client_.unsent() > 0 ? ErrorCode::client_gone : ErrorCode::stall_timeout);
}

void DifyTunnel::end(std::optional<ErrorCode> why) {
  limit_.cancel();
  std::exchange(over_, nullptr)(why);
}

}  // namespace outrigger::proxy
