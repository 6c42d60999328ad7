// What systemd hears: its end of the socket is played here.
#include "net/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>

#include "support.h"

namespace outrigger {
namespace {

using test::World;

class Systemd {
 public:
  explicit Systemd(const std::string& name)
      : name_(name), fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path, name.size());
    if (name.front() == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    REQUIRE(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), size) == 0);
  }
  ~Systemd() {
    ::close(fd_);
    if (name_.front() != '@') ::unlink(name_.c_str());
  }
  Systemd(const Systemd&) = delete;
  Systemd& operator=(const Systemd&) = delete;

  // The next message; empty: there is none.
  [[nodiscard]] std::string hear() const {
    char text[512];
    const ssize_t size = ::recv(fd_, text, sizeof text, 0);
    return size > 0 ? std::string(text, static_cast<std::size_t>(size)) : std::string();
  }

 private:
  std::string name_;
  int fd_;
};

std::string unique(const std::string& prefix) { return prefix + "outrigger-notify-" + std::to_string(::getpid()); }

TEST_CASE("the service manager hears of each phase, at a path or an abstract name") {
  for (const std::string& name : {unique(std::filesystem::temp_directory_path().string() + "/"), unique("@")}) {
    CAPTURE(name);
    const Systemd systemd(name);
    World world;
    net::ServiceManager manager(world.loop, name, "");
    CHECK(systemd.hear().empty());
    manager.ready("llm door\non :8080");
    CHECK(systemd.hear() == "READY=1\nSTATUS=llm door on :8080");
    manager.reloading();
    const std::string reloading = systemd.hear();
    CHECK(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="));
    manager.stopping("draining");
    CHECK(systemd.hear() == "STOPPING=1\nSTATUS=draining");
  }
}

TEST_CASE("a watchdog is fed twice in its time, as long as the loop turns") {
  const std::string name = unique("@watched-");
  const Systemd systemd(name);
  World world;
  const net::ServiceManager manager(world.loop, name, "20000");
  CHECK(systemd.hear() == "WATCHDOG=1");
  CHECK(systemd.hear().empty());
  int fed = 0;
  CHECK(world.until([&] {
    fed += systemd.hear() == "WATCHDOG=1" ? 1 : 0;
    return fed >= 2;
  }));
}

TEST_CASE("without a manager, with one that is gone, or with rubbish for a name nothing happens") {
  World world;
  for (const std::string& name : {std::string(), std::string("/nowhere/at/all"), std::string(300, 'x'), std::string("@")}) {
    for (const char* watchdog : {"", "0", "-5", "soon", "99999999999999999999999"}) {
      net::ServiceManager manager(world.loop, name, watchdog);
      manager.ready("x");
      manager.stopping("x");
    }
  }
  world.turns(3);
}

}  // namespace
}  // namespace outrigger
