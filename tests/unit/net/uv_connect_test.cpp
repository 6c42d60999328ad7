#include "net/uv_connect.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "net/environment.h"
#include "net/file.h"
#include "support.h"
#include "test_ca.h"

namespace outrigger {
namespace {

using test::Door;
using test::Ear;
using test::World;

// A port of the loopback on which nobody listens: bound, and not listening, for as long as it lives.
class ClosedPort {
 public:
  ClosedPort() : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    net::SocketAddress address = *net::literal_address("127.0.0.1", 0);
    REQUIRE(::bind(fd_, address.get(), address.size) == 0);
    REQUIRE(::getsockname(fd_, address.get(), &address.size) == 0);
    port_ = net::port_of(address);
  }
  ~ClosedPort() { ::close(fd_); }
  ClosedPort(const ClosedPort&) = delete;
  ClosedPort& operator=(const ClosedPort&) = delete;
  [[nodiscard]] io::Address address() const { return {"127.0.0.1", port_, false}; }

 private:
  int fd_;
  std::uint16_t port_ = 0;
};

TEST_CASE("a port without a listener refuses, and the detail names it") {
  World world;
  const ClosedPort port;
  const auto result = world.connect(port.address());
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == ErrorCode::connect_refused);
  CHECK(result.error().detail.find(io::to_string(port.address())) != std::string::npos);
}

TEST_CASE("a connection is never reported inside the call, also when it fails at once") {
  World world;
  int heard = 0;
  const auto bad = world.net.connect({"/nowhere/at/all.sock", 0, true}, 1s, [&](auto result) {
    ++heard;
    CHECK_FALSE(result.has_value());
    CHECK(result.error().code == ErrorCode::connect_failed);
  });
  const auto too_long = world.net.connect({"/" + std::string(200, 'x'), 0, true}, 1s, [&](auto result) {
    ++heard;
    CHECK_FALSE(result.has_value());
    CHECK(result.error().code == ErrorCode::connect_failed);
  });
  CHECK(heard == 0);
  REQUIRE(world.until([&] { return heard == 2; }));
}

TEST_CASE("a pending connection that is destroyed is never heard of") {
  World world;
  Door door(world);
  bool heard = false;
  {
    const auto pending = world.net.connect(door.listener->bound(), 1s, [&](auto) { heard = true; });
  }
  {
    const auto pending = world.net.connect({"localhost", 1, false}, 1s, [&](auto) { heard = true; });
  }
  world.turns(20);
  CHECK_FALSE(heard);
}

TEST_CASE("a pending connection may be destroyed in its own callback") {
  World world;
  Door door(world);
  std::unique_ptr<io::Pending> pending;
  std::unique_ptr<io::Stream> stream;
  pending = world.net.connect(door.listener->bound(), 1s, [&](auto result) {
    stream = std::move(*result);
    pending.reset();
  });
  REQUIRE(world.until([&] { return stream != nullptr; }));
  const ClosedPort port;
  bool failed = false;
  pending = world.net.connect(port.address(), 1s, [&](auto result) {
    failed = !result.has_value();
    pending.reset();
  });
  REQUIRE(world.until([&] { return failed; }));
}

TEST_CASE("a name is resolved, and an address that refuses leads to the next") {
  World world;
  // "localhost" is 127.0.0.1 and, where IPv6 is on, ::1 as well: one of the two has no listener.
  Door door(world, {"127.0.0.1", 0, false});
  const auto result = world.connect({"localhost", door.listener->bound().port, false});
  CHECK(result.has_value());
}

TEST_CASE("a name that cannot be resolved fails as such, within the time given") {
  World world;
  const MonoTime start = world.loop.now();
  const auto result = world.connect({"nonexistent.invalid", 80, false}, 500ms);
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == ErrorCode::dns_failed);
  CHECK(result.error().detail.find("nonexistent.invalid") != std::string::npos);
  CHECK(world.loop.now() - start < 1500ms);
}

TEST_CASE("a name that no resolver may be asked for fails as such") {
  World world;
  const auto result = world.connect({std::string(300, 'a'), 80, false}, 2s);
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == ErrorCode::dns_failed);
}

