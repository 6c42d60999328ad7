// Board: what the replicas of a deployment tell each other through Redis, and locks that one of them has at a time. Over a link of its
// own, so that large answers and their time limit have nothing to do with it. Nobody waits for it. Owned by proxy/Fleet.
//
//   <prefix>fleet:<n>    n below k_places: the note of the replica that has the place, and a life that it renews by writing again
//   <prefix>probe:<name> a lock, and who has it
//
// Everything is written together with its time to live, so whoever dies leaves nothing behind. A replica takes a free place with NX.
// Should two ever believe that they have the same (one stood still until its note was gone), each finds the other's note where its
// own was, and looks for another place; what it had put up last may be read beside its newer notes for a while. Only GET-like reads, SET, PEXPIRE and DEL are needed, which every Redis and every ACL has.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/redis_link.h"

namespace outrigger::cache {

class Board final : private RedisLink::Owner {
 public:
  // More replicas than that read what the others say and are not heard.
  static constexpr std::size_t k_places = 64;
  // Longer notes are neither written nor read.
  static constexpr std::size_t k_note_max = 64u << 10;
  // How long a note stays without being renewed.
  static constexpr Duration k_note_life = 3s;

  struct Note {
    std::string who, text;
  };
  // Nothing: Redis has not answered. Runs once, never inside the call.
  using Read = std::move_only_function<void(std::optional<std::vector<Note>>)>;
  enum class Lock : unsigned char { mine, taken, unknown };
  using Locked = std::move_only_function<void(Lock)>;

  // `self`: this replica's name, unique and without a line end. `timeout`: of a round trip.
  Board(io::World world, RedisSettings settings, std::string self, Duration timeout);
  ~Board();

  void open() { link_.open(); }
  [[nodiscard]] bool up() const { return link_.up(); }
  [[nodiscard]] const std::string& self() const { return self_; }
  // In words for operators, without secrets; empty when all is well.
  [[nodiscard]] const std::string& last_error() const { return link_.last_error(); }

  // Puts up a note instead of the last one and reads those of the others, in one round trip. False: not now; `done` will not run.
  [[nodiscard]] bool exchange(std::string_view text, Read done);

  // `taken`: somebody else has it. False: not now; `done` will not run.
  [[nodiscard]] bool lock(std::string_view name, Duration life, Locked done);
  // For whoever has it.
  void renew(std::string_view name, Duration life);
  void unlock(std::string_view name);

 private:
  void on_link_up() override {}
  // The store says it: its link goes to the same Redis.
  void on_link_news(LogLevel, std::string_view) override {}

  void put_up(std::string_view text);
  bool on_notes(const Reply* reply, Read& done);
  void find_place(const std::vector<Reply>& places);
  [[nodiscard]] std::string lock_key(std::string_view name) const;

  RedisSettings settings_;
  std::string self_;
  Rng rng_;
  std::vector<std::string> keys_;     // of the places
  std::optional<std::size_t> place_;  // ours
  bool is_sure_ = false;              // our note has been there
  RedisLink link_;                    // last: its commands refer to the members above
};

}  // namespace outrigger::cache
