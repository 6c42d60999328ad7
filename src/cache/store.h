// Store: the two tiers behind one face. Memory answers at once; Redis, when configured, within its time limit or not at all.
//
// Redis slow, down, full or returning rubbish is a miss and is counted, never an error: a breaker of its own makes sure that its
// time limit is paid once and not by every request.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/entry.h"
#include "cache/redis_settings.h"
#include "core/error.h"
#include "io/world.h"

namespace outrigger::cache {

struct StoreSettings {
  std::size_t memory_bytes = 256u << 20;
  std::optional<RedisSettings> redis;
  // The deployment's secret if there is neither a preset one nor one in Redis: at least 32 characters from net/'s random source
  // (world.rng is not for secrets). start() without a preset checks that it is there. The memory tier's hash is keyed with it
  // as well.
  std::string fresh_secret;
  // News about Redis for the log, without secrets; each kind of trouble once until it changes. May be empty.
  std::function<void(LogLevel, std::string_view words)> log;
};

struct StoreStats {
  std::size_t entries = 0, bytes = 0, capacity = 0;
  std::uint64_t evictions = 0;
  bool redis_configured = false;
  bool redis_up = false;
  std::uint64_t redis_hits = 0, redis_misses = 0, redis_errors = 0, redis_timeouts = 0, redis_writes = 0, redis_dropped = 0,
                redis_rubbish = 0;
  std::string redis_last_error;  // in words, without secrets ("WRONGPASS: ..."); empty when all is well
};

// What to purge. Several members set: all must match. None set and `all` false: nothing matches.
struct PurgeFilter {
  std::optional<chat::Key> key{};
  std::optional<std::string> model{}, route{}, tag{};
  bool all = false;
};
struct PurgeReport {
  std::size_t memory = 0, redis = 0;  // matching entries (dry run) or entries removed
  bool redis_complete = true;         // false: Redis is configured but could not be (fully) searched
};

class Store {
 public:
  Store(io::World world, StoreSettings settings);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // Connects to Redis, if configured, and agrees on the deployment's secret: `preset`, or the one that Redis keeps, or a new one
  // that is then kept there (SET NX, with a TTL that is renewed). `ready` runs once: with the secret to use, when Redis has
  // answered, or when `timeout` has passed (then with a secret made here; should Redis come up later, `secret_changed` tells).
  void start(std::optional<std::string> preset, Duration timeout, std::move_only_function<void(std::string secret)> ready,
             std::move_only_function<void(std::string secret)> secret_changed);

  // The memory tier. Needs no key, so a hit costs no HMAC. The caller decides about freshness.
  [[nodiscard]] EntryPtr find_now(std::string_view identity);

  // Is it worth asking find_later now? False without Redis and while its breaker is open.
  [[nodiscard]] bool can_find_later() const;
  // Asks Redis for all of them in one round trip; what it finds goes into memory too. `done` gets one element per key, null
  // where nothing was found. Takes at most `timeout`.
  struct Wanted {
    chat::Key key;
    std::string identity;
  };
  using Found = std::vector<EntryPtr>;
  [[nodiscard]] std::unique_ptr<io::Pending> find_later(std::vector<Wanted> wanted,
                                                        std::move_only_function<void(Found)> done);

  // Into memory now, and to Redis without waiting for it. While Redis is away the last few hundred are held and written later.
  void put(EntryPtr entry);
  // The entry's wire forms have grown: charge it anew.
  void recharge(const Entry& entry);

  // `done` runs later, once, after at most half a minute. Without dry_run what matches is removed from both tiers; what other
  // replicas have in memory stays there until it expires.
  void purge(PurgeFilter filter, bool dry_run, std::move_only_function<void(PurgeReport)> done);

  // Drops all that memory holds; Redis keeps what it has.
  void forget_memory();

  // Calls `visit` for every entry in memory until it returns false. `visit` must not change the store.
  void visit_memory(const std::function<bool(const Entry&)>& visit) const;

  [[nodiscard]] StoreStats stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger::cache
