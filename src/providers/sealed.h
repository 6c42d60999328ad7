// Sealed: what every dialect's stored form begins with. "magic" (with a version in its last byte), a checksum of what follows,
// the content. It guards against rubbish, bit rot and other versions, not against somebody who may write to Redis.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/bytes.h"

namespace outrigger::providers {

Bytes seal(std::string_view magic, std::string_view content);
// The content, a view into `sealed`; nothing when it is not whole or of another kind.
std::optional<std::string_view> unseal(std::string_view magic, std::string_view sealed);

}  // namespace outrigger::providers
