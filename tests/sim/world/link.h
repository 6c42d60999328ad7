// Link: one simulated connection, two ends, and a pipe in each direction. Owned jointly by the Streams at its ends, by whoever is
// still connecting, and by nobody else; it dies when both ends are gone.
//
// One direction, from the writer's end to the reader's:
//
//   write() → kept (unsent) → wire (has an arrival time) → inbox → on_data
//                          '------ held <= window -------'
//
// Bytes leave `kept` while `held` has room; room comes back one latency after the reader took bytes. The end of the flow (fin)
// and its break (reset) travel like bytes; a reset overtakes everything on the wire, but not the inbox: what had arrived
// can still be read.
//
// A broken end hears on_error when it reads or writes, not before: a socket that nobody polls says nothing either.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "core/rng.h"
#include "io/stream.h"
#include "sim/world/sim_loop.h"
#include "sim/world/sim_net.h"

namespace outrigger::sim {

class Link : public std::enable_shared_from_this<Link> {
 public:
  enum Side : std::uint8_t { client = 0, server = 1 };

  Link(SimLoop& loop, Rng rng, std::shared_ptr<Site> site, LinkPlan plan, std::shared_ptr<std::size_t> open_streams,
       std::string client_name, std::string server_name);

  // The Stream at this end; once per side.
  [[nodiscard]] std::unique_ptr<io::Stream> open(Side side);

  // What the Stream of `side` does.
  void set_handler(Side side, io::StreamHandler* handler);
  void read(Side side, bool on);
  void write(Side side, std::span<const Bytes> chunks);
  void shutdown(Side side);
  void destroy(Side side);
  [[nodiscard]] std::size_t unsent(Side side) const { return pipe_from(side).unsent; }
  [[nodiscard]] const std::string& peer_name(Side side) const { return names_[other(side)]; }

  // Breaks the connection from the middle, at once, for both.
  void cut();
  [[nodiscard]] bool broken(Side side) const { return ends_[side].broken; }
  [[nodiscard]] const LinkPlan& plan() const { return plan_; }
  // One way, as of now: latency, jitter and the site's clog.
  [[nodiscard]] MonoTime arrival();

  // For a door with TLS: `accept` runs when the client begins its handshake; bytes that come before that break the link.
  void await_tls(io::Callback accept) { accept_tls_ = std::move(accept); }
  void begin_tls() {
    if (accept_tls_) std::exchange(accept_tls_, nullptr)();
  }

 private:
  struct Segment {
    enum class Kind : std::uint8_t { data, fin } kind = Kind::data;
    MonoTime arrives;
    Bytes bytes;
  };
  struct Pipe {
    std::deque<Bytes> kept;
    std::size_t unsent = 0;
    bool owes_drained = false;
    bool fin_asked = false;
    bool fin_sent = false;
    std::deque<Segment> wire;
    std::size_t held = 0;
    MonoTime wire_free_at{};
    std::deque<Bytes> inbox;
    std::size_t inbox_bytes = 0;
    bool eof_arrived = false;
    bool eof_told = false;
    std::uint64_t delivered = 0;
    std::optional<std::uint64_t> reset_after;
    std::optional<std::uint64_t> stall_after;
    MonoTime stalled_until{};
    MonoTime next_drip{};
    Duration drip_every{};
    std::size_t returning = 0;  // room on its way back to the writer
    io::Timer arriving, delivering, credit;
  };
  struct End {
    io::StreamHandler* handler = nullptr;
    bool open = false;    // a Stream exists
    bool closed = false;  // it existed and is gone
    bool reading = false;
    bool broken = false;  // nothing more will be delivered but the error
    bool error_told = false;
    bool noticed = false;  // the program has written to the broken end
    io::Timer breaking, telling;
  };

  static Side other(Side side) { return side == client ? server : client; }
  Pipe& pipe_from(Side writer) { return pipes_[writer]; }
  [[nodiscard]] const Pipe& pipe_from(Side writer) const { return pipes_[writer]; }

  void pump(Side writer);
  void put_on_wire(Pipe& pipe, Segment segment, Duration jitter);
  void arm_arrival(Side writer);
  void on_arrival(Side writer);
  void arm_delivery(Side reader);
  void on_delivery(Side reader);
  [[nodiscard]] std::size_t delivery_size(const Pipe& pipe);
  void deliver(Side reader, Pipe& pipe, std::size_t size);
  void return_room(Side writer, std::size_t bytes);
  void on_credit(Side writer);
  void send_reset(Side to);
  void break_end(Side side);
  void tell_if_broken(Side side);
  void tell_error(Side side);

  SimLoop& loop_;
  Rng rng_;
  std::shared_ptr<Site> site_;
  LinkShape shape_;
  LinkPlan plan_;
  std::shared_ptr<std::size_t> open_streams_;
  std::array<std::string, 2> names_;
  std::array<Pipe, 2> pipes_;  // by writer
  std::array<End, 2> ends_;
  io::Callback accept_tls_;
};

// The Stream at one end of a Link.
class SimStream : public io::Stream {
 public:
  SimStream(std::shared_ptr<Link> link, Link::Side side) : link_(std::move(link)), side_(side) {}
  ~SimStream() override { link_->destroy(side_); }
  SimStream(const SimStream&) = delete;
  SimStream& operator=(const SimStream&) = delete;

  void set_handler(io::StreamHandler* handler) override { link_->set_handler(side_, handler); }
  void read(bool on) override { link_->read(side_, on); }
  using io::Stream::write;
  void write(std::span<const Bytes> chunks) override { link_->write(side_, chunks); }
  [[nodiscard]] std::size_t unsent() const override { return link_->unsent(side_); }
  void shutdown() override { link_->shutdown(side_); }
  [[nodiscard]] std::string peer() const override { return link_->peer_name(side_); }
  [[nodiscard]] const std::shared_ptr<Link>& link() const { return link_; }

 private:
  std::shared_ptr<Link> link_;
  Link::Side side_;
};

}  // namespace outrigger::sim
