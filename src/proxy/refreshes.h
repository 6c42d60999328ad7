// Refreshes: answers that are fetched anew although nobody waits for them (stale_while_revalidate, RFC 5861 §3). Who asks just after an
// answer's time is given it all the same, at once, and a Refresh sees to it that the next one gets a fresh one.
//
// A refresh is a Fill with a reader that wants nothing. It yields to everybody who waits: low priority in the queue, at most k_max at
// once, and a key whose refresh has failed is left alone for Unstorable::k_remember. That its payer may spend no more is no failure:
// who asks next pays for himself. What it cost is in no request's record, so it is told for itself.
#pragma once

#include <memory>
#include <vector>

#include "obs/journal.h"
#include "proxy/fills.h"

namespace outrigger::proxy {

class Refreshes {
 public:
  // As many as a provider of usual limits answers in a few seconds; what finds no place is asked for again soon.
  static constexpr std::size_t k_max = 64;

  // All must outlive it.
  Refreshes(Fills& fills, io::Loop& loop, obs::Outlet& outlet);
  ~Refreshes();
  Refreshes(const Refreshes&) = delete;
  Refreshes& operator=(const Refreshes&) = delete;

  // False: it is being fetched already, had better not be, or there is no place.
  [[nodiscard]] bool may_begin(const chat::Key& key) const;
  // `order.storing` must be set. Nothing happens without may_begin().
  void begin(FillOrder order);
  // Somebody wants to wait for what `fill` brings. True: it was a refresh that waited for its turn behind everybody, and is over. Who
  // waits had better ask at his own place in the queue.
  [[nodiscard]] bool give_way(const Fill& fill);
  [[nodiscard]] std::size_t size() const { return running_.size(); }

 private:
  class Refresh;
  enum class End : unsigned char { well, badly, refused };  // refused: its payer may spend no more
  void end(Refresh& refresh, End how);
  void tell_cost(const Fill& fill);

  Fills& fills_;
  io::Loop& loop_;
  obs::Outlet& outlet_;
  std::vector<std::unique_ptr<Refresh>> running_;
  Unstorable failed_;
};

}  // namespace outrigger::proxy
