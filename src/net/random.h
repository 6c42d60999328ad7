// Randomness from the kernel and OpenSSL. The seed goes into the one Rng that main makes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace outrigger::net {

std::uint64_t random_seed();
// `size` bytes fit for a key.
std::string random_secret(std::size_t size);

}  // namespace outrigger::net
