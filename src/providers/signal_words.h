// The words by which providers tell what went wrong, and what each means. Collected from their documentation and from bodies that
// users have posted; an upstream's name stands beside what only it says. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "providers/signals.h"

namespace outrigger::providers {

// An error as a provider told it, before anything is made of it. Words and text in lower case.
struct ToldError {
  int status = 0;                      // of HTTP, or told inside a 200; 0: neither
  std::vector<std::string> words;      // codes and types
  std::string text;                    // the message
  bool minimax = false;                // numbers mean what they mean to MiniMax
  bool page = false;                   // no error at all, but a page for people
  bool by_the_day = false;             // an allowance of a day or more is used up
  std::optional<Duration> retry_hint;  // from the message, or a field of its own

  [[nodiscard]] bool has_word(std::string_view word) const;
  [[nodiscard]] bool says(std::string_view phrase) const { return text.find(phrase) != std::string::npos; }
};

// Never `ok`.
SignalKind classify(const ToldError& error);

}  // namespace outrigger::providers
