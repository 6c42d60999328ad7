// The picture of `outrigger top`: what the dashboard shows, in a terminal. Pure: texts in, lines out.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace outrigger::admin {

struct TopFacts {
  std::string_view where;                      // whom it is about: an address
  std::string_view status, history, requests;  // what the admin door answered; empty: nothing yet
  std::string_view problem;                    // why there is nothing new; empty: there is
};

struct TopSize {
  std::size_t width = 80, height = 24;
  bool is_coloured = false;  // lines hold escape sequences for colours
};

// At most `height` lines of at most `width` columns. Nothing that comes from outside is passed on as a control character.
std::vector<std::string> top_view(const TopFacts& facts, const TopSize& size);

}  // namespace outrigger::admin
