#include "net/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <ctime>

namespace outrigger::net {
namespace {

// A socket that is connected to `name`; -1: there is none.
int connected(std::string_view name) {
  sockaddr_un address{};
  if (name.empty() || name.size() >= sizeof address.sun_path) return -1;
  address.sun_family = AF_UNIX;
  name.copy(address.sun_path, name.size());
  if (name.front() == '@') address.sun_path[0] = '\0';
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0) return fd;
  ::close(fd);
  return -1;
}

// The time by which systemd knows that a later READY belongs to this reload.
std::uint64_t monotonic_usec() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

std::string one_line(std::string_view status) {
  std::string line(status);
  std::ranges::replace(line, '\n', ' ');
  return line;
}

}  // namespace

ServiceManager::ServiceManager(io::Loop& loop, std::string_view socket, std::string_view watchdog)
    : loop_(loop), fd_(connected(socket)) {
  std::uint64_t usec = 0;
  const auto [end, error] = std::from_chars(watchdog.data(), watchdog.data() + watchdog.size(), usec);
  constexpr std::uint64_t k_usec_max = 24ull * 3600 * 1'000'000;
  if (fd_ < 0 || error != std::errc{} || end != watchdog.data() + watchdog.size() || usec == 0) return;
  watchdog_ = std::chrono::microseconds(std::min(usec, k_usec_max));
  keep_alive();
}

ServiceManager::~ServiceManager() {
  if (fd_ >= 0) ::close(fd_);
}

void ServiceManager::ready(std::string_view status) { send("READY=1\nSTATUS=" + one_line(status)); }

void ServiceManager::reloading() {
  send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic_usec()) + "\nSTATUS=reading the configuration");
}

void ServiceManager::stopping(std::string_view status) { send("STOPPING=1\nSTATUS=" + one_line(status)); }

void ServiceManager::send(std::string_view text) {
  if (fd_ >= 0) [[maybe_unused]]
    const auto sent = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
}

void ServiceManager::keep_alive() {
  send("WATCHDOG=1");
  watchdog_timer_ = loop_.after(watchdog_ / 2, [this] { keep_alive(); });
}

}  // namespace outrigger::net