TEST_CASE("a listener that takes no more lets the connection run into its time limit") {
  World world;
  // A Unix socket with a full queue keeps connect(2) waiting for ever; libuv reports EAGAIN for it. TCP on the loopback
  // drops the SYN instead, which is the case of interest.
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  net::SocketAddress address = *net::literal_address("127.0.0.1", 0);
  REQUIRE(::bind(fd, address.get(), address.size) == 0);
  REQUIRE(::listen(fd, 0) == 0);
  REQUIRE(::getsockname(fd, address.get(), &address.size) == 0);
  std::vector<Result<std::unique_ptr<io::Stream>>> results;
  std::vector<std::unique_ptr<io::Pending>> pending;
  for (int i = 0; i < 8; ++i) {
    pending.push_back(world.net.connect({"127.0.0.1", net::port_of(address), false}, 100ms,
                                        [&](auto result) { results.push_back(std::move(result)); }));
  }
  REQUIRE(world.until([&] { return results.size() == 8; }));
  int late = 0;
  for (const auto& result : results) {
    if (result.has_value()) continue;
    CHECK(result.error().code == ErrorCode::connect_timeout);
    ++late;
  }
  CHECK(late > 0);
  ::close(fd);
}

TEST_CASE("families alternate, beginning with the first, and keep their order") {
  const auto v4 = [](const char* text) { return *net::literal_address(text, 1); };
  std::vector<std::string> mixed;
  for (const auto& address : net::interleave({v4("::1"), v4("::2"), v4("::3"), v4("1.1.1.1"), v4("2.2.2.2")})) {
    mixed.push_back(net::host_of(address));
  }
  CHECK(mixed == std::vector<std::string>{"::1", "1.1.1.1", "::2", "2.2.2.2", "::3"});
  CHECK(net::interleave({v4("9.9.9.9")}).size() == 1);
}

TEST_CASE("listening where another listens is refused in words") {
  World world;
  Door door(world);
  const auto second = world.net.listen(door.listener->bound(), std::nullopt, [](auto) {});
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().code == ErrorCode::io_failed);
  CHECK(second.error().detail.find("address already in use") != std::string::npos);
}

TEST_CASE("an address is free again as soon as its listener is gone") {
  World world;
  io::Address at;
  {
    Door door(world);
    at = door.listener->bound();
    CHECK(at.port != 0);
  }
  CHECK(world.net.listen(at, std::nullopt, [](auto) {}).has_value());
}

TEST_CASE("a name that is not of this machine, and a path that does not fit, are no places to listen") {
  World world;
  CHECK_FALSE(world.net.listen({"203.0.113.1", 0, false}, std::nullopt, [](auto) {}).has_value());
  CHECK_FALSE(world.net.listen({"/" + std::string(120, 'x'), 0, true}, std::nullopt, [](auto) {}).has_value());
  CHECK_FALSE(world.net.listen({"/nowhere/at/all.sock", 0, true}, std::nullopt, [](auto) {}).has_value());
}

TEST_CASE("a socket file that nobody listens behind is taken over, a living one is not") {
  World world;
  const std::string path = "/tmp/outrigger-net-stale-" + std::to_string(::getpid()) + ".sock";
  const net::SocketAddress address = *net::unix_address(path);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  REQUIRE(::bind(fd, address.get(), address.size) == 0);
  ::close(fd);
  {
    Door door(world, {path, 0, true});
    CHECK_FALSE(world.net.listen({path, 0, true}, std::nullopt, [](auto) {}).has_value());
    CHECK(world.connect({path, 0, true}).has_value());
  }
  ::unlink(path.c_str());
}

TEST_CASE("who is turned away before the handshake's end is told of, with the reason") {
  World world;
  std::vector<std::string> told;
  world.net.on_refused([&](const io::Address& at, std::string_view why, std::string_view words) {
    told.push_back(io::to_string(at) + " " + std::string(why) + " " + std::string(words));
  });
  Door door(world, {"127.0.0.1", 0, false}, test::TestCa().issue());
  const std::string at = io::to_string(door.listener->bound());
  auto plain = world.connect(door.listener->bound());
  REQUIRE(plain.has_value());
  const Bytes words = Bytes::copy("GET / HTTP/1.1\r\n\r\n");
  (*plain)->write({&words, 1});
  REQUIRE(world.until([&] { return told.size() == 1; }));
  CHECK(told[0].starts_with(at + " tls "));
  CHECK(told[0].contains("http request"));

  // Handshakes that do not go on, until there is no room for more.
  net::raise_open_files_limit();
  test::Streams idle;
  for (int i = 0; i < 1025; ++i) {
    auto connected = world.connect(door.listener->bound());
    CAPTURE(i);
    REQUIRE(connected.has_value());
    idle.push_back(std::move(*connected));
  }
  REQUIRE(world.until([&] { return told.size() == 2; }));
  CHECK(told[1] == at + " tls_limit ");
}

