// Pools: the idle connections of a Client, by origin. Owned by the Client. The newest is used first, so that what is not needed
// grows old; an idle connection on which anything at all happens (its end, or bytes that nobody asked for) is closed.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "http/client.h"

namespace outrigger::http {

class IdleConn;

// Lives while a Call uses it or a connection is idle in it.
struct Pool {
  explicit Pool(const Origin& of);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  const Origin origin;
  std::vector<std::unique_ptr<IdleConn>> idle;  // oldest first
  std::size_t users = 0;
};

class Pools {
 public:
  Pools(io::Loop& loop, const ClientLimits& limits);
  ~Pools();
  Pools(const Pools&) = delete;
  Pools& operator=(const Pools&) = delete;

  // Each use() needs one release().
  Pool& use(const Origin& origin);
  void release(Pool& pool);
  // The newest idle connection, or null. It is being read (to stop and begin again would cost two system calls a request), and
  // its handler is still the pool's: set another at once.
  std::unique_ptr<io::Stream> take(Pool& pool);
  // A connection whose exchange ended cleanly.
  void give(Pool& pool, std::unique_ptr<io::Stream> stream);
  void close_idle();
  [[nodiscard]] std::size_t idle() const;

 private:
  friend class IdleConn;
  void drop(IdleConn& conn);
  void forget_if_unused(Pool& pool);
  void close_expired();
  void watch();

  io::Loop& loop_;
  const ClientLimits limits_;
  std::vector<std::unique_ptr<Pool>> pools_;
  io::Timer timer_;
};

}  // namespace outrigger::http
