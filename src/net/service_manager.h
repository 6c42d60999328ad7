// ServiceManager: what systemd is told of this process by sd_notify's protocol (systemd's sd_notify(3)): datagrams to the Unix
// socket that $NOTIFY_SOCKET names. Without one, all of this does nothing. Nothing is waited for, and no error matters.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "io/loop.h"
#include "io/timer.h"

namespace outrigger::net {

class ServiceManager {
 public:
  // `socket`: $NOTIFY_SOCKET, a path, or with '@' first an abstract name; may be empty. `watchdog`: $WATCHDOG_USEC as text; it is
  // told that the loop turns twice in that time. `loop` must outlive this.
  ServiceManager(io::Loop& loop, std::string_view socket, std::string_view watchdog);
  ~ServiceManager();
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;

  // `status` is one line for people, shown by `systemctl status`.
  void ready(std::string_view status);
  void reloading();
  void stopping(std::string_view status);

 private:
  void send(std::string_view text);
  void keep_alive();

  io::Loop& loop_;
  int fd_ = -1;
  Duration watchdog_{};  // 0: nobody watches
  io::Timer watchdog_timer_;
};

}  // namespace outrigger::net
