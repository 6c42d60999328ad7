#include "net/log_sinks.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <cerrno>

#include "net/uv_error.h"

namespace outrigger::net {
namespace {

constexpr std::size_t k_flush_at = 64 * 1024;
constexpr Duration k_flush_after = 100ms;
constexpr std::size_t k_waiting_max = 1024 * 1024;
// What poll(2) promises room for on a pipe (PIPE_BUF). Larger writes to a descriptor in blocking mode could block, and its
// mode is not ours to change: other processes share it.
constexpr std::size_t k_safe_piece = 4096;
constexpr std::size_t k_log_line_max = 4000;
constexpr int k_last_wait_ms = 100;

struct Written {
  std::size_t size = 0;
  bool broken = false;
};

bool is_regular(int fd) {
  struct stat about {};
  return ::fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
}

// Writes what the descriptor takes without blocking; files of a disk take everything.
Written write_ready(int fd, std::string_view text, int wait_ms) {
  const std::size_t piece = is_regular(fd) ? k_waiting_max : k_safe_piece;
  Written written;
  while (!text.empty()) {
    pollfd ready{fd, POLLOUT, 0};
    if (::poll(&ready, 1, wait_ms) <= 0) return written;
    const ssize_t size = ::write(fd, text.data(), std::min(text.size(), piece));
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) return written;
    if (size < 0) {
      written.broken = true;
      return written;
    }
    written.size += static_cast<std::size_t>(size);
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  return written;
}

// A pipe without a reader would keep open(2) waiting, so it is asked not to; what is a file goes on as ever.
int open_for_append(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
  if (fd >= 0 && is_regular(fd)) ::fcntl(fd, F_SETFL, O_APPEND);
  return fd;
}

std::unexpected<Error> cannot_open(const std::string& path, int error) {
  auto failure = uv_failure(ErrorCode::io_failed, "cannot write to " + path, uv_translate_sys_error(error));
  if (error == ENXIO) failure.detail += " (it is a pipe that nobody reads, or a socket)";
  return std::unexpected(std::move(failure));
}

std::string_view level_word(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
      break;
  }
  return "error";
}

}  // namespace

FdSink::FdSink(io::Loop& loop, int fd) : FdSink(loop, fd, {}) {}

FdSink::FdSink(io::Loop& loop, int fd, std::string path) : loop_(loop), fd_(fd), path_(std::move(path)) {}

Result<std::unique_ptr<FdSink>> FdSink::open(io::Loop& loop, std::string path) {
  const int fd = open_for_append(path);
  if (fd < 0) return cannot_open(path, errno);
  return std::unique_ptr<FdSink>(new FdSink(loop, fd, std::move(path)));
}

FdSink::~FdSink() {
  write_ready(fd_, waiting_, k_last_wait_ms);
  if (!path_.empty()) ::close(fd_);
}

void FdSink::write(std::string_view line) {
  if (waiting_.size() + line.size() > k_waiting_max) {
    ++dropped_;
    return;
  }
  waiting_.append(line);
  // Above the mark every further line would try again in vain while nobody reads; then the timer alone tries.
  const bool crossed = waiting_.size() >= k_flush_at && waiting_.size() - line.size() < k_flush_at;
  if (crossed) flush();
  if (!waiting_.empty() && !flush_timer_.pending()) flush_timer_ = loop_.after(k_flush_after, [this] { flush(); });
}

void FdSink::flush() {
  const Written written = write_ready(fd_, waiting_, 0);
  waiting_.erase(0, written.size);
  if (written.broken) drop_waiting();
  if (!waiting_.empty()) flush_timer_ = loop_.after(k_flush_after, [this] { flush(); });
}

void FdSink::drop_waiting() {
  dropped_ += static_cast<std::uint64_t>(std::ranges::count(waiting_, '\n'));
  waiting_.clear();
}

Result<void> FdSink::reopen() {
  if (path_.empty()) return {};
  const int fd = open_for_append(path_);
  if (fd < 0) return cannot_open(path_, errno);
  flush();
  ::close(fd_);
  fd_ = fd;
  return {};
}

std::string utc_text(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

void StderrLog::line(LogLevel level, std::string_view text) {
  if (level < least_) return;
  std::string line = utc_text(loop_.wall_now());
  line.append(" ").append(level_word(level)).append(" ").append(text.substr(0, k_log_line_max - line.size()));
  // What an upstream says may stand in the text; it shall not be able to forge a line or steer a terminal.
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  line.push_back('\n');
  if (write_ready(fd_, line, 0).size < line.size()) ++dropped_;
}

}  // namespace outrigger::net
