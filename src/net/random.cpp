#include "net/random.h"

#include <openssl/rand.h>
#include <sys/random.h>

#include "core/check.h"

namespace outrigger::net {

std::uint64_t random_seed() {
  std::uint64_t seed = 0;
  // Up to 256 bytes come whole and uninterrupted (getrandom(2)).
  OR_CHECK(::getrandom(&seed, sizeof seed, 0) == static_cast<ssize_t>(sizeof seed));
  return seed;
}

// A machine without randomness cannot run TLS either, so there is nothing to report and go on with.
std::string random_secret(std::size_t size) {
  std::string secret(size, '\0');
  OR_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(secret.data()), static_cast<int>(size)) == 1);
  return secret;
}

}  // namespace outrigger::net