TEST_CASE("an ordinary file at the path of a listener is left alone, and the error says so") {
  World world;
  const std::string path = "/tmp/outrigger-net-file-" + std::to_string(::getpid());
  std::FILE* file = std::fopen(path.c_str(), "we");
  REQUIRE(file != nullptr);
  std::fputs("not to be lost", file);
  std::fclose(file);
  const auto opened = world.net.listen({path, 0, true}, std::nullopt, [](auto) {});
  REQUIRE_FALSE(opened.has_value());
  CHECK(opened.error().detail.contains("what lies there is no socket"));
  CHECK(net::read_file(path, 100).value_or("") == "not to be lost");
  ::unlink(path.c_str());
}

TEST_CASE("a listener takes away its own socket file and nobody else's") {
  World world;
  const std::string path = "/tmp/outrigger-net-turns-" + std::to_string(::getpid()) + ".sock";
  auto first = std::make_unique<Door>(world, io::Address{path, 0, true});
  struct stat about {};
  REQUIRE(::stat(path.c_str(), &about) == 0);
  CHECK((about.st_mode & 0777) == 0660);
  // Somebody removed it, and another listens there now.
  REQUIRE(::unlink(path.c_str()) == 0);
  auto second = std::make_unique<Door>(world, io::Address{path, 0, true});
  first.reset();
  CHECK(world.connect({path, 0, true}).has_value());
  second.reset();
  CHECK(::access(path.c_str(), F_OK) != 0);
}

TEST_CASE("a listener may be destroyed while it hands over a connection") {
  World world;
  std::unique_ptr<io::Listener> listener;
  test::Streams streams;
  auto opened = world.net.listen({"127.0.0.1", 0, false}, std::nullopt, [&](std::unique_ptr<io::Stream> stream) {
    listener.reset();
    streams.push_back(std::move(stream));
  });
  listener = std::move(*opened);
  const io::Address at = listener->bound();
  const auto one = world.net.connect(at, 1s, [](auto) {});
  const auto two = world.net.connect(at, 1s, [](auto) {});
  REQUIRE(world.until([&] { return !streams.empty(); }));
  world.turns(5);
  CHECK(streams.size() == 1);
}

struct Lines final : obs::Log {
  void line(LogLevel, std::string_view text) override { heard.emplace_back(text); }
  std::vector<std::string> heard;
};

// Runs in a child process, whose limit of open files it lowers. Returns 0 when all is well, else the step that was not.
int accept_without_descriptors() {
  net::UvLoop loop;
  Lines log;
  // The sanitizer opens a pipe to look at a type that it meets for the first time, which fails without descriptors.
  static_cast<obs::Log&>(log).warning("met before");
  log.heard.clear();
  net::UvNet net(loop, &log);
  test::Streams accepted;
  auto listener = net.listen({"127.0.0.1", 0, false}, std::nullopt,
                             [&](std::unique_ptr<io::Stream> stream) { accepted.push_back(std::move(stream)); });
  if (!listener) return 1;
  const net::SocketAddress at = *net::literal_address("127.0.0.1", (*listener)->bound().port);
  std::vector<int> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(::socket(AF_INET, SOCK_STREAM, 0));
    if (::connect(clients.back(), at.get(), at.size) != 0) return 2;
  }
  const rlimit limit{static_cast<rlim_t>(clients.back()) + 1, 4096};
  ::setrlimit(RLIMIT_NOFILE, &limit);
  bool rested = false;
  const io::Timer resting = loop.after(50ms, [&] { rested = true; });
  while (!rested) uv_run(loop.raw(), UV_RUN_ONCE);
  if (!accepted.empty()) return 3;
  if (log.heard.size() != 1) return 4;
  const rlimit more{static_cast<rlim_t>(clients.back()) + 10, 4096};
  ::setrlimit(RLIMIT_NOFILE, &more);
  bool late = false;
  const io::Timer watchdog = loop.after(2s, [&] { late = true; });
  while (accepted.size() < 3 && !late) uv_run(loop.raw(), UV_RUN_ONCE);
  if (accepted.size() != 3) return 5;
  for (const int fd : clients) ::close(fd);
  return 0;
}

TEST_CASE("without free descriptors connections wait, the log says so once, and later they are accepted") {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(accept_without_descriptors());
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

}  // namespace
}  // namespace outrigger
