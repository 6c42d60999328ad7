// Where log lines leave the process. None of these may ever block the loop: a terminal that was stopped, or a collector
// that does not read, costs lines (counted), not answers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.h"
#include "io/loop.h"
#include "obs/access_log.h"
#include "obs/log.h"

namespace outrigger::net {

// Buffered lines to a file descriptor: written at 64 KiB or 100 ms after the first of them, whichever comes first, and in
// the destructor. While the descriptor takes nothing, up to 1 MiB waits; lines beyond that are dropped.
class FdSink final : public obs::LineSink {
 public:
  // `fd` stays open: it is standard output or the caller's.
  FdSink(io::Loop& loop, int fd);
  // Appends to the file at `path`, made when it is not there. Errors: io_failed.
  static Result<std::unique_ptr<FdSink>> open(io::Loop& loop, std::string path);
  ~FdSink() override;
  FdSink(const FdSink&) = delete;
  FdSink& operator=(const FdSink&) = delete;

  // `line` brings its own newline.
  void write(std::string_view line) override;
  void flush();
  // Opens the path again, after a rotation; on an error the old file stays in use. Nothing happens without a path.
  Result<void> reopen();
  [[nodiscard]] std::uint64_t dropped() const override { return dropped_; }

 private:
  FdSink(io::Loop& loop, int fd, std::string path);
  void drop_waiting();

  io::Loop& loop_;
  int fd_;
  std::string path_;  // empty: fd_ is not ours
  std::string waiting_;
  std::uint64_t dropped_ = 0;
  io::Timer flush_timer_;
};

// "2026-01-01T00:00:00.000Z warning text", one line a call, written at once.
class StderrLog final : public obs::Log {
 public:
  explicit StderrLog(const io::Loop& loop, LogLevel least = LogLevel::info, int fd = 2)
      : loop_(loop), least_(least), fd_(fd) {}
  void line(LogLevel level, std::string_view text) override;
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  const io::Loop& loop_;
  LogLevel least_;
  int fd_;
  std::uint64_t dropped_ = 0;
};

// "2026-01-01T00:00:00.000Z"
std::string utc_text(WallTime time);

}  // namespace outrigger::net
