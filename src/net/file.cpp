#include "net/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/check.h"
#include "net/uv_error.h"
#include "net/uv_handle.h"

namespace outrigger::net {
namespace {

constexpr std::size_t k_piece = 64 * 1024;

std::unexpected<Error> cannot_read(const std::string& path, int error) {
  return std::unexpected(uv_failure(ErrorCode::io_failed, "cannot read " + path, uv_translate_sys_error(error)));
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t max_bytes) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return cannot_read(path, errno);
  std::string text;
  ssize_t got = 0;
  do {
    const std::size_t before = text.size();
    text.resize(before + std::min(k_piece, max_bytes + 1 - before));  // one byte more than allowed shows what is too large
    do {
      got = ::read(fd, text.data() + before, text.size() - before);
    } while (got < 0 && errno == EINTR);
    text.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  } while (got > 0 && text.size() <= max_bytes);
  const int error = errno;
  ::close(fd);
  if (got < 0) return cannot_read(path, error);
  if (text.size() > max_bytes) {
    return fail(ErrorCode::io_failed, "cannot read " + path + ": it is larger than " + std::to_string(max_bytes) + " bytes");
  }
  return text;
}

struct FileWatch::Poll final : Shell {
  uv_fs_poll_t handle{};
  io::Callback changed;
  bool wanted = true;
};

FileWatch::FileWatch(UvLoop& loop, const std::string& path, io::Callback changed, Duration interval) : poll_(new Poll) {
  poll_->changed = std::move(changed);
  OR_CHECK(uv_fs_poll_init(loop.raw(), &poll_->handle) == 0);
  poll_->handle.data = static_cast<Shell*>(poll_);
  const auto seen = [](uv_fs_poll_t* handle, int status, const uv_stat_t*, const uv_stat_t*) {
    UvLoop::Turn turn(UvLoop::of(handle->loop));
    auto* poll = static_cast<Poll*>(static_cast<Shell*>(handle->data));
    if (poll->wanted && status == 0) poll->changed();
  };
  const auto ms = static_cast<unsigned int>(std::chrono::duration_cast<std::chrono::milliseconds>(interval).count());
  OR_CHECK(uv_fs_poll_start(&poll_->handle, seen, path.c_str(), ms) == 0);
}

FileWatch::~FileWatch() {
  poll_->wanted = false;
  release(reinterpret_cast<uv_handle_t*>(&poll_->handle));
}

}  // namespace outrigger::net
