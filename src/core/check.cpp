#include "core/check.h"

#include <cstdio>
#include <cstdlib>

namespace outrigger {

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "outrigger: internal error at %s:%d: %s does not hold\n", file, line, condition);
  std::abort();
}

}  // namespace outrigger
