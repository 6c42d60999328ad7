// SHA-256 of what operators may write down as a digest: client keys.
#pragma once

#include <string>
#include <string_view>

namespace outrigger::chat {

// 64 lower-case hex digits.
std::string sha256_hex(std::string_view text);

}  // namespace outrigger::chat
