#include "net/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "core/check.h"
#include "net/uv_handle.h"

namespace outrigger::net {
namespace {

// xterm's words, which every terminal of today understands: the other screen, no cursor, no wrapping; and back.
constexpr std::string_view k_enter = "\x1b[?1049h\x1b[?25l\x1b[?7l";
constexpr std::string_view k_leave = "\x1b[?7h\x1b[?25h\x1b[?1049l";

void write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

struct Terminal::Keys final : Shell {
  uv_poll_t handle{};
  std::function<void(char)> on_key;
  termios before{};
  bool wanted = true;

  void read() {
    char typed[64];
    const ssize_t size = ::read(STDIN_FILENO, typed, sizeof typed);
    if (size <= 0) uv_poll_stop(&handle);  // it is gone
    for (ssize_t i = 0; i < size && wanted; ++i) on_key(typed[i]);
  }
};

bool Terminal::is_there() { return ::isatty(STDOUT_FILENO) == 1; }

Terminal::Terminal(UvLoop& loop, std::function<void(char)> on_key) {
  write_all(k_enter);
  termios before{};
  if (::tcgetattr(STDIN_FILENO, &before) != 0) return;
  termios quiet = before;
  quiet.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  ::tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
  keys_ = new Keys;
  keys_->before = before;
  keys_->on_key = std::move(on_key);
  keys_->handle.data = static_cast<Shell*>(keys_);
  // libuv makes the descriptor non-blocking, and with it standard output, which is the same terminal.
  const int flags = ::fcntl(STDIN_FILENO, F_GETFL);
  OR_CHECK(uv_poll_init(loop.raw(), &keys_->handle, STDIN_FILENO) == 0);
  ::fcntl(STDIN_FILENO, F_SETFL, flags);
  uv_poll_start(&keys_->handle, UV_READABLE, [](uv_poll_t* handle, int, int) {
    auto* own = static_cast<Keys*>(static_cast<Shell*>(handle->data));
    UvLoop::Turn turn(UvLoop::of(handle->loop));
    if (own->wanted) own->read();
  });
}

Terminal::~Terminal() {
  if (keys_ != nullptr) {
    keys_->wanted = false;
    ::tcsetattr(STDIN_FILENO, TCSANOW, &keys_->before);
    release(reinterpret_cast<uv_handle_t*>(&keys_->handle));
  }
  write_all(k_leave);
}

Terminal::Size Terminal::size() {
  winsize told{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &told) != 0 || told.ws_col == 0 || told.ws_row == 0) return {};
  return {told.ws_col, told.ws_row};
}

void Terminal::show(const std::vector<std::string>& lines) {
  std::string screen = "\x1b[H";
  for (const std::string& line : lines) {
    if (&line != &lines.front()) screen += "\r\n";
    screen += line;
    screen += "\x1b[K";
  }
  write_all(screen += "\x1b[J");
}

}  // namespace outrigger::net
