#include "sim/world/peer.h"

#include <utility>

#include "core/check.h"

namespace outrigger::sim {

Peer::Peer(std::unique_ptr<io::Stream> stream, bool reading) : stream_(std::move(stream)) {
  stream_->set_handler(this);
  if (reading) stream_->read(true);
}

void Peer::send(std::string_view text) {
  OR_CHECK(stream_ != nullptr);
  stream_->write(Bytes::copy(text));
}

void Peer::shutdown() {
  OR_CHECK(stream_ != nullptr);
  stream_->shutdown();
}

void Peer::close() { stream_.reset(); }

void Peer::pause() {
  if (stream_ != nullptr) stream_->read(false);
}

void Peer::resume() {
  if (stream_ != nullptr) stream_->read(true);
}

std::string Peer::take() {
  std::string part = received_.substr(taken_);
  taken_ = received_.size();
  return part;
}

std::unique_ptr<io::Stream> Peer::release() {
  stream_->read(false);
  stream_->set_handler(nullptr);
  return std::move(stream_);
}

void Peer::on_data(std::string_view data) {
  OR_CHECK(!eof_ && !error_);  // the stream's promise
  received_ += data;
  reads_.push_back(data.size());
  if (on_receive) on_receive(*this);
}

void Peer::on_eof() {
  OR_CHECK(!eof_ && !error_);
  eof_ = true;
  if (on_end) on_end(*this);
}

void Peer::on_error(Error error) {
  OR_CHECK(!error_);
  error_ = std::move(error);
  if (on_end) on_end(*this);
}

void Peer::on_drained() {
  OR_CHECK(!error_);
  ++drained_;
}

std::unique_ptr<Peer> dial(SimWorld& world, const io::Address& to, Duration timeout, std::optional<Error>* error) {
  std::optional<Result<std::unique_ptr<io::Stream>>> result;
  const auto pending =
      world.net.connect(to, timeout, [&](Result<std::unique_ptr<io::Stream>> done) { result = std::move(done); });
  world.loop.run_until([&] { return result.has_value(); }, timeout + std::chrono::seconds(1));
  OR_CHECK(result.has_value());
  if (result->has_value()) return std::make_unique<Peer>(std::move(**result));
  if (error != nullptr) *error = result->error();
  return nullptr;
}

ScriptedServer::ScriptedServer(SimWorld& world, io::Address at, std::optional<io::TlsServer> tls)
    : world_(world), address_(std::move(at)), tls_(std::move(tls)) {
  start();
}

Peer* ScriptedServer::wait_for(std::size_t count, Duration limit) {
  const bool came = world_.loop.run_until([&] { return peers_.size() >= count; }, limit);
  return came && count > 0 ? peers_[count - 1].get() : nullptr;
}

void ScriptedServer::stop() { listener_.reset(); }

void ScriptedServer::start() {
  auto listener = world_.net.listen(address_, tls_, [this](std::unique_ptr<io::Stream> stream) {
    peers_.push_back(std::make_unique<Peer>(std::move(stream), reading));
    if (on_peer) on_peer(*peers_.back());
  });
  OR_CHECK(listener.has_value());
  listener_ = std::move(*listener);
  address_ = listener_->bound();
}

}  // namespace outrigger::sim
