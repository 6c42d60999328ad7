#include "chat/needs.h"

#include <algorithm>
#include <limits>

namespace outrigger::chat {
namespace {

// The estimate goes by widths of letters (tokens.cpp) and is some ten percent off for prose; code and rare scripts are further
// off in both directions.
constexpr std::uint64_t k_margin_divisor = 10;

bool fits(const Needs& needs, const TargetAbilities& target) {
  if (!target.context) return true;
  constexpr std::uint64_t k_most = std::numeric_limits<std::uint64_t>::max() / 4;  // sums stay sums
  const std::uint64_t prompt = std::min(needs.prompt_tokens, k_most);
  const std::uint64_t output = std::min({needs.max_output.value_or(0), target.max_output.value_or(k_most), k_most});
  return prompt + prompt / k_margin_divisor + output <= *target.context;
}

}  // namespace

std::optional<UnfitReason> unfit(const Needs& needs, const TargetAbilities& target) {
  using Relation = TargetAbilities::Relation;
  if (target.relation != Relation::first && needs.ping) return UnfitReason::ping;
  if (target.relation == Relation::other_provider) {
    if (needs.bound) return UnfitReason::bound;
    if (needs.unknown) return UnfitReason::not_understood;
  }
  if (!fits(needs, target)) return UnfitReason::context_length;
  if (needs.tools && !target.tools) return UnfitReason::tools;
  if (needs.vision && !target.vision) return UnfitReason::vision;
  if (needs.audio && !target.audio) return UnfitReason::audio;
  if (needs.json_schema && !target.json_schema) return UnfitReason::json_schema;
  if (needs.stream && !target.stream) return UnfitReason::stream;
  return std::nullopt;
}

std::string_view name(UnfitReason reason) {
  switch (reason) {
    case UnfitReason::ping:
      return "ping";
    case UnfitReason::bound:
      return "bound";
    case UnfitReason::not_understood:
      return "not_understood";
    case UnfitReason::context_length:
      return "context_length";
    case UnfitReason::tools:
      return "tools";
    case UnfitReason::vision:
      return "vision";
    case UnfitReason::audio:
      return "audio";
    case UnfitReason::json_schema:
      return "json_schema";
    case UnfitReason::stream:
      return "stream";
  }
  return "not_understood";
}

// FNV-1a (Fowler, Noll, Vo) with the end of MurmurHash3 (Appleby), since a choice of target looks at single bits. Who forges a
// collision gets the share of another user, which the other's name would give as well.
std::uint64_t user_hash(std::string_view user) {
  if (user.empty()) return 0;
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : user) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccd;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53;
  hash ^= hash >> 33;
  return hash == 0 ? 1 : hash;
}

}  // namespace outrigger::chat
