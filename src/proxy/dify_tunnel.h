// DifyTunnel: a WebSocket between a client and a backend that have agreed on it: two streams, each of which gets what the other says.
// Frames are not looked at, so nothing of our own is ever said: where one begins is not known here.
//
//   open ─── one side has no more to say, or breaks ──► closing ─── the other has none either, and has what it was sent ──► over
//     └───────────────────── nothing moves for too long ──────────────────┴──────────────────────────────────────────────►
//
// The end of one side's flow is passed on as that, so that what is on the way still arrives; whoever does not answer it is cut after
// k_linger. A side that is read more slowly than the other speaks stops the other: at most k_unsent_max and one read of a stream lie
// here in each direction.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "core/error.h"
#include "http/upgrade.h"
#include "io/loop.h"
#include "obs/metrics.h"

namespace outrigger::proxy {

class DifyTunnel {
 public:
  static constexpr std::size_t k_unsent_max = 64 * 1024;
  // Without a byte in either direction, as Dify's nginx has it (proxy_read_timeout).
  static constexpr Duration k_idle = 1h;
  // A client that takes nothing of what waits for it (nginx's send_timeout).
  static constexpr Duration k_send_timeout = 60s;
  static constexpr Duration k_linger = 10s;

  // Once, when it is over: nothing if one side ended it in order; client_gone or upstream_cut if that one broke; client_gone if it
  // took nothing for k_send_timeout, stall_timeout after k_idle. May destroy the tunnel, and should.
  using Over = std::move_only_function<void(std::optional<ErrorCode>)>;

  // `open` is one higher as long as the tunnel lives. `over` is never called in here.
  DifyTunnel(io::Loop& loop, http::Upgraded client, http::Upgraded backend, obs::Gauge& open, Over over);
  // Closes both connections at once, if they still are.
  ~DifyTunnel();
  DifyTunnel(const DifyTunnel&) = delete;
  DifyTunnel& operator=(const DifyTunnel&) = delete;

  // Bytes that have come.
  [[nodiscard]] std::uint64_t from_client() const { return client_.heard; }
  [[nodiscard]] std::uint64_t from_backend() const { return backend_.heard; }

 private:
  struct Side final : io::StreamHandler {
    Side(DifyTunnel& of, Side& to, ErrorCode if_broken, std::unique_ptr<io::Stream> on)
        : tunnel(of), other(to), broken(if_broken), stream(std::move(on)) {}

    void on_data(std::string_view data) override;
    void on_eof() override;
    void on_error(Error error) override;
    void on_drained() override;

    void take(std::string_view data);
    [[nodiscard]] std::size_t unsent() const { return stream != nullptr ? stream->unsent() : 0; }

    DifyTunnel& tunnel;
    Side& other;
    const ErrorCode broken;              // what is said when this side breaks
    std::unique_ptr<io::Stream> stream;  // null once broken
    bool ended = false;                  // says no more
    std::uint64_t heard = 0;
  };

  [[nodiscard]] std::size_t unsent() const { return client_.unsent() + backend_.unsent(); }
  [[nodiscard]] bool closing() const { return client_.ended || backend_.ended; }
  void end_side(Side& side, std::optional<ErrorCode> why);
  // Bytes have come or gone, or a side has ended. May destroy the tunnel.
  void moved();
  [[nodiscard]] Duration patience() const;
  void watch();
  void on_limit();
  void end(std::optional<ErrorCode> why);

  io::Loop& loop_;
  obs::Gauge& open_;
  Over over_;
  Side client_, backend_;
  std::optional<ErrorCode> why_;  // of the side that ended first
  MonoTime moved_at_;
  std::size_t unsent_seen_ = 0;  // when something moved last
  MonoTime limit_at_;
  io::Timer limit_;
};

}  // namespace outrigger::proxy
