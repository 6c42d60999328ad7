// Deadline: the moment after which nobody wants the answer any more; and how long a client is known to wait at all, which is where
// the first deadline of a request comes from.
#pragma once

#include <compare>
#include <optional>
#include <string_view>

#include "core/time.h"

namespace outrigger::resilience {

struct Deadline {
  MonoTime at = MonoTime::max();  // max: never

  // `wait` from now; never, if that is beyond the end of time.
  [[nodiscard]] static constexpr Deadline after(MonoTime now, Duration wait) {
    if (wait > Duration(0) && now > MonoTime::max() - wait) return {};
    return {now + wait};
  }
  [[nodiscard]] constexpr bool never() const { return at == MonoTime::max(); }
  [[nodiscard]] constexpr bool expired(MonoTime now) const { return now >= at; }
  // Not below zero. The longest Duration there is for never.
  [[nodiscard]] constexpr Duration remaining(MonoTime now) const {
    if (never()) return Duration::max();
    return expired(now) ? Duration(0) : at - now;
  }
  friend constexpr auto operator<=>(const Deadline&, const Deadline&) = default;
};

constexpr Deadline earlier_of(Deadline a, Deadline b) { return a.at < b.at ? a : b; }

// What a client wants, as far as its patience goes.
enum class CallKind : unsigned char { chat, embeddings, rerank, other };
std::string_view name(CallKind kind);

struct PatienceHints {
  CallKind kind = CallKind::other;
  std::optional<Duration> asked;               // x-outrigger-timeout
  std::optional<double> read_timeout_seconds;  // x-stainless-read-timeout of the OpenAI and Anthropic SDKs, as sent
};

// How long the client waits for the first byte of an answer, less what it takes to still reach it in time. Hints that make no
// sense (nothing, negative, not a number) are ignored; the answer is positive and at most a day.
Duration client_patience(const PatienceHints& hints);

}  // namespace outrigger::resilience
