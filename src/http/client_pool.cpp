#include "http/client_pool.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/check.h"

namespace outrigger::http {

class IdleConn final : private io::StreamHandler {
 public:
  IdleConn(Pools& pools, Pool& in, std::unique_ptr<io::Stream> stream, MonoTime now)
      : pool(in), since(now), pools_(pools), stream_(std::move(stream)) {
    stream_->set_handler(this);
    stream_->read(true);
  }
  std::unique_ptr<io::Stream> take() { return std::move(stream_); }
  void close() { stream_.reset(); }

  Pool& pool;
  const MonoTime since;

 private:
  void on_data(std::string_view) override { pools_.drop(*this); }
  void on_eof() override { pools_.drop(*this); }
  void on_error(Error) override { pools_.drop(*this); }
  void on_drained() override {}

  Pools& pools_;
  std::unique_ptr<io::Stream> stream_;
};

Pool::Pool(const Origin& of) : origin(of) {}

Pool::~Pool() = default;

Pools::Pools(io::Loop& loop, const ClientLimits& limits) : loop_(loop), limits_(limits) {}

Pools::~Pools() = default;

Pool& Pools::use(const Origin& origin) {
  auto found = std::find_if(pools_.begin(), pools_.end(), [&](const auto& pool) { return pool->origin == origin; });
  if (found == pools_.end()) found = pools_.insert(pools_.end(), std::make_unique<Pool>(origin));
  ++(*found)->users;
  return **found;
}

void Pools::release(Pool& pool) {
  OR_CHECK(pool.users > 0);
  --pool.users;
  forget_if_unused(pool);
}

std::unique_ptr<io::Stream> Pools::take(Pool& pool) {
  if (pool.idle.empty()) return nullptr;
  std::unique_ptr<io::Stream> stream = pool.idle.back()->take();
  pool.idle.pop_back();
  return stream;
}

void Pools::give(Pool& pool, std::unique_ptr<io::Stream> stream) {
  pool.idle.push_back(std::make_unique<IdleConn>(*this, pool, std::move(stream), loop_.now()));
  if (pool.idle.size() > limits_.idle_per_origin) pool.idle.erase(pool.idle.begin());
  watch();
}

void Pools::close_idle() {
  for (std::size_t i = pools_.size(); i-- > 0;) {
    Pool& pool = *pools_[i];
    pool.idle.clear();
    forget_if_unused(pool);
  }
}

std::size_t Pools::idle() const {
  std::size_t count = 0;
  for (const auto& pool : pools_) count += pool->idle.size();
  return count;
}

// Called from within one of the connection's own events.
void Pools::drop(IdleConn& conn) {
  Pool& pool = conn.pool;
  const auto found = std::find_if(pool.idle.begin(), pool.idle.end(), [&](const auto& idle) { return idle.get() == &conn; });
  OR_CHECK(found != pool.idle.end());
  std::unique_ptr<IdleConn> gone = std::move(*found);
  pool.idle.erase(found);
  gone->close();
  loop_.retire(std::move(gone));
  forget_if_unused(pool);
}

void Pools::forget_if_unused(Pool& pool) {
  if (pool.users > 0 || !pool.idle.empty()) return;
  std::erase_if(pools_, [&](const auto& known) { return known.get() == &pool; });
}

void Pools::close_expired() {
  const MonoTime now = loop_.now();
  for (std::size_t i = pools_.size(); i-- > 0;) {
    Pool& pool = *pools_[i];
    std::erase_if(pool.idle, [&](const auto& conn) { return conn->since + limits_.idle_timeout <= now; });
    forget_if_unused(pool);
  }
  watch();
}

// One timer for all: set for the oldest connection there is when it is set. A connection that was used meanwhile makes it
// come too early, which close_expired() finds out.
void Pools::watch() {
  if (timer_.pending()) return;
  std::optional<MonoTime> first;
  for (const auto& pool : pools_) {
    if (pool->idle.empty()) continue;
    const MonoTime since = pool->idle.front()->since;
    if (!first || since < *first) first = since;
  }
  if (!first) return;
  timer_ = loop_.at(*first + limits_.idle_timeout, [this] { close_expired(); });
}

}  // namespace outrigger::http
