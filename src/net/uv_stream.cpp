#include "net/uv_stream.h"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "core/check.h"
#include "net/uv_error.h"

namespace outrigger::net {
namespace {

// As many pieces as one writev(2) gets: a head, a body and a few chunks of a stream fit.
constexpr std::size_t k_pieces = 32;

uv_buf_t to_buffer(const Bytes& bytes) {
  // libuv's type is not const, but it only reads what it writes out.
  return uv_buf_init(const_cast<char*>(bytes.data()), static_cast<unsigned int>(bytes.size()));
}

}  // namespace

UvStream::UvStream(UvLoop& loop, SocketShell* shell, std::string peer) : loop_(loop), shell_(shell), peer_(std::move(peer)) {
  shell_->connecting = nullptr;
  shell_->owner = this;
}

UvStream::~UvStream() {
  shell_->owner = nullptr;
  release(&shell_->handle);
}

std::unique_ptr<UvStream> UvStream::adopt(UvLoop& loop, int fd, bool is_unix, std::string peer) {
  auto* shell = new SocketShell;
  int status = 0;
  if (is_unix) {
    OR_CHECK(uv_pipe_init(loop.raw(), &shell->pipe, 0) == 0);
    status = uv_pipe_open(&shell->pipe, fd);
  } else {
    OR_CHECK(uv_tcp_init(loop.raw(), &shell->tcp) == 0);
    status = uv_tcp_open(&shell->tcp, fd);
  }
  shell->handle.data = static_cast<Shell*>(shell);
  if (status == 0) return std::make_unique<UvStream>(loop, shell, std::move(peer));
  ::close(fd);
  release(&shell->handle);
  return nullptr;
}

void UvStream::set_handler(io::StreamHandler* handler) {
  handler_ = handler;
  if (handler == nullptr) {
    read(false);
  } else if (broken_ && !reported_ && !report_timer_.pending()) {
    report_timer_ = loop_.after(0ns, [this] { report(); });
  }
}

void UvStream::read(bool on) {
  if (on == reading_ || eof_ || reported_) return;
  reading_ = on;
  if (!on) {
    uv_read_stop(&shell_->stream);
    // Nobody listens to last words any more.
    if (broken_) report_timer_ = loop_.after(0ns, [this] { report(); });
    return;
  }
  OR_CHECK(handler_ != nullptr);
  const int status = uv_read_start(&shell_->stream, on_alloc, on_read);
  if (status == 0) return;
  reading_ = false;
  break_later(status, "reading");
}

void UvStream::on_alloc(uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
  const std::span<char> room = UvLoop::of(handle->loop).read_buffer();
  *buffer = uv_buf_init(room.data(), static_cast<unsigned int>(room.size()));
}

void UvStream::on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) {
  if (size == 0) return;  // EAGAIN
  UvLoop::Turn turn(UvLoop::of(stream->loop));
  UvStream* self = static_cast<SocketShell*>(static_cast<Shell*>(stream->data))->owner;
  if (self == nullptr) return;
  if (size < 0) return self->ended(size);
  self->handler_->on_data({buffer->base, static_cast<std::size_t>(size)});
}

void UvStream::ended(ssize_t status) {
  uv_read_stop(&shell_->stream);
  reading_ = false;
  if (broken_) return report();
  if (status != UV_EOF) {
    broken_ = uv_failure(ErrorCode::upstream_reset, peer_, static_cast<int>(status));
    queue_.clear();
    queued_ = 0;
    return report();
  }
  eof_ = true;
  handler_->on_eof();
}

void UvStream::write(std::span<const Bytes> chunks) {
  if (broken_ || shutdown_wanted_) return;
  std::size_t sent = queue_.empty() && !sending_ ? send_now(chunks) : 0;
  if (broken_) return;
  for (const Bytes& chunk : chunks) {
    const std::size_t gone = std::min(sent, chunk.size());
    sent -= gone;
    if (gone == chunk.size()) continue;
    queue_.push_back(gone == 0 ? chunk : chunk.slice(gone, chunk.size() - gone));
    queued_ += chunk.size() - gone;
  }
  if (queue_.empty()) return;
  owes_drained_ = true;
  if (!sending_) send_queue();
}

// How many bytes the kernel took.
std::size_t UvStream::send_now(std::span<const Bytes> chunks) {
  std::size_t total = 0;
  while (!chunks.empty()) {
    std::array<uv_buf_t, k_pieces> buffers;
    unsigned int count = 0;
    std::size_t offered = 0;
    const std::size_t take = std::min(chunks.size(), k_pieces);
    for (const Bytes& chunk : chunks.first(take)) {
      if (chunk.empty()) continue;
      buffers[count++] = to_buffer(chunk);
      offered += chunk.size();
    }
    chunks = chunks.subspan(take);
    if (count == 0) continue;
    const int status = uv_try_write(&shell_->stream, buffers.data(), count);
    if (status == UV_EAGAIN) break;
    if (status < 0) {
      break_later(status, "writing");
      break;
    }
    total += static_cast<std::size_t>(status);
    if (static_cast<std::size_t>(status) < offered) break;
  }
  return total;
}

void UvStream::send_queue() {
  shell_->sending.clear();
  const std::size_t take = std::min(queue_.size(), k_pieces);
  std::array<uv_buf_t, k_pieces> buffers;
  for (std::size_t i = 0; i < take; ++i) {
    buffers[i] = to_buffer(queue_[i]);
    queued_ -= queue_[i].size();
    shell_->sending.push_back(std::move(queue_[i]));
  }
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(take));
  const int status = uv_write(&shell_->write, &shell_->stream, buffers.data(), static_cast<unsigned int>(take), on_written);
  if (status != 0) return break_later(status, "writing");
  sending_ = true;
}

void UvStream::on_written(uv_write_t* request, int status) {
  UvLoop::Turn turn(UvLoop::of(request->handle->loop));
  auto* shell = static_cast<SocketShell*>(static_cast<Shell*>(request->handle->data));
  shell->sending.clear();
  if (shell->owner != nullptr) shell->owner->batch_sent(status);
}

void UvStream::batch_sent(int status) {
  sending_ = false;
  if (broken_) return;
  if (status < 0) return break_later(status, "writing");
  if (!queue_.empty()) return send_queue();
  if (shutdown_wanted_) close_our_side();
  owes_drained_ = false;
  if (handler_ != nullptr) handler_->on_drained();
}

std::size_t UvStream::unsent() const {
  return broken_ ? 0 : queued_ + (sending_ ? uv_stream_get_write_queue_size(&shell_->stream) : 0);
}

void UvStream::shutdown() {
  if (shutdown_wanted_ || broken_) return;
  shutdown_wanted_ = true;
  if (queue_.empty() && !sending_) close_our_side();
}

// A failure (ENOTCONN) means that the other side has reset the connection; reading tells that story.
void UvStream::close_our_side() {
  uv_shutdown(&shell_->shutdown, &shell_->stream, [](uv_shutdown_t*, int) {});
}

void UvStream::break_later(int status, std::string_view doing) {
  std::string what = peer_;
  what.append(", ").append(doing);
  broken_ = uv_failure(ErrorCode::upstream_reset, what, status);
  queue_.clear();
  queued_ = 0;
  report_timer_ = loop_.after(reading_ ? k_last_words : 0ns, [this] { report(); });
}

void UvStream::report() {
  if (reading_) uv_read_stop(&shell_->stream);
  reading_ = false;
  report_timer_.cancel();
  if (handler_ == nullptr) return;  // set_handler() asks again
  reported_ = true;
  Error error = *broken_;
  handler_->on_error(std::move(error));
}

}  // namespace outrigger::net
