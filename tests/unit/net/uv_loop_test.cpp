#include "net/uv_loop.h"

#include <csignal>
#include <thread>

#include "support.h"

namespace outrigger {
namespace {

using test::World;

TEST_CASE("timers run in the order of their times and never before them") {
  World world;
  std::vector<int> order;
  const MonoTime start = world.loop.now();
  const auto third = world.loop.at(start + 9ms, [&] { order.push_back(3); });
  const auto first = world.loop.at(start + 2ms, [&] { order.push_back(1); });
  const auto second = world.loop.at(start + 2500us, [&] {
    order.push_back(2);
    CHECK(world.loop.now() >= start + 2500us);
  });
  REQUIRE(world.until([&] { return order.size() == 3; }));
  CHECK(order == std::vector{1, 2, 3});
  CHECK(world.loop.now() >= start + 9ms);
}

TEST_CASE("timers for the same time run in the order in which they were set") {
  World world;
  std::vector<int> order;
  std::vector<io::Timer> timers;
  const MonoTime when = world.loop.now() + 3ms;
  for (int i = 0; i < 20; ++i) timers.push_back(world.loop.at(when, [&order, i] { order.push_back(i); }));
  REQUIRE(world.until([&] { return order.size() == 20; }));
  for (int i = 0; i < 20; ++i) CHECK(order[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("the clocks stand still during a callback and go on between two") {
  World world;
  std::vector<MonoTime> seen;
  const auto look = [&] {
    const MonoTime before = world.loop.now();
    const WallTime wall = world.loop.wall_now();
    const MonoTime watch = world.loop.stopwatch();
    while (world.loop.stopwatch() < watch + 2ms) {
    }
    CHECK(world.loop.now() == before);
    CHECK(world.loop.wall_now() == wall);
    seen.push_back(before);
  };
  io::Timer again;
  const io::Timer timer = world.loop.after(0ns, [&] {
    look();
    again = world.loop.after(0ns, look);
  });
  REQUIRE(world.until([&] { return seen.size() == 2; }));
  CHECK(seen[1] >= seen[0] + 2ms);
}

TEST_CASE("what is due already waits for the next turn, but not for the next millisecond") {
  World world;
  int ran = 0;
  io::Timer timer;
  std::function<void()> again = [&] {
    const int before = ++ran;
    if (ran < 1000) timer = world.loop.at(world.loop.now() - 1s, again);
    CHECK(ran == before);
  };
  const MonoTime start = world.loop.now();
  timer = world.loop.after(0ns, again);
  CHECK(ran == 0);
  REQUIRE(world.until([&] { return ran == 1000; }));
  // A thousand turns that were rounded up would take a second.
  CHECK(world.loop.now() - start < 900ms);
}

TEST_CASE("a cancelled timer does not run, also when its sibling cancels it in the same turn") {
  World world;
  bool ran = false;
  bool end = false;
  const MonoTime when = world.loop.now() + 1ms;
  io::Timer victim;
  const io::Timer killer = world.loop.at(when, [&] { victim.cancel(); });
  victim = world.loop.at(when, [&] { ran = true; });
  const io::Timer last = world.loop.at(when + 5ms, [&] { end = true; });
  REQUIRE(world.until([&] { return end; }));
  CHECK_FALSE(ran);
}

TEST_CASE("an earlier timer set later moves the alarm forward") {
  World world;
  bool early = false;
  const io::Timer late = world.loop.after(1h, [] {});
  const io::Timer soon = world.loop.after(2ms, [&] { early = true; });
  CHECK(world.until([&] { return early; }, 2s));
}

TEST_CASE("run returns after stop") {
  World world;
  const io::Timer far = world.loop.after(1h, [] {});
  const io::Timer timer = world.loop.after(1ms, [&] { world.loop.stop(); });
  world.loop.run();
  CHECK_FALSE(timer.pending());
  CHECK(far.pending());
}

TEST_CASE("a retired object dies after the callback that retired it") {
  World world;
  struct Flag {
    bool* dead;
    ~Flag() { *dead = true; }
  };
  bool dead = false;
  bool dead_inside = true;
  const io::Timer timer = world.loop.after(0ns, [&] {
    world.loop.retire(std::unique_ptr<Flag>(new Flag{&dead}));
    dead_inside = dead;
  });
  REQUIRE(world.until([&] { return dead; }));
  CHECK_FALSE(dead_inside);
}

TEST_CASE("work runs on another thread, and both its closures die on the loop's") {
  World world;
  struct Witness {
    std::vector<std::thread::id>* graves;
    explicit Witness(std::vector<std::thread::id>* to) : graves(to) {}
    Witness(Witness&& other) noexcept : graves(std::exchange(other.graves, nullptr)) {}
    ~Witness() {
      if (graves != nullptr) graves->push_back(std::this_thread::get_id());
    }
  };
  std::vector<std::thread::id> graves;
  std::thread::id worker;
  bool done = false;
  const auto work = world.loop.work([&worker, w = Witness(&graves)] { worker = std::this_thread::get_id(); },
                                    [&done, w = Witness(&graves)] { done = true; });
  REQUIRE(world.until([&] { return done && graves.size() == 2; }));
  CHECK(worker != std::this_thread::get_id());
  CHECK(graves[0] == std::this_thread::get_id());
  CHECK(graves[1] == std::this_thread::get_id());
}

TEST_CASE("work that was given up completes unheard, and its closures still die") {
  auto world = std::make_unique<World>();
  bool done = false;
  auto token = std::make_shared<int>(7);
  {
    const auto work = world->loop.work([token] {}, [&done, token] { done = true; });
  }
  world.reset();
  CHECK_FALSE(done);
  CHECK(token.use_count() == 1);
}

TEST_CASE("a completion may destroy its own handle") {
  World world;
  bool done = false;
  std::unique_ptr<io::Work> work;
  work = world.loop.work([] {},
                         [&] {
                           work.reset();
                           done = true;
                         });
  CHECK(world.until([&] { return done; }));
}

TEST_CASE("a signal is heard until its watch dies, which may be in its own callback") {
  World world;
  int heard = 0;
  std::unique_ptr<net::SignalWatch> watch;
  watch = world.loop.on_signal(SIGUSR1, [&] {
    if (++heard == 2) watch.reset();
  });
  std::raise(SIGUSR1);
  REQUIRE(world.until([&] { return heard == 1; }));
  std::raise(SIGUSR1);
  REQUIRE(world.until([&] { return heard == 2; }));
  CHECK(watch == nullptr);
}

TEST_CASE("a loop that dies drops its timers and what their closures own") {
  auto token = std::make_shared<int>(1);
  {
    net::UvLoop loop;
    io::Timer keep = loop.after(1h, [token] {});
    CHECK(token.use_count() == 2);
  }
  CHECK(token.use_count() == 1);
}

}  // namespace
}  // namespace outrigger
