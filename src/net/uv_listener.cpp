#include "net/uv_listener.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "core/check.h"
#include "net/tls_handshake.h"
#include "net/uv_error.h"
#include "net/uv_stream.h"

namespace outrigger::net {
namespace {

constexpr int k_backlog = 1024;
// Connections taken in one turn, so that a flood of new ones does not starve those that are open.
constexpr int k_accepts_a_turn = 64;
constexpr Duration k_rest = 100ms;
constexpr Duration k_between_complaints = 10s;
constexpr Duration k_handshake_limit = 10s;
// Handshakes cost memory and processor time before anybody has shown a key; more at once are turned away.
constexpr std::size_t k_handshakes_max = 1024;

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// What lies at a path, a symbolic link not followed. nullopt: nothing, or it cannot be seen.
std::optional<struct stat> look_at(const std::string& path) {
  struct stat about {};
  return ::lstat(path.c_str(), &about) == 0 ? std::optional(about) : std::nullopt;
}

bool is_socket(const std::string& path) {
  const auto about = look_at(path);
  return about && S_ISSOCK(about->st_mode);
}

std::unexpected<Error> cannot_listen(const io::Address& at, int error) {
  const bool is_taken = error == EADDRINUSE && at.is_unix && !is_socket(at.host);
  const std::string_view hint = is_taken                 ? " (what lies there is no socket; it is left alone)"
                                : error == EADDRINUSE    ? " (another process listens there)"
                                : error == EACCES        ? " (ports below 1024 and foreign directories need privileges)"
                                : error == ENOENT        ? " (the directory does not exist)"
                                : error == EADDRNOTAVAIL ? " (this machine has no such address)"
                                                         : "";
  return fail(ErrorCode::io_failed, "cannot listen on " + io::to_string(at) + ": " +
                                        uv_strerror(uv_translate_sys_error(error)) + std::string(hint));
}

// At start only, so it may wait for the resolver.
std::optional<SocketAddress> resolve_local(const io::Address& at) {
  if (at.is_unix) return unix_address(at.host);
  const std::string& host = at.host == "localhost" ? "127.0.0.1" : at.host;
  if (auto literal = literal_address(host, at.port)) return literal;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(at.port).c_str(), &hints, &found) != 0) return std::nullopt;
  const SocketAddress address = copy_address(found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  return address;
}

void set_flag(int fd, int level, int option, int value) { ::setsockopt(fd, level, option, &value, sizeof value); }

// A socket file that a killed process left behind: nobody answers behind it. Of an ordinary file connect(2) says the same.
bool is_stale(const std::string& path, const SocketAddress& address) {
  if (!is_socket(path)) return false;
  const Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return probe.get() >= 0 && ::connect(probe.get(), address.get(), address.size) != 0 && errno == ECONNREFUSED;
}

// 0, or errno.
int bind_and_listen(int fd, const io::Address& at, const SocketAddress& address) {
  // Its owner and its group may connect to a Unix socket. The umask of the process says who may read files, and would leave
  // sockets to root. It may be changed for a moment, since no other thread makes files.
  const mode_t before = at.is_unix ? ::umask(0117) : 0;
  int status = ::bind(fd, address.get(), address.size);
  if (status != 0 && errno == EADDRINUSE && at.is_unix && is_stale(at.host, address)) {
    ::unlink(at.host.c_str());
    status = ::bind(fd, address.get(), address.size);
  }
  const int error = errno;
  if (at.is_unix) ::umask(before);
  errno = error;
  return status != 0 || ::listen(fd, k_backlog) != 0 ? errno : 0;
}

}  // namespace

// What libuv's callback needs; it outlives a listener that dies while it hands over a connection.
struct UvListener::Door final : Shell {
  uv_poll_t handle{};
  int fd = -1;
  Accepted accepted;
  UvListener* owner = nullptr;
  ~Door() override { shut(); }
  void shut() {
    if (fd >= 0) ::close(std::exchange(fd, -1));
  }
};

struct UvListener::Handshake {
  std::unique_ptr<io::Pending> pending;
};

UvListener::UvListener(UvLoop& loop, obs::Log* log, Refused refused)
    : loop_(loop), log_(log), refused_(std::move(refused)) {}

