#include "cache/store.h"

#include <fmt/format.h>

#include <list>
#include <utility>

#include "cache/memory.h"
#include "cache/purge.h"
#include "cache/redis_tier.h"
#include "cache/secret.h"
#include "core/check.h"

namespace outrigger::cache {
namespace {

// The least that a secret made here must have.
constexpr std::size_t k_secret_min = 32;

}  // namespace

class Store::Impl final : private RedisLink::Owner {
 public:
  Impl(io::World world, StoreSettings settings)
      : world_(world),
        memory_(settings.memory_bytes, IdentityHash(settings.fresh_secret)),
        fresh_secret_(std::move(settings.fresh_secret)),
        log_(std::move(settings.log)) {
    RedisLink::Owner& owner = *this;
    if (settings.redis) redis_ = std::make_unique<RedisTier>(world, std::move(*settings.redis), owner);
  }

  void start(std::optional<std::string> preset, Duration timeout, SecretKeeper::Tell ready, SecretKeeper::Tell changed);
  EntryPtr find_now(std::string_view identity) { return memory_.find(identity, world_.loop.wall_now()); }
  bool can_find_later() const { return redis_ != nullptr && redis_->link().usable(); }
  std::unique_ptr<io::Pending> find_later(std::vector<Wanted> wanted, RedisTier::FoundDone done);
  void put(EntryPtr entry);
  void recharge(const Entry& entry) { memory_.recharge(entry, world_.loop.wall_now()); }
  void purge(PurgeFilter filter, bool dry_run, std::move_only_function<void(PurgeReport)> done);
  void forget_memory() {
    memory_.erase_if([](const Entry&) { return true; });
  }
  void visit_memory(const std::function<bool(const Entry&)>& visit) const { memory_.visit(visit); }
  StoreStats stats() const;

 private:
  // One purge, until no lookup can come back any more that had begun before its end.
  struct Purge {
    PurgeFilter filter;
    bool dry_run = false;
    std::move_only_function<void(PurgeReport)> done;
    PurgeReport report;
    std::unique_ptr<RedisPurge> redis;
    io::Timer timer;
  };
  using Purges = std::list<Purge>;

  void on_link_up() override {
    if (secret_ != nullptr) secret_->on_link_up();
    redis_->on_link_up();
  }
  void on_link_news(LogLevel level, std::string_view words) override {
    if (log_) log_(level, fmt::format("redis: {}", words));
  }
  EntryPtr keep(EntryPtr found);
  std::size_t purge_memory(const Purge& purge);
  void on_purged(Purges::iterator purge);

