// Which entries a purge means, and RedisPurge: the search for them in Redis. Owned by Store, which retires it when `done` has run.
//
//   one key: on the link that lookups use, so that a SET that was sent before is seen.
//   all other filters: on a connection of its own, so that lookups do not queue behind pages, page by page:
//     SCAN --keys--> GETRANGE the heads --those that match--> UNLINK --> next SCAN ... until the cursor is zero
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "cache/redis_link.h"
#include "cache/store.h"

namespace outrigger::cache {

[[nodiscard]] bool matches(const PurgeFilter& filter, const chat::Key& key, const Meta& meta);
// Nothing is set: no entry can match.
[[nodiscard]] bool is_empty(const PurgeFilter& filter);
// `text` as a glob that matches nothing but itself.
[[nodiscard]] std::string glob_quoted(std::string_view text);

class RedisPurge final : private RedisLink::Owner {
 public:
  struct Report {
    std::size_t entries = 0;
    bool complete = false;
  };
  using Done = std::move_only_function<void(Report)>;

  // `done` runs once, never inside the constructor or start().
  RedisPurge(io::World world, const RedisSettings& settings, RedisLink& lookups, PurgeFilter filter, bool dry_run,
             Done done);
  ~RedisPurge();
  void start();

 private:
  void on_link_up() override;
  void on_link_news(LogLevel, std::string_view) override;

  bool send(const std::vector<std::string_view>& arguments, RedisLink::Done done);
  void scan();
  bool on_page(const Reply* reply);
  void judge(std::vector<std::string> keys);
  bool on_head(std::size_t index, const Reply* reply);
  void on_judged();
  void remove(std::string_view command);
  bool on_removed(std::string_view command, const Reply* reply);
  void next();
  void give_up() { finish(false); }
  void finish(bool complete);

  io::World world_;
  std::string prefix_, pattern_;
  PurgeFilter filter_;
  bool dry_run_;
  Done done_;
  std::unique_ptr<RedisLink> own_link_;  // unless one key is meant
  RedisLink* link_;
  bool scanning_ = false;
  std::string cursor_ = "0";
  std::vector<std::string> page_;  // keys of this page; those that do not match are made empty
  std::size_t heads_missing_ = 0;
  std::unordered_set<std::string> seen_;  // dry run: SCAN may name a key twice
  Report report_;
  io::Timer timer_;
};

}  // namespace outrigger::cache
