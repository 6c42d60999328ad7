// What the tests of net/ share: a loop that runs until something is true, and handlers that write down what they hear.
#pragma once

#include <uv.h>

#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/uv_loop.h"
#include "net/uv_net.h"

namespace outrigger::test {

using namespace std::chrono_literals;

// Keeps what was heard; `on_any` may act on it, for instance destroy the stream.
class Ear final : public io::StreamHandler {
 public:
  explicit Ear(std::function<void()> react = {}) : on_any(std::move(react)) {}
  void on_data(std::string_view data) override {
    text.append(data);
    ++pieces;
    heard("data");
  }
  void on_eof() override {
    eof = true;
    heard("eof");
  }
  void on_error(Error e) override {
    error = std::move(e);
    heard("error");
  }
  void on_drained() override {
    ++drained;
    heard("drained");
  }

  std::function<void()> on_any;
  std::string text;
  std::string last;
  int pieces = 0;
  int drained = 0;
  bool eof = false;
  std::optional<Error> error;

 private:
  void heard(const char* what) {
    last = what;
    if (on_any) {
      // A copy, since the reaction may replace on_any.
      const std::function<void()> react = on_any;
      react();
    }
  }
};

using Streams = std::vector<std::unique_ptr<io::Stream>>;

struct World {
  net::UvLoop loop;
  net::UvNet net{loop};

  // Runs the loop until `done()`; false when that took longer than `limit`.
  bool until(const std::function<bool()>& done, Duration limit = 5s) {
    bool late = false;
    const io::Timer watchdog = loop.after(limit, [&] { late = true; });
    while (!done() && !late) uv_run(loop.raw(), UV_RUN_ONCE);
    return done();
  }
  void turns(int count) {
    for (int i = 0; i < count; ++i) uv_run(loop.raw(), UV_RUN_NOWAIT);
  }

  Result<std::unique_ptr<io::Stream>> connect(const io::Address& to, Duration limit = 3s) {
    std::optional<Result<std::unique_ptr<io::Stream>>> result;
    const auto pending = net.connect(to, limit, [&](auto r) { result = std::move(r); });
    if (!until([&] { return result.has_value(); })) return fail(ErrorCode::internal, "connect never ended");
    return std::move(*result);
  }
  Result<std::unique_ptr<io::Stream>> start_tls(std::unique_ptr<io::Stream> stream, const io::TlsClient& tls,
                                                Duration limit = 3s) {
    std::optional<Result<std::unique_ptr<io::Stream>>> result;
    const auto pending = net.start_tls(std::move(stream), tls, limit, [&](auto r) { result = std::move(r); });
    if (!until([&] { return result.has_value(); })) return fail(ErrorCode::internal, "start_tls never ended");
    return std::move(*result);
  }
};

// A door on the loopback that keeps what it accepts.
struct Door {
  explicit Door(World& world, const io::Address& at = {"127.0.0.1", 0, false},
                const std::optional<io::TlsServer>& tls = std::nullopt) {
    auto opened =
        world.net.listen(at, tls, [this](std::unique_ptr<io::Stream> stream) { streams.push_back(std::move(stream)); });
    REQUIRE(opened.has_value());
    listener = std::move(*opened);
  }
  Streams streams;
  std::unique_ptr<io::Listener> listener;
};

// Two ends of one TCP connection.
struct Pair {
  explicit Pair(World& world) : door(world) {
    auto connected = world.connect(door.listener->bound());
    REQUIRE(connected.has_value());
    near = std::move(*connected);
    REQUIRE(world.until([&] { return !door.streams.empty(); }));
    far = std::move(door.streams.front());
  }
  Door door;
  std::unique_ptr<io::Stream> near, far;
};

}  // namespace outrigger::test
