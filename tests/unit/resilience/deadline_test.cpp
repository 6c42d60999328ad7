#include "resilience/deadline.h"

#include <catch2/catch_test_macros.hpp>
#include <limits>

namespace outrigger::resilience {
namespace {

constexpr Duration k_tick{1};
constexpr MonoTime k_start{1h};

TEST_CASE("deadline: expired at its time and not a tick before") {
  const Deadline deadline = Deadline::after(k_start, 3s);
  CHECK(deadline.at == k_start + 3s);
  CHECK_FALSE(deadline.expired(k_start + 3s - k_tick));
  CHECK(deadline.remaining(k_start + 3s - k_tick) == k_tick);
  CHECK(deadline.expired(k_start + 3s));
  CHECK(deadline.remaining(k_start + 3s) == Duration(0));
  CHECK(deadline.remaining(k_start + 1h) == Duration(0));
}

TEST_CASE("deadline: never does not expire, and does not overflow") {
  const Deadline never;
  CHECK(never.never());
  CHECK_FALSE(never.expired(k_start));
  CHECK(never.remaining(k_start) == Duration::max());
  CHECK(never.remaining(MonoTime(-1h)) == Duration::max());
  CHECK(Deadline::after(k_start, Duration::max()).never());
  CHECK_FALSE(Deadline::after(k_start, Duration::max() - 2h).never());
  CHECK(Deadline::after(k_start, -1s).expired(k_start));
}

TEST_CASE("deadline: the earlier of two") {
  const Deadline early{k_start};
  const Deadline late{k_start + k_tick};
  CHECK(earlier_of(early, late) == early);
  CHECK(earlier_of(late, early) == early);
  CHECK(earlier_of(Deadline{}, late) == late);
}

TEST_CASE("patience: what the client says, else what its kind of call is known for") {
  constexpr double k_nan = std::numeric_limits<double>::quiet_NaN();
  constexpr double k_infinite = std::numeric_limits<double>::infinity();
  struct Case {
    CallKind kind;
    std::optional<Duration> asked;
    std::optional<double> read_timeout;
    Duration expected;
  };
  for (const Case& c : {
           // Nobody says anything: Dify's plugins.
           Case{CallKind::chat, {}, {}, 240s},
           Case{CallKind::other, {}, {}, 240s},
           Case{CallKind::embeddings, {}, {}, 45s},
           Case{CallKind::rerank, {}, {}, 45s},
           // An SDK: four fifths of its limit, whatever the call.
           Case{CallKind::chat, {}, 600.0, 480s},
           Case{CallKind::embeddings, {}, 600.0, 480s},
           Case{CallKind::rerank, {}, 5.0, 4s},
           Case{CallKind::chat, {}, 0.5, 400ms},
           Case{CallKind::chat, {}, 2.5, 2s},
           // Asked for: to the letter.
           Case{CallKind::chat, 30s, {}, 30s},
           Case{CallKind::embeddings, 200s, {}, 200s},
           Case{CallKind::chat, 1ns, {}, 1ns},
           // Both: whichever comes first.
           Case{CallKind::chat, 30s, 600.0, 30s},
           Case{CallKind::chat, 600s, 100.0, 80s},
           // Nonsense is ignored.
           Case{CallKind::chat, 0s, {}, 240s},
           Case{CallKind::embeddings, -1s, {}, 45s},
           Case{CallKind::chat, -1s, 10.0, 8s},
           Case{CallKind::chat, {}, 0.0, 240s},
           Case{CallKind::chat, {}, -3.0, 240s},
           Case{CallKind::chat, {}, k_nan, 240s},
           Case{CallKind::chat, {}, k_infinite, 240s},
           Case{CallKind::chat, {}, 1e-300, 240s},
           Case{CallKind::chat, 30s, k_nan, 30s},
           // A day is for ever.
           Case{CallKind::chat, {}, 1e300, 24h},
           Case{CallKind::chat, Duration::max(), {}, 24h},
       }) {
    INFO(name(c.kind) << ", asked " << seconds(c.asked.value_or(Duration(0))) << ", read timeout "
                      << c.read_timeout.value_or(0));
    CHECK(client_patience({.kind = c.kind, .asked = c.asked, .read_timeout_seconds = c.read_timeout}) == c.expected);
  }
}

TEST_CASE("patience: kinds of calls have names") {
  CHECK(name(CallKind::chat) == "chat");
  CHECK(name(CallKind::embeddings) == "embeddings");
  CHECK(name(CallKind::rerank) == "rerank");
  CHECK(name(CallKind::other) == "other");
}

}  // namespace
}  // namespace outrigger::resilience
