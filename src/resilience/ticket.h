// What waits for a target, as the queue sees it. The caller owns what stands behind a ticket.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/time.h"

namespace outrigger::resilience {

// In the order of service: somebody reads along, somebody waits for the whole, nobody waits (embeddings, rerank).
enum class QueueClass : unsigned char { streaming, blocking, batch };
inline constexpr std::size_t k_queue_classes = 3;
std::string_view name(QueueClass cls);

// `x-outrigger-priority: high|normal|low` moves a ticket one class up or down; there is nothing above the first or below the
// last, so nobody gets past the streams by asking.
enum class Priority : unsigned char { high, normal, low };
QueueClass moved(QueueClass cls, Priority priority);

struct Ticket {
  std::uint64_t id = 0;    // given by the queue, never 0; what push() finds here is ignored
  std::uint64_t flow = 0;  // whose it is: a hash of user, app or credential. Flows get equal shares
  QueueClass cls = QueueClass::blocking;
  Priority priority = Priority::normal;
  std::uint64_t cost = 1;               // estimated tokens; counted as 1 to 2^32
  MonoTime deadline = MonoTime::max();  // from here on it must not be served any more
};

}  // namespace outrigger::resilience
