#include "cache/redis_tier.h"

#include <algorithm>
#include <utility>

namespace outrigger::cache {
namespace {

// Of one MGET: what a thousand embeddings need goes out as several commands in one write.
constexpr std::size_t k_keys_per_command = 256;
// From here on compressing takes longer than half a millisecond, which other requests would notice.
constexpr std::size_t k_pack_in_pool = 128u << 10;
constexpr std::size_t k_packing_max = 32;
// Of what is held while the link rests; beyond it the oldest goes. Half of the writes that the link takes at once.
constexpr std::size_t k_held_max = 500;
constexpr std::size_t k_held_bytes_max = 8u << 20;
// Written per turn of the loop when the link is up again: about half a millisecond of compressing.
constexpr std::size_t k_held_per_turn = 50;
// Redis refuses a time to live of zero, and an entry that is gone at once helps nobody.
constexpr std::chrono::milliseconds k_shortest_life = 1s;

std::size_t size_of(const Entry& entry) { return entry.identity().size() + entry.payload().size(); }

}  // namespace

std::string entry_prefix(const RedisSettings& settings) { return settings.prefix + "v1:"; }

// Shared by the handle and the commands on their way.
struct RedisTier::Lookup {
  std::vector<Wanted> wanted;
  Found found;
  std::size_t parts = 0;  // commands not yet answered
  FoundDone done;         // null: nobody waits any more
  io::Timer at_once;      // when nothing could be asked

  void part_done() {
    if (--parts == 0) finish();
  }
  void finish() {
    if (FoundDone finished = std::exchange(done, nullptr)) finished(std::move(found));
  }
};

class RedisTier::Handle final : public io::Pending {
 public:
  explicit Handle(std::shared_ptr<Lookup> lookup) : lookup_(std::move(lookup)) {}
  ~Handle() override {
    lookup_->at_once.cancel();
    lookup_->done = nullptr;
  }