  io::World world_;
  MemoryTier memory_;
  std::string fresh_secret_;
  std::function<void(LogLevel, std::string_view)> log_;
  std::unique_ptr<RedisTier> redis_;
  std::unique_ptr<SecretKeeper> secret_;
  Purges purges_;
};

void Store::Impl::start(std::optional<std::string> preset, Duration timeout, SecretKeeper::Tell ready,
                        SecretKeeper::Tell changed) {
  OR_CHECK(secret_ == nullptr);
  OR_CHECK(preset.has_value() || fresh_secret_.size() >= k_secret_min);
  SecretKeeper::Plan plan{.secret = preset.value_or(fresh_secret_), .link = nullptr, .redis_key = {}, .timeout = timeout};
  if (redis_ != nullptr && !preset) {
    plan.link = &redis_->link();
    plan.redis_key = redis_->settings().prefix + "secret";
  }
  secret_ = std::make_unique<SecretKeeper>(world_.loop, std::move(plan), std::move(ready), std::move(changed));
  if (redis_ != nullptr) redis_->link().open();
}

std::unique_ptr<io::Pending> Store::Impl::find_later(std::vector<Wanted> wanted, RedisTier::FoundDone done) {
  if (redis_ != nullptr) {
    return redis_->find(std::move(wanted), [this, done = std::move(done)](Found found) mutable {
      for (EntryPtr& entry : found) {
        if (entry != nullptr) entry = keep(std::move(entry));
      }
      done(std::move(found));
    });
  }
  struct Nothing final : io::Pending {
    io::Timer timer;
  };
  auto nothing = std::make_unique<Nothing>();
  nothing->timer = world_.loop.after(0ns, [size = wanted.size(), done = std::move(done)]() mutable { done(Found(size)); });
  return nothing;
}

// What Redis has found goes into memory, unless memory has something newer, or a purge is after it: then the lookup was
// answered before the purge came to it.
EntryPtr Store::Impl::keep(EntryPtr found) {
  for (const Purge& purge : purges_) {
    if (!purge.dry_run && matches(purge.filter, found->key(), found->meta())) return {};
  }
  const Entry* known = memory_.peek(found->identity());
  if (known != nullptr && known->meta().stored_at >= found->meta().stored_at) return find_now(found->identity());
  memory_.put(found, world_.loop.wall_now());
  return found;
}

void Store::Impl::put(EntryPtr entry) {
  if (redis_ != nullptr) redis_->put(entry);
  memory_.put(std::move(entry), world_.loop.wall_now());
}

void Store::Impl::purge(PurgeFilter filter, bool dry_run, std::move_only_function<void(PurgeReport)> done) {
  Purge& purge = purges_.emplace_back();
  const auto at = std::prev(purges_.end());
  purge.filter = std::move(filter);
  purge.dry_run = dry_run;
  purge.done = std::move(done);
  purge.report.memory = purge_memory(purge);
  if (redis_ == nullptr || is_empty(purge.filter)) {
    purge.timer = world_.loop.after(0ns, [this, at] { on_purged(at); });
    return;
  }
  const auto on_searched = [this, at](RedisPurge::Report report) {
    at->report.redis = report.entries;
    at->report.redis_complete = report.complete;
    world_.loop.retire(std::move(at->redis));
    on_purged(at);
  };
  purge.redis = std::make_unique<RedisPurge>(world_, redis_->settings(), redis_->link(), purge.filter, dry_run, on_searched);
  purge.redis->start();
}

std::size_t Store::Impl::purge_memory(const Purge& purge) {
  const auto matching = [&](const Entry& entry) { return matches(purge.filter, entry.key(), entry.meta()); };
  if (!purge.dry_run) {
    if (redis_ != nullptr) redis_->forget(matching);
    return memory_.erase_if(matching);
  }
  std::size_t count = 0;
  memory_.visit([&](const Entry& entry) {
    if (matching(entry)) ++count;
    return true;
  });
  return count;
}

void Store::Impl::on_purged(Purges::iterator purge) {
  const Duration linger = redis_ == nullptr ? Duration{} : redis_->settings().timeout;
  auto done = std::move(purge->done);
  const PurgeReport report = purge->report;
  purge->timer = world_.loop.after(linger, [this, purge] { purges_.erase(purge); });
  done(report);
}

StoreStats Store::Impl::stats() const {
  StoreStats stats;
  stats.entries = memory_.entries();
  stats.bytes = memory_.bytes();
  stats.capacity = memory_.capacity();
  stats.evictions = memory_.evictions();
  if (redis_ != nullptr) redis_->add_to(stats);
  return stats;
}

Store::Store(io::World world, StoreSettings settings) : impl_(std::make_unique<Impl>(world, std::move(settings))) {}
Store::~Store() = default;

void Store::start(std::optional<std::string> preset, Duration timeout,
                  std::move_only_function<void(std::string secret)> ready,
                  std::move_only_function<void(std::string secret)> secret_changed) {
  impl_->start(std::move(preset), timeout, std::move(ready), std::move(secret_changed));
}

EntryPtr Store::find_now(std::string_view identity) { return impl_->find_now(identity); }

bool Store::can_find_later() const { return impl_->can_find_later(); }

std::unique_ptr<io::Pending> Store::find_later(std::vector<Wanted> wanted, std::move_only_function<void(Found)> done) {
  return impl_->find_later(std::move(wanted), std::move(done));
}

void Store::put(EntryPtr entry) { impl_->put(std::move(entry)); }

void Store::recharge(const Entry& entry) { impl_->recharge(entry); }

void Store::purge(PurgeFilter filter, bool dry_run, std::move_only_function<void(PurgeReport)> done) {
  impl_->purge(std::move(filter), dry_run, std::move(done));
}

void Store::forget_memory() { impl_->forget_memory(); }

void Store::visit_memory(const std::function<bool(const Entry&)>& visit) const { impl_->visit_memory(visit); }

StoreStats Store::stats() const { return impl_->stats(); }

}  // namespace outrigger::cache
