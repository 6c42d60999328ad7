// Shells: libuv keeps using a handle until its close callback, so each handle lives in a shell of its own that only that
// callback frees. Owners (streams, listeners, signals) hold a plain pointer to their shell and let go of it by release().
//
// Law of this room: the `data` of every uv_handle_t is its Shell (or null for the loop's own handles), and the `data` of the
// uv_loop_t is its UvLoop.
#pragma once

#include <uv.h>

namespace outrigger::net {

struct Shell {
  Shell() = default;
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;
  virtual ~Shell() = default;
};

// Closes the handle, and deletes the shell once libuv is done with it. No callback of the handle reaches the owner after
// the owner has cleared its own back pointer in the shell.
void release(uv_handle_t* handle);

}  // namespace outrigger::net