Result<std::unique_ptr<UvListener>> UvListener::open(UvLoop& loop, const io::Address& at, obs::Log* log, Refused refused,
                                                     Accepted accepted) {
  const std::optional<SocketAddress> address = resolve_local(at);
  if (!address) return cannot_listen(at, EADDRNOTAVAIL);
  Fd fd(::socket(address->family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd.get() < 0) return cannot_listen(at, errno);
  if (!at.is_unix) {
    set_flag(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    set_flag(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);  // Linux hands it on to the accepted sockets
    if (address->family() == AF_INET6) set_flag(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  }
  if (const int error = bind_and_listen(fd.get(), at, *address); error != 0) return cannot_listen(at, error);

  std::unique_ptr<UvListener> listener(new UvListener(loop, log, std::move(refused)));
  listener->bound_ = at;
  if (at.is_unix) {
    if (const auto about = look_at(at.host)) listener->file_ = File{at.host, about->st_dev, about->st_ino};
  } else {
    SocketAddress real;
    real.size = sizeof(real.storage);
    ::getsockname(fd.get(), real.get(), &real.size);
    listener->bound_ = {host_of(real), port_of(real), false};
  }
  auto* door = new Door;
  door->fd = fd.release();
  door->accepted = std::move(accepted);
  door->owner = listener.get();
  listener->door_ = door;
  OR_CHECK(uv_poll_init(loop.raw(), &door->handle, door->fd) == 0);
  door->handle.data = static_cast<Shell*>(door);
  listener->watch();
  return listener;
}

UvListener::~UvListener() {
  // Another may have taken the path meanwhile, after somebody had removed ours.
  const auto about = file_ ? look_at(file_->path) : std::nullopt;
  if (about && about->st_dev == file_->device && about->st_ino == file_->inode) ::unlink(file_->path.c_str());
  door_->owner = nullptr;
  release(reinterpret_cast<uv_handle_t*>(&door_->handle));
  door_->shut();  // now, and not when libuv calls back: the address is free for the next listener at once
}

Result<void> UvListener::set_tls(const std::optional<io::TlsServer>& tls) {
  SslContext context;
  if (tls) {
    Result<SslContext> made = make_server_context(*tls);
    if (!made) return std::unexpected(made.error());
    context = std::move(*made);
  }
  tls_ = std::move(context);
  return {};
}

void UvListener::watch() {
  const auto ready = [](uv_poll_t* handle, int, int) {
    UvLoop::Turn turn(UvLoop::of(handle->loop));
    auto* door = static_cast<Door*>(static_cast<Shell*>(handle->data));
    for (int i = 0; i < k_accepts_a_turn && door->owner != nullptr; ++i) {
      if (!door->owner->accept_one()) return;
    }
  };
  OR_CHECK(uv_poll_start(&door_->handle, UV_READABLE, ready) == 0);
}

bool UvListener::accept_one() {
  SocketAddress peer;
  peer.size = sizeof(peer.storage);
  const int fd = ::accept4(door_->fd, peer.get(), &peer.size, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) {
    const int error = errno;
    if (error == EAGAIN) return false;
    // accept(2) also reports what befell the connection before it was taken; the next one may be well.
    const bool ours = error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
    if (ours) rest(error);
    return !ours;
  }
  std::unique_ptr<UvStream> stream = UvStream::adopt(loop_, fd, bound_.is_unix, to_text(peer));
  if (stream == nullptr) return true;
  if (tls_ != nullptr) {
    begin_handshake(std::move(stream));
  } else {
    hand_over(std::move(stream));
  }
  return true;
}

void UvListener::rest(int error) {
  uv_poll_stop(&door_->handle);
  rest_timer_ = loop_.after(k_rest, [this] { watch(); });
  if (log_ == nullptr || (last_complaint_ && loop_.now() - *last_complaint_ < k_between_complaints)) return;
  last_complaint_ = loop_.now();
  log_->warning("cannot accept connections on " + io::to_string(bound_) + ": " + uv_strerror(uv_translate_sys_error(error)) +
                "; they wait, raise the limit of open files (ulimit -n)");
}

// The listener may die in the call; the closure lives on in the door.
void UvListener::hand_over(std::unique_ptr<io::Stream> stream) { door_->accepted(std::move(stream)); }

void UvListener::begin_handshake(std::unique_ptr<io::Stream> stream) {
  if (handshakes_.size() >= k_handshakes_max) return refuse("tls_limit", {});
  const auto at = handshakes_.emplace(handshakes_.end());
  at->pending =
      accept_tls(loop_, std::move(stream), *tls_, k_handshake_limit, [this, at](Result<std::unique_ptr<io::Stream>> result) {
        handshakes_.erase(at);
        if (!result) return refuse("tls", result.error().detail);
        hand_over(std::move(*result));
      });
}

void UvListener::refuse(std::string_view why, std::string_view words) const {
  if (refused_) refused_(bound_, why, words);
}

}  // namespace outrigger::net
