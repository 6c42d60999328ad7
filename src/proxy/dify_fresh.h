// DifyFresh: since when answers of Dify's apps are true. A change that is seen passing at the dify door (a new version published, a
// document edited) makes what was answered before it old.
//
// Here that is so at once. In Redis the entries are purged; other replicas keep what they have in memory until its time is over,
// which is why the time of an app's answers is short by default.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "cache/store.h"
#include "io/world.h"

namespace outrigger::proxy {

class DifyFresh {
 public:
  // The store is searched for an app's entries at most so often, however many changes pass.
  static constexpr Duration k_purge_every = 5s;
  // Stands on every entry of the door.
  static constexpr std::string_view k_tag = "dify";

  // Both must outlive it.
  DifyFresh(io::World world, cache::Store& store) : world_(world), store_(store) {}
  DifyFresh(const DifyFresh&) = delete;
  DifyFresh& operator=(const DifyFresh&) = delete;

  // The tag of one app's entries. Apps are told apart by their key's digest.
  [[nodiscard]] static std::string tag_of(std::string_view app);
  // That app, one with a cache, has changed; empty: any of them may have.
  void touch(std::string_view app);
  // Was what began at `asked` asked after the last change?
  [[nodiscard]] bool is_current(std::string_view app, WallTime asked) const;

 private:
  struct Purge {
    bool again = false;  // there was another change since
    io::Timer rest;
  };
  void purge(const std::string& tag);

  io::World world_;
  cache::Store& store_;
  WallTime all_touched_{};
  std::map<std::string, WallTime, std::less<>> touched_;
  std::map<std::string, Purge, std::less<>> purges_;  // by tag
};

}  // namespace outrigger::proxy
