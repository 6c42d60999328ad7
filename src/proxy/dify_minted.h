// The ids that the cache makes up for what it answers in Dify's place. They look like Dify's own, and this proxy (and every other
// with the same secret) knows them again without keeping a list: of a UUID of version 4 the first half is random and the second is
// a MAC of the first. That one of Dify's own ids is taken for one of these happens once in 2^62.
#pragma once

#include <string_view>

#include "chat/key.h"
#include "core/rng.h"
#include "providers/dify/answer.h"

namespace outrigger::proxy {

providers::dify::Uuid mint(const chat::KeyMaker& keys, Rng& rng);
// Whatever `id` holds.
bool is_minted(const chat::KeyMaker& keys, std::string_view id);

}  // namespace outrigger::proxy
