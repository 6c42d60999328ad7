#include "resilience/deadline.h"

#include <algorithm>
#include <cmath>

namespace outrigger::resilience {
namespace {

constexpr Duration k_longest = 24h;

// An SDK says when it will hang up; an answer that is on its way by then is lost.
constexpr double k_margin = 0.8;

// Clients that say nothing are taken for Dify's plugins, the least patient ones known. Embeddings and rerank of
// openai_api_compatible: 60 s for connect and answer together. Chat and everything else that uses the common code: 300 s between
// two reads (MAX_REQUEST_TIMEOUT). The jina plugin waits 5 s for its rerank; it can't be told from the others.
constexpr Duration k_short = 45s;
constexpr Duration k_long = 240s;

Duration by_kind(CallKind kind) {
  switch (kind) {
    case CallKind::embeddings:
    case CallKind::rerank:
      return k_short;
    case CallKind::chat:
    case CallKind::other:
      break;
  }
  return k_long;
}

std::optional<Duration> read_timeout(std::optional<double> value) {
  // A microsecond is less than any wait, and more than what would round to nothing.
  if (!value || !std::isfinite(*value) || *value < 1e-6) return {};
  const double longest = seconds(k_longest);
  const std::chrono::duration<double> limit(std::min(*value * k_margin, longest));
  return std::chrono::duration_cast<Duration>(limit);
}

}  // namespace

Duration client_patience(const PatienceHints& hints) {
  const std::optional<Duration> hangs_up = read_timeout(hints.read_timeout_seconds);
  // What is asked for is a limit on us, and needs no margin. Beyond the moment when the client hangs up it is worth nothing.
  if (hints.asked && *hints.asked > Duration(0)) {
    return std::min({*hints.asked, hangs_up.value_or(k_longest), k_longest});
  }
  return hangs_up.value_or(by_kind(hints.kind));
}

std::string_view name(CallKind kind) {
  switch (kind) {
    case CallKind::chat:
      return "chat";
    case CallKind::embeddings:
      return "embeddings";
    case CallKind::rerank:
      return "rerank";
    case CallKind::other:
      return "other";
  }
  return "other";
}

}  // namespace outrigger::resilience
