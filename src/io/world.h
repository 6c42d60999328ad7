// World: everything outside the program, in one value that constructors take. main() makes the real one, tests/sim the other.
#pragma once

#include "core/rng.h"
#include "io/loop.h"
#include "io/net.h"

namespace outrigger::io {

struct World {
  Loop& loop;
  Net& net;
  Rng& rng;
};

}  // namespace outrigger::io
