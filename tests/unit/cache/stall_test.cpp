// When this process itself stood still (a throttled container, a long turn), Redis must not be blamed for it. The simulated
// world is never late, so here is a loop that is.
#include <catch2/catch_test_macros.hpp>

#include "cache/redis_link.h"

namespace outrigger::cache {
namespace {

// As in libuv: a round runs the timers that are due first and reads sockets afterwards.
class LateLoop final : public io::Loop {
 public:
  MonoTime now() const override { return now_; }
  WallTime wall_now() const override { return {}; }
  MonoTime stopwatch() const override { return now_; }
  io::Timer at(MonoTime when, io::Callback callback) override {
    return timers_.add(std::max(when, now_ + 1ns), std::move(callback));
  }
  std::unique_ptr<io::Work> work(io::Callback, io::Callback) override { return nullptr; }

  // Time passes while nothing runs.
  void stand_still(Duration span) { now_ += span; }
  void round(const std::function<void()>& read_sockets = [] {}) {
    now_ += 10ns;
    const MonoTime present = now_;
    while (io::Callback callback = timers_.take_due(present)) callback();
    read_sockets();
  }

 private:
  void retire_erased(std::shared_ptr<void>) override {}
  io::TimerQueue timers_;
  MonoTime now_{1h};
};

struct LateStream final : io::Stream {
  explicit LateStream(io::StreamHandler*& h) : handler(h) {}
  ~LateStream() override { handler = nullptr; }
  void set_handler(io::StreamHandler* h) override { handler = h; }
  void read(bool) override {}
  void write(std::span<const Bytes>) override {}
  std::size_t unsent() const override { return 0; }
  void shutdown() override {}
  std::string peer() const override { return "redis"; }
  io::StreamHandler*& handler;
};

struct LateNet final : io::Net {
  std::unique_ptr<io::Pending> connect(const io::Address&, Duration, io::ConnectDone done) override {
    connected = std::move(done);
    return nullptr;
  }
  std::unique_ptr<io::Pending> start_tls(std::unique_ptr<io::Stream>, const io::TlsClient&, Duration,
                                         io::ConnectDone) override {
    return nullptr;
  }
  Result<std::unique_ptr<io::Listener>> listen(const io::Address&, const std::optional<io::TlsServer>&,
                                               std::move_only_function<void(std::unique_ptr<io::Stream>)>) override {
    return fail(ErrorCode::io_failed);
  }
  io::ConnectDone connected;
};

struct Late final : RedisLink::Owner {
  Late() {
    link.open();
    net.connected(std::make_unique<LateStream>(handler));
    handler->on_data("+OK\r\n");
    handler->on_data("+PONG\r\n");
    REQUIRE(link.up());
  }
  void on_link_up() override {}
  void on_link_news(LogLevel, std::string_view) override {}
  void get() {
    REQUIRE(link.send({"GET", "k"}, RedisLink::Use::lookup, [this](const Reply* reply) {
      end = reply == nullptr ? "nothing" : reply->text;
      return true;
    }));
  }

  LateLoop loop;
  LateNet net;
  Rng rng{1};
  io::StreamHandler* handler = nullptr;
  RedisLink link{io::World{loop, net, rng}, RedisSettings{}, 20ms, *this};
  std::string end = "waiting";
};

TEST_CASE("a reply that lay in the socket while the process stood still is read before anybody is judged") {
  Late l;
  l.get();
  l.loop.round();
  l.loop.stand_still(500ms);
  bool read = false;
  for (int i = 0; i < 5 && !read; ++i) {
    l.loop.round([&] {
      if (l.handler == nullptr || read) return;
      read = true;
      l.handler->on_data("$1\r\nv\r\n");
    });
  }
  CHECK(l.end == "v");
  CHECK(l.link.usable());
  CHECK(l.link.counts().timeouts == 0);
}

TEST_CASE("without a reply the command ends two rounds after its limit") {
  Late l;
  l.get();
  l.loop.round();
  l.loop.stand_still(20ms);
  l.loop.round();
  l.loop.round();
  CHECK(l.end == "waiting");
  l.loop.round();
  CHECK(l.end == "nothing");
  CHECK_FALSE(l.link.usable());
}

TEST_CASE("a long turn before the command has gone out does not count") {
  Late l;
  l.get();
  l.loop.stand_still(500ms);
  l.loop.round();
  l.loop.stand_still(20ms - 100ns);
  for (int i = 0; i < 5; ++i) l.loop.round();
  CHECK(l.end == "waiting");
  l.loop.stand_still(100ns);
  for (int i = 0; i < 3; ++i) l.loop.round();
  CHECK(l.end == "nothing");
}

}  // namespace
}  // namespace outrigger::cache
