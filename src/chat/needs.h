// Needs: what a request asks of a target, for the choice of a target that can give it. Filled by understand() from the tree that
// it reads anyway. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace outrigger::chat {

struct Needs {
  std::uint64_t prompt_tokens = 0;  // an estimate, of one prompt: of a batch of embeddings the longest element
  std::optional<std::uint64_t> max_output = std::nullopt;  // the largest of max_tokens and its other names
  bool tools = false;                                      // offers some, or talks about calls that were made
  bool vision = false;                                     // pictures, videos, or files (which targets read as pictures)
  bool audio = false;                                      // hears or speaks
  bool json_schema = false;                                // response_format
  bool json_object = false;
  bool stream = false;
  bool logprobs = false;
  bool several_answers = false;  // n or best_of above 1
  // Holds what only the provider that it came from can read: encrypted or signed reasoning, reasoning_content that it wants
  // back, ids of its files, answers and conversations, tools that it runs itself. Another would refuse it or, worse, ignore it.
  bool bound = false;
  bool ping = false;       // Dify's credential check: an answer from elsewhere would make a wrong key look right
  bool unknown = false;    // the body was not understood, so it may hold anything
  std::uint64_t user = 0;  // user_hash() of who asks, 0 when the body does not say: for fair shares and for stickiness
};

// What a target can do, as far as the configuration says.
struct TargetAbilities {
  std::optional<std::uint64_t> context = std::nullopt;  // tokens of prompt and answer together
  bool tools = true;
  bool vision = true;
  bool json_schema = true;
  bool stream = true;
  std::optional<std::uint64_t> max_output = std::nullopt;  // a request for more is cut down to it, not turned away
  bool audio = true;
  // Towards the target that the request was meant for.
  enum class Relation : unsigned char {
    first,           // that target itself: only its abilities count
    same_provider,   // another key or region of the same account
    other_provider,  // the strictest
  } relation = Relation::other_provider;
};

enum class UnfitReason : unsigned char {
  ping,            // never falls back, not even to another key
  bound,           // bound to another provider
  not_understood,  // may be bound
  context_length,
  tools,
  vision,
  audio,
  json_schema,
  stream,
};
std::string_view name(UnfitReason reason);

// Why the target must not get this request, the first in the order of the enumeration; nothing when it may. Sizes are
// estimates (k_margin in needs.cpp): a prompt close to the end of the context is turned away though it might just have fitted,
// since a target's 400 would be the end of the request while the next target may have room.
std::optional<UnfitReason> unfit(const Needs& needs, const TargetAbilities& target);

// Of `user` and its other names. Without a secret, so that all replicas agree; 0 only for an empty name.
std::uint64_t user_hash(std::string_view user);

}  // namespace outrigger::chat
