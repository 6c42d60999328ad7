// OR_CHECK stays in release builds and ends the process: the programmer was wrong and going on would be worse.
// Nothing that comes from outside (a client, an upstream, Redis, a file) is ever tested with it.
#pragma once

namespace outrigger {

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace outrigger

#define OR_CHECK(condition) ((condition) ? static_cast<void>(0) : ::outrigger::check_failed(#condition, __FILE__, __LINE__))
