// The laws of io/loop.h, kept by the loop in virtual time.
#include "sim/world/sim_loop.h"

#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace outrigger::sim {
namespace {

TEST_CASE("time stands still during a callback and jumps between them") {
  SimLoop loop;
  const MonoTime begin = loop.now();
  const io::Timer a = loop.after(5s, [&] { CHECK(loop.now() - begin == 5s); });
  const io::Timer b = loop.after(7s, [&] { CHECK(loop.now() - begin == 7s); });
  CHECK(loop.now() == begin);
  CHECK(loop.step());
  CHECK(loop.now() - begin == 5s);
  CHECK(loop.step());
  CHECK(loop.now() - begin == 7s);
  CHECK_FALSE(loop.step());
}

TEST_CASE("a timer for now or for the past runs later, in the order of setting") {
  SimLoop loop;
  std::vector<int> order;
  const io::Timer a = loop.after({}, [&] { order.push_back(1); });
  const io::Timer b = loop.at(loop.now() - 1h, [&] { order.push_back(2); });
  const io::Timer c = loop.at(loop.now(), [&] { order.push_back(3); });
  CHECK(order.empty());
  CHECK(loop.run_until_idle());
  CHECK(order == std::vector{1, 2, 3});
}

TEST_CASE("what a callback sets for now runs after the callback") {
  SimLoop loop;
  std::vector<int> order;
  io::Timer inner;
  const io::Timer outer = loop.after(1s, [&] {
    inner = loop.after({}, [&] { order.push_back(2); });
    order.push_back(1);
  });
  loop.run_until_idle();
  CHECK(order == std::vector{1, 2});
}

TEST_CASE("a timer that is destroyed, cancelled or replaced does not run") {
  SimLoop loop;
  int ran = 0;
  {
    const io::Timer dead = loop.after(1s, [&] { ran += 1; });
  }
  io::Timer cancelled = loop.after(1s, [&] { ran += 10; });
  cancelled.cancel();
  io::Timer replaced = loop.after(1s, [&] { ran += 100; });
  replaced = loop.after(2s, [&] { ran += 1000; });
  CHECK(loop.run_until_idle());
  CHECK(ran == 1000);
}

TEST_CASE("a timer may be destroyed in its own callback and in another's of the same time") {
  SimLoop loop;
  auto own = std::make_unique<io::Timer>();
  io::Timer victim;
  bool victim_ran = false;
  *own = loop.after(1s, [&] {
    own.reset();
    victim.cancel();
  });
  victim = loop.after(1s, [&] { victim_ran = true; });
  CHECK(loop.run_until_idle());
  CHECK(own == nullptr);
  CHECK_FALSE(victim_ran);
}

TEST_CASE("run_for runs what is due at its last moment and nothing after it, and moves time by exactly its span") {
  SimLoop loop;
  const MonoTime begin = loop.now();
  int ran = 0;
  const io::Timer at_end = loop.after(10s, [&] { ran += 1; });
  const io::Timer after_end = loop.after(10s + 1ns, [&] { ran += 10; });
  loop.run_for(10s);
  CHECK(ran == 1);
  CHECK(loop.now() - begin == 10s);
  loop.run_for(1h);
  CHECK(ran == 11);
  CHECK(loop.now() - begin == 1h + 10s);
}

TEST_CASE("run_until stops as soon as the condition holds, or at its limit") {
  SimLoop loop;
  const MonoTime begin = loop.now();
  int ran = 0;
  std::function<void()> again;
  io::Timer timer;
  again = [&] {
    ++ran;
    timer = loop.after(1s, [&] { again(); });
  };
  timer = loop.after(1s, [&] { again(); });
  CHECK(loop.run_until([&] { return ran == 3; }, 1min));
  CHECK(loop.now() - begin == 3s);
  CHECK(loop.run_until([&] { return ran == 3; }, 1min));
  CHECK(ran == 3);
  CHECK_FALSE(loop.run_until([&] { return ran == 1000; }, 10s));
  CHECK(loop.now() - begin == 13s);
  CHECK_FALSE(loop.run_until_idle(5s));
  CHECK(loop.now() - begin == 18s);
  timer.cancel();
  CHECK(loop.run_until_idle(5s));
  CHECK_FALSE(loop.run_until([&] { return ran == 1000; }, 10s));
}

TEST_CASE("wall time runs along, can jump, and leaves the monotonic clock alone") {
  SimLoop loop;
  const WallTime wall = loop.wall_now();
  CHECK(unix_seconds(wall) == 1'767'225'600);
  loop.run_for(1500ms);
  CHECK(loop.wall_now() - wall == 1500ms);
  const MonoTime mono = loop.now();
  loop.jump_wall(-1h);
  CHECK(loop.now() == mono);
  CHECK(loop.wall_now() - wall == 1500ms - 1h);
  loop.set_wall(wall);
  loop.run_for(1ms);
  CHECK(loop.wall_now() - wall == 1ms);
}

TEST_CASE("work runs its job and then its completion, neither within the call") {
  SimLoop loop;
  std::vector<int> order;
  const auto work = loop.work([&] { order.push_back(1); }, [&] { order.push_back(2); });
  CHECK(order.empty());
  CHECK(loop.run_until_idle());
  CHECK(order == std::vector{1, 2});
}

TEST_CASE("work that is destroyed does not complete; its job may still run, while what its closures own lives") {
  int jobs = 0;
  for (std::uint64_t seed = 0; seed < 64; ++seed) {
    SimLoop loop(seed);
    bool done = false;
    auto text = std::make_unique<int>(42);
    const int* seen = text.get();
    auto work =
        loop.work([&jobs, seen] { jobs += *seen == 42 ? 1 : 1000; }, [&done, text = std::move(text)] { done = true; });
    work.reset();
    loop.run_until_idle();
    CHECK_FALSE(done);
  }
  CHECK(jobs > 10);
  CHECK(jobs < 54);
}

TEST_CASE("work may be destroyed in its own completion") {
  SimLoop loop;
  std::unique_ptr<io::Work> work;
  work = loop.work([] {}, [&] { work.reset(); });
  CHECK(loop.run_until_idle());
  CHECK(work == nullptr);
}

struct Tombstone {
  explicit Tombstone(std::vector<int>& log) : log_(log) {}
  ~Tombstone() { log_.push_back(2); }
  Tombstone(const Tombstone&) = delete;
  Tombstone& operator=(const Tombstone&) = delete;
  std::vector<int>& log_;
};

TEST_CASE("what is retired dies after the callback and before the next one") {
  SimLoop loop;
  std::vector<int> log;
  auto object = std::make_unique<Tombstone>(log);
  const io::Timer first = loop.after(1s, [&] {
    loop.retire(std::move(object));
    log.push_back(1);
  });
  const io::Timer second = loop.after(1s, [&] { log.push_back(3); });
  loop.run_until_idle();
  CHECK(log == std::vector{1, 2, 3});
}

TEST_CASE("what is retired outside a callback dies when the loop runs, or with the loop") {
  std::vector<int> log;
  {
    SimLoop loop;
    loop.retire(std::make_unique<Tombstone>(log));
    CHECK(log.empty());
    loop.run_until_idle();
    CHECK(log.size() == 1);
    loop.retire(std::make_unique<Tombstone>(log));
    CHECK(log.size() == 1);
  }
  CHECK(log.size() == 2);
}

TEST_CASE("a loop that dies drops closures that own timers and retire more") {
  std::vector<int> log;
  {
    SimLoop loop;
    struct Holder {
      SimLoop& loop;
      std::unique_ptr<Tombstone> grave;
      io::Timer timer;
      ~Holder() { loop.retire(std::move(grave)); }
    };
    auto holder = std::make_shared<Holder>(loop, std::make_unique<Tombstone>(log), io::Timer{});
    holder->timer = loop.after(1h, [] {});
    auto keeper = std::make_shared<io::Timer>();
    // A closure that keeps itself: only the loop's end frees it.
    *keeper = loop.after(2h, [keeper, holder] {});
  }
  CHECK(log.size() == 1);
}

TEST_CASE("the same seed gives the same digest and another seed another") {
  const auto run = [](std::uint64_t seed) {
    SimLoop loop(seed);
    const auto a = loop.work([] {}, [] {});
    const auto b = loop.work([] {}, [] {});
    loop.run_until_idle();
    return loop.digest().value();
  };
  CHECK(run(5) == run(5));
  CHECK(run(5) != run(6));
}

}  // namespace
}  // namespace outrigger::sim
