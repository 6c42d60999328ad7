// Tally: sums that all replicas of a deployment add to, in Redis; used for what clients have spent. Over a link of its own, for the
// reasons of Board. Nobody waits for it. Owned by proxy/ClientLedger.
//
//   <prefix>spent:<name>   a hash with a field for each life of a replica that has added something: all that it has added
//
// Each writes its own field, and writes the whole of it: so nothing is counted twice when a reply is lost and the same is said again, and
// nothing is lost that a replica still knows. A hash has as many fields as lives that added to it; it goes when its time is over, which is
// renewed with every write.
//
// A Redis that keeps nothing on disk forgets all when it is started again, and one that is full may evict a hash. The living write theirs
// in any case; those of the dead are remembered by whoever has read them, go on counting, and are written again where they are missing
// (HSETNX: what a dead one has added is final, so it does not matter who writes it, and a living one is not overwritten).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/redis_link.h"

namespace outrigger::cache {

class Tally final : private RedisLink::Owner {
 public:
  // Larger ones in a field are damage, and are not counted.
  static constexpr std::int64_t k_sum_max = 1'000'000'000'000'000'000;
  // Sums that one round trip asks for; more are left out: whoever has more asks again for the rest.
  static constexpr std::size_t k_lines_max = 1000;
  // Fields of a hash that are remembered; more of them, and those with longer names, are counted but not written again.
  static constexpr std::size_t k_lives_max = 200, k_life_max = 64;
  // Fields that one round writes again; the rest is for the next one.
  static constexpr std::size_t k_restored_max = 1000;

  struct Line {
    std::string name;
    std::optional<std::int64_t> own;  // nothing: only read
    Duration life{};                  // from now, until the sum is of no interest any more
  };
  // What the others have added, for each line; or nothing: Redis has not answered all. Runs once, never inside the call.
  using Read = std::function<void(std::optional<std::vector<std::int64_t>> others)>;

  // `self`: this life of this replica, unique. `timeout`: of a round trip.
  Tally(io::World world, RedisSettings settings, std::string self, Duration timeout);
  ~Tally();

  void open() { link_.open(); }
  [[nodiscard]] bool up() const { return link_.up(); }

  // False: not now; `done` will not run.
  [[nodiscard]] bool exchange(const std::vector<Line>& lines, Read done);
  // What has been read of all other sums is remembered no longer.
  void keep_only(const std::vector<Line>& lines);

 private:
  // What is known of a sum.
  struct Known {
    std::map<std::string, std::int64_t, std::less<>> lives;  // of others, the most that was read of each
    std::vector<std::string> lost;                           // of these, those that were not there when it was read last
  };
  struct Round {
    std::vector<std::int64_t> others;
    std::size_t open = 0;  // replies still to come
    bool is_good = true;
    Read done;
  };

  void on_link_up() override {}
  // The store says it: its link goes to the same Redis.
  void on_link_news(LogLevel, std::string_view) override {}

  bool send(std::initializer_list<std::string_view> command, const std::shared_ptr<Round>& round,
            std::move_only_function<bool(const Reply&)> take);
  bool restore(const std::string& key, Known& known, std::size_t count, const std::shared_ptr<Round>& round);
  [[nodiscard]] std::int64_t sum_of_others(const Reply& fields, Known& known) const;

  RedisSettings settings_;
  std::string self_;
  std::map<std::string, Known, std::less<>> known_;  // by name
  RedisLink link_;                                   // last: its commands refer to the members above
};

}  // namespace outrigger::cache
