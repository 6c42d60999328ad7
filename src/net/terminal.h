// Terminal: standard output as a screen, and standard input as keys, for as long as it lives. Then all is as it was before.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "net/uv_loop.h"

namespace outrigger::net {

class Terminal {
 public:
  // Is standard output one?
  static bool is_there();

  // `on_key` gets each byte that is typed; signals are still made by Ctrl-C.
  Terminal(UvLoop& loop, std::function<void(char)> on_key);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  struct Size {
    std::size_t width = 80, height = 24;
  };
  // As it is now.
  [[nodiscard]] static Size size();
  // In place of what was shown. Lines must fit.
  void show(const std::vector<std::string>& lines);

 private:
  struct Keys;
  Keys* keys_ = nullptr;  // null: standard input is no terminal
};

}  // namespace outrigger::net
