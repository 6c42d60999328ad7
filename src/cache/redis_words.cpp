#include "cache/redis_words.h"

#include <algorithm>
#include <array>

namespace outrigger::cache {
namespace {

struct Meaning {
  std::string_view begins;  // with the code, and as much more as tells it from others; a word of the error ends here
  std::string_view words;
  bool ends_link;
};

constexpr std::array k_meanings{
    // Said to whoever connects, whatever was asked.
    Meaning{"DENIED", "Redis is in protected mode: it wants a password to be set, or protected-mode no", true},
    Meaning{"ERR max number of clients", "Redis takes no more connections (maxclients)", true},
    // Before Redis 6.
    Meaning{"ERR invalid password", "Redis refuses this password", true},
    Meaning{"NOAUTH", "Redis wants a password", true},
    Meaning{"WRONGPASS", "Redis refuses this user name or password", true},
    Meaning{"NOPERM", "this Redis user may not run a command that is needed", false},
    Meaning{"OOM", "Redis is full (maxmemory) and takes no writes", false},
    Meaning{"LOADING", "Redis is still loading its data", true},
    Meaning{"READONLY", "this Redis is a replica and takes no writes", false},
    Meaning{"MISCONF", "Redis cannot save to its disk and takes no writes", false},
    Meaning{"MASTERDOWN", "this Redis replica has lost its master", true},
    Meaning{"BUSY", "Redis is busy with a script", true},
    Meaning{"CLUSTERDOWN", "the Redis cluster is down", true},
    Meaning{"MOVED", "this is a Redis cluster, which is not supported", false},
    Meaning{"CROSSSLOT", "this is a Redis cluster, which is not supported", false},
    Meaning{"WRONGTYPE", "a key of ours holds something else in Redis", false},
};

const Meaning* meaning_of(std::string_view error) {
  const auto found = std::ranges::find_if(k_meanings, [error](const Meaning& meaning) {
    return error.starts_with(meaning.begins) &&
           (error.size() == meaning.begins.size() || error[meaning.begins.size()] == ' ');
  });
  return found == k_meanings.end() ? nullptr : &*found;
}

}  // namespace

std::string_view error_code(std::string_view error) {
  const std::string_view word = error.substr(0, error.find(' '));
  const bool is_code = std::ranges::all_of(word, [](char c) { return c >= 'A' && c <= 'Z'; });
  return is_code && word.size() <= 32 ? word : std::string_view();
}

std::string explain(std::string_view error) {
  const std::string_view code = error_code(error);
  const Meaning* meaning = meaning_of(error);
  std::string words(code);
  if (!words.empty()) words += ": ";
  return words.append(meaning != nullptr ? meaning->words : "Redis refused a command");
}

bool ends_link(std::string_view error) {
  const Meaning* meaning = meaning_of(error);
  return meaning != nullptr && meaning->ends_link;
}

bool needs_no_password(std::string_view error) {
  return error.starts_with("ERR") && (error.find("without any password configured") != std::string_view::npos ||
                                      error.find("no password is set") != std::string_view::npos);
}

}  // namespace outrigger::cache
