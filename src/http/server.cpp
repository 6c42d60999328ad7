#include "http/server.h"

#include <optional>
#include <utility>
#include <vector>

#include "core/check.h"
#include "http/server_conn.h"

namespace outrigger::http {

class Server::Impl final : public ServerShared {
 public:
  Impl(io::World world, const ServerLimits& with_limits, Acceptor& with_acceptor)
      : ServerShared(world.loop, with_acceptor, with_limits) {}

  void accept(std::unique_ptr<io::Stream> stream) {
    if (draining || (conns_.size() >= limits.connections && !make_room())) return;
    conns_.push_back(std::make_unique<ServerConn>(*this, std::move(stream)));
    conns_.back()->place = conns_.size() - 1;
  }

  void drain() {
    draining = true;
    // Backwards, because a connection that closes leaves its place to the last one.
    for (std::size_t i = conns_.size(); i-- > 0;) conns_[i]->drain();
  }

  void when_idle(io::Callback idle) {
    idle_ = std::move(idle);
    if (conns_.empty()) tell_idle();
  }

  void forget(ServerConn& conn) override {
    const std::size_t place = conn.place;
    OR_CHECK(place < conns_.size() && conns_[place].get() == &conn);
    std::swap(conns_[place], conns_.back());
    conns_[place]->place = place;
    std::unique_ptr<ServerConn> gone = std::move(conns_.back());
    conns_.pop_back();
    loop.retire(std::move(gone));
    if (conns_.empty() && idle_) tell_idle();
  }

  [[nodiscard]] std::size_t connections() const { return conns_.size(); }

 private:
  // False: there is nobody who could go.
  bool make_room() {
    if (!limits.makes_room) return false;
    ServerConn* longest = nullptr;
    for (const auto& conn : conns_) {
      const std::optional<MonoTime> since = conn->idle_since();
      if (since && (longest == nullptr || *since < *longest->idle_since())) longest = conn.get();
    }
    if (longest == nullptr) return false;
    longest->give_way();
    return true;
  }

  void tell_idle() {
    idle_timer_ = loop.after({}, [this] {
      if (!conns_.empty() || !idle_) return;
      io::Callback idle = std::exchange(idle_, nullptr);
      idle();
    });
  }

  std::vector<std::unique_ptr<ServerConn>> conns_;
  io::Callback idle_;
  io::Timer idle_timer_;
};

Server::Server(io::World world, ServerLimits limits, Acceptor& acceptor)
    : impl_(std::make_unique<Impl>(world, limits, acceptor)) {}

Server::~Server() = default;

void Server::accept(std::unique_ptr<io::Stream> stream) { impl_->accept(std::move(stream)); }

void Server::drain() { impl_->drain(); }

void Server::when_idle(io::Callback idle) { impl_->when_idle(std::move(idle)); }

std::size_t Server::connections() const { return impl_->connections(); }

void Server::set_limits(const ServerLimits& limits) { impl_->limits = limits; }

}  // namespace outrigger::http
