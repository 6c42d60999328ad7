// Peer: the test's own end of a Stream; records everything it hears. ScriptedServer: listens and keeps the Peers that come.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/net.h"
#include "sim/world/sim_world.h"

namespace outrigger::sim {

class Peer : public io::StreamHandler {
 public:
  // Takes the stream and begins to read, unless told otherwise.
  explicit Peer(std::unique_ptr<io::Stream> stream, bool reading = true);
  virtual ~Peer() = default;
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void send(std::string_view text);
  void shutdown();
  // Destroys the stream. Allowed in the callbacks below.
  void close();
  void pause();
  void resume();

  [[nodiscard]] const std::string& received() const { return received_; }
  // What was received since the last take().
  std::string take();
  // How the received bytes came, piece by piece.
  [[nodiscard]] const std::vector<std::size_t>& reads() const { return reads_; }
  [[nodiscard]] bool eof() const { return eof_; }
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  [[nodiscard]] int drained() const { return drained_; }
  [[nodiscard]] bool open() const { return stream_ != nullptr; }
  // The other side is gone in one way or another.
  [[nodiscard]] bool ended() const { return eof_ || error_.has_value(); }
  // Zero once closed.
  [[nodiscard]] std::size_t unsent() const { return stream_ == nullptr ? 0 : stream_->unsent(); }
  // Only while open().
  [[nodiscard]] io::Stream& stream() { return *stream_; }
  // Gives the stream away, unread and without a handler.
  [[nodiscard]] std::unique_ptr<io::Stream> release();

  // Called after the event has been recorded.
  std::function<void(Peer&)> on_receive;
  std::function<void(Peer&)> on_end;

 private:
  void on_data(std::string_view data) override;
  void on_eof() override;
  void on_error(Error error) override;
  void on_drained() override;

  std::unique_ptr<io::Stream> stream_;
  std::string received_;
  std::size_t taken_ = 0;
  std::vector<std::size_t> reads_;
  bool eof_ = false;
  std::optional<Error> error_;
  int drained_ = 0;
};

// Connects and runs the world until that has worked or failed. Null: failed, and `error` (if given) says why.
[[nodiscard]] std::unique_ptr<Peer> dial(SimWorld& world, const io::Address& to, Duration timeout = std::chrono::seconds(5),
                                         std::optional<Error>* error = nullptr);

class ScriptedServer {
 public:
  // Listens at once; the address must be free.
  ScriptedServer(SimWorld& world, io::Address at, std::optional<io::TlsServer> tls = std::nullopt);

  [[nodiscard]] const io::Address& address() const { return address_; }
  [[nodiscard]] std::size_t accepted() const { return peers_.size(); }
  // In the order in which they came; they stay here, closed or not.
  [[nodiscard]] Peer& peer(std::size_t index) { return *peers_.at(index); }
  // Runs the world until that many connections have come and hands out the last of them. Null: they did not come in time.
  [[nodiscard]] Peer* wait_for(std::size_t count, Duration limit = std::chrono::seconds(10));
  // Stops and begins to listen; connections that exist go on.
  void stop();
  void start();

  // Called for each new Peer before it hears anything.
  std::function<void(Peer&)> on_peer;
  // New Peers read at once.
  bool reading = true;

 private:
  SimWorld& world_;
  io::Address address_;
  std::optional<io::TlsServer> tls_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::unique_ptr<io::Listener> listener_;
};

}  // namespace outrigger::sim