 private:
  std::shared_ptr<Lookup> lookup_;
};

// An entry that is being compressed. Only `codec` and `bytes` are the pool's; the entry's identity and payload do not change.
struct RedisTier::Packing {
  EntryPtr entry;
  Codec codec;
  std::optional<std::string> bytes;
};

RedisTier::RedisTier(io::World world, RedisSettings settings, RedisLink::Owner& owner)
    : world_(world),
      settings_(std::move(settings)),
      entry_prefix_(entry_prefix(settings_)),
      link_(world, settings_, settings_.timeout, owner) {}

RedisTier::~RedisTier() = default;

std::unique_ptr<io::Pending> RedisTier::find(std::vector<Wanted> wanted, FoundDone done) {
  auto lookup = std::make_shared<Lookup>();
  lookup->wanted = std::move(wanted);
  lookup->found.resize(lookup->wanted.size());
  lookup->done = std::move(done);
  for (std::size_t first = 0; first < lookup->wanted.size(); first += k_keys_per_command) {
    const std::size_t count = std::min(k_keys_per_command, lookup->wanted.size() - first);
    if (ask(lookup, first, count)) {
      ++lookup->parts;
    } else {
      misses_ += count;
    }
  }
  if (lookup->parts == 0) lookup->at_once = world_.loop.after(0ns, [lookup = lookup.get()] { lookup->finish(); });
  return std::make_unique<Handle>(std::move(lookup));
}

bool RedisTier::ask(const std::shared_ptr<Lookup>& lookup, std::size_t first, std::size_t count) {
  std::vector<std::string> keys;
  keys.reserve(count);
  for (std::size_t i = first; i < first + count; ++i) keys.push_back(redis_key(lookup->wanted[i].key));
  std::vector<std::string_view> arguments{"MGET"};
  arguments.insert(arguments.end(), keys.begin(), keys.end());
  return link_.send(arguments, RedisLink::Use::lookup,
                    [this, lookup, first, count](const Reply* reply) { return on_values(*lookup, first, count, reply); });
}

bool RedisTier::on_values(Lookup& lookup, std::size_t first, std::size_t count, const Reply* reply) {
  const bool is_answer = reply != nullptr && reply->kind == Reply::Kind::array && reply->elements.size() == count;
  const bool possible = reply == nullptr || is_answer || reply->kind == Reply::Kind::error;
  for (std::size_t i = 0; i < count && lookup.done; ++i) {
    EntryPtr entry = is_answer ? read(reply->elements[i], lookup.wanted[first + i]) : nullptr;
    ++(entry != nullptr ? hits_ : misses_);
    lookup.found[first + i] = std::move(entry);
  }
  lookup.part_done();
  return possible;
}

EntryPtr RedisTier::read(const Reply& value, Wanted& wanted) {
  if (value.kind == Reply::Kind::nil) return {};
  if (value.kind != Reply::Kind::string) {
    ++rubbish_;
    return {};
  }
  auto entry = codec_.decode(value.text, wanted.key, std::move(wanted.identity));
  if (!entry) {
    if (entry.error() == Codec::Refusal::rubbish) ++rubbish_;
    return {};
  }
  return (*entry)->usable_if_error(world_.loop.wall_now()) ? std::move(*entry) : nullptr;
}

void RedisTier::put(const EntryPtr& entry) {
  if (link_.usable()) {
    write_now(entry);
  } else {
    hold(entry);
  }
}

void RedisTier::hold(const EntryPtr& entry) {
  held_.push_back(entry);
  held_bytes_ += size_of(*entry);
  while (held_.size() > k_held_max || held_bytes_ > k_held_bytes_max) {
    held_bytes_ -= size_of(*held_.front());
    held_.pop_front();
    ++dropped_;
  }
}

void RedisTier::write_held() {
  for (std::size_t i = 0; i < k_held_per_turn && !held_.empty() && link_.usable(); ++i) {
    const EntryPtr entry = std::move(held_.front());
    held_.pop_front();
    held_bytes_ -= size_of(*entry);
    if (entry->usable_if_error(world_.loop.wall_now())) write_now(entry);
  }
  if (!held_.empty() && link_.usable()) held_timer_ = world_.loop.after(0ns, [this] { write_held(); });
}

void RedisTier::forget(const std::function<bool(const Entry&)>& matches) {
  std::erase_if(held_, [&](const EntryPtr& entry) {
    const bool gone = matches(*entry);
    if (gone) held_bytes_ -= size_of(*entry);
    return gone;
  });
}

void RedisTier::write_now(const EntryPtr& entry) {
  const std::size_t size = size_of(*entry);
  if (size > k_pack_in_pool && size <= k_raw_max) {
    pack_in_pool(entry);
  } else {
    write(*entry, codec_.encode(*entry));
  }
}

void RedisTier::pack_in_pool(const EntryPtr& entry) {
  if (packing_.size() >= k_packing_max) {
    ++dropped_;
    return;
  }
  auto packing = std::make_shared<Packing>();
  packing->entry = entry;
  const auto at = packing_.emplace(packing_.end());
  *at = world_.loop.work([packing] { packing->bytes = packing->codec.encode(*packing->entry); },
                         [this, packing, at] {
                           // The closure dies with its Work: what it still needs comes first.
                           const std::shared_ptr<Packing> packed = packing;
                           const std::unique_ptr<io::Work> work = std::move(*at);
                           packing_.erase(at);
                           write(*packed->entry, packed->bytes);
                         });
}

void RedisTier::write(const Entry& entry, const std::optional<std::string>& bytes) {
  const Duration life = entry.meta().ttl + entry.meta().stale;
  const auto life_ms = std::max(std::chrono::duration_cast<std::chrono::milliseconds>(life), k_shortest_life);
  const bool sent = bytes && link_.send({"SET", redis_key(entry.key()), *bytes, "PX", std::to_string(life_ms.count())},
                                        RedisLink::Use::write, [this](const Reply* reply) { return on_written(reply); });
  if (!sent) ++dropped_;
}

bool RedisTier::on_written(const Reply* reply) {
  if (reply == nullptr) {
    ++dropped_;
  } else if (reply->is_ok()) {
    ++writes_;
  }
  return reply == nullptr || reply->is_ok() || reply->kind == Reply::Kind::error;
}

void RedisTier::add_to(StoreStats& stats) const {
  stats.redis_configured = true;
  stats.redis_up = link_.up();
  stats.redis_hits = hits_;
  stats.redis_misses = misses_;
  stats.redis_writes = writes_;
  stats.redis_dropped = dropped_;
  stats.redis_rubbish = rubbish_ + link_.counts().rubbish;
  stats.redis_errors = link_.counts().errors;
  stats.redis_timeouts = link_.counts().timeouts;
  stats.redis_last_error = link_.last_error();
}

}  // namespace outrigger::cache
