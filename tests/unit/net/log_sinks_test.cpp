#include "net/log_sinks.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <thread>

#include "net/environment.h"
#include "net/file.h"
#include "net/random.h"
#include "support.h"

namespace outrigger {
namespace {

using test::World;

struct Pipe {
  Pipe() { REQUIRE(::pipe2(ends, O_CLOEXEC) == 0); }
  ~Pipe() {
    close_reader();
    ::close(ends[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void close_reader() {
    if (ends[0] >= 0) ::close(std::exchange(ends[0], -1));
  }
  // What stands in the pipe now.
  std::string take() const {
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
    std::string text;
    char piece[65536];
    for (;;) {
      const ssize_t size = ::read(ends[0], piece, sizeof piece);
      if (size <= 0) return text;
      text.append(piece, static_cast<std::size_t>(size));
    }
  }
  int ends[2] = {-1, -1};
};

// A path in a directory of its own, which goes with it.
struct TempFile {
  TempFile() {
    char pattern[] = "/tmp/outrigger-net-XXXXXX";
    REQUIRE(::mkdtemp(pattern) != nullptr);
    directory = pattern;
    path = directory + "/file";
  }
  ~TempFile() {
    ::unlink(path.c_str());
    ::unlink((path + ".1").c_str());
    ::rmdir(directory.c_str());
  }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  void write(const std::string& text) const {
    std::FILE* file = std::fopen(path.c_str(), "we");
    REQUIRE(file != nullptr);
    std::fwrite(text.data(), 1, text.size(), file);
    std::fclose(file);
  }
  std::string directory, path;
};

TEST_CASE("lines wait for each other up to a tenth of a second") {
  World world;
  const Pipe pipe;
  net::FdSink sink(world.loop, pipe.ends[1]);
  const MonoTime start = world.loop.now();
  sink.write("one\n");
  sink.write("two\n");
  CHECK(pipe.take().empty());
  std::string text;
  REQUIRE(world.until([&] {
    text += pipe.take();
    return !text.empty();
  }));
  CHECK(text == "one\ntwo\n");
  CHECK(world.loop.now() - start >= 100ms);
  CHECK(sink.dropped() == 0);
}

TEST_CASE("64 KiB are written without waiting, and the rest in the destructor") {
  World world;
  const Pipe pipe;
  const std::string line = std::string(1023, 'x') + "\n";
  {
    net::FdSink sink(world.loop, pipe.ends[1]);
    for (int i = 0; i < 63; ++i) sink.write(line);
    CHECK(pipe.take().empty());
    sink.write(line);
    CHECK(pipe.take().size() == 64 * 1024);
    sink.write("last\n");
    CHECK(pipe.take().empty());
  }
  CHECK(pipe.take() == "last\n");
}

TEST_CASE("a reader that sleeps costs lines beyond 1 MiB, never time, and lines stay whole") {
  World world;
  const Pipe pipe;
  std::string text;
  std::size_t written = 0;
  std::uint64_t dropped = 0;
  {
    net::FdSink sink(world.loop, pipe.ends[1]);
    const MonoTime start = world.loop.now();
    for (; written < 20'000; ++written) sink.write(std::to_string(written) + std::string(100, '.') + "\n");
    CHECK(world.loop.now() - start < 1s);
    dropped = sink.dropped();
    CHECK(dropped > 0);
    REQUIRE(world.until([&] {
      text += pipe.take();
      sink.flush();
      return std::ranges::count(text, '\n') == static_cast<std::ptrdiff_t>(written - dropped);
    }));
  }
  std::size_t next = 0;
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    REQUIRE(text.compare(at, std::to_string(next).size(), std::to_string(next)) == 0);
    ++next;
  }
  CHECK(next == written - dropped);
}

TEST_CASE("a reader that is gone costs lines, not the process") {
  World world;
  Pipe pipe;
  pipe.close_reader();
  net::FdSink sink(world.loop, pipe.ends[1]);
  sink.write("one\n");
  sink.write("two\n");
  sink.flush();
  CHECK(sink.dropped() == 2);
  net::StderrLog log(world.loop, LogLevel::info, pipe.ends[1]);
  log.info("nobody reads this");
  CHECK(log.dropped() == 1);
}

TEST_CASE("after a rotation lines go to the new file, and the old ones stay in the old") {
  World world;
  const TempFile file;
  {
    auto sink = net::FdSink::open(world.loop, file.path);
    REQUIRE(sink.has_value());
    (*sink)->write("before\n");
    ::rename(file.path.c_str(), (file.path + ".1").c_str());
    REQUIRE((*sink)->reopen().has_value());
    (*sink)->write("after\n");
  }
  CHECK(net::read_file(file.path + ".1", 100).value() == "before\n");
  CHECK(net::read_file(file.path, 100).value() == "after\n");
  const auto nowhere = net::FdSink::open(world.loop, "/nowhere/at/all.log");
  REQUIRE_FALSE(nowhere.has_value());
  CHECK(nowhere.error().code == ErrorCode::io_failed);
}

TEST_CASE("a pipe without a reader is refused, not waited for, and one with a reader takes lines") {
  World world;
  const TempFile file;
  REQUIRE(::mkfifo(file.path.c_str(), 0600) == 0);
  const auto refused = net::FdSink::open(world.loop, file.path);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().detail.contains("nobody reads"));
  const int reader = ::open(file.path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  REQUIRE(reader >= 0);
  auto sink = net::FdSink::open(world.loop, file.path);
  REQUIRE(sink.has_value());
  (*sink)->write("one\n");
  (*sink)->flush();
  char text[8];
  CHECK(::read(reader, text, sizeof text) == 4);
  ::close(reader);
  CHECK_FALSE((*sink)->reopen().has_value());
}

TEST_CASE("a log line has its time, its level, its words, and no other line inside") {
  World world;
  const Pipe pipe;
  net::StderrLog log(world.loop, LogLevel::info, pipe.ends[1]);
  log.warning("upstream \"a\"\n2026-01-01 forged\x1b[2J");
  log.line(LogLevel::debug, "too small a matter");
  log.error(std::string(10'000, 'x'));
  const std::string text = pipe.take();
  const std::string first = text.substr(0, text.find('\n') + 1);
  REQUIRE(first.size() > 25);
  CHECK(first.substr(23) == "Z warning upstream \"a\" 2026-01-01 forged [2J\n");
  CHECK(std::ranges::count(text, '\n') == 2);
  CHECK(text.size() - first.size() <= 4001);
}

TEST_CASE("times are written as UTC with milliseconds") {
  using std::chrono::milliseconds;
  CHECK(net::utc_text(WallTime(milliseconds(0))) == "1970-01-01T00:00:00.000Z");
  CHECK(net::utc_text(WallTime(milliseconds(1'767'225'599'999))) == "2025-12-31T23:59:59.999Z");
  CHECK(net::utc_text(WallTime(milliseconds(1'767'225'600'000))) == "2026-01-01T00:00:00.000Z");
}

TEST_CASE("a file is read whole up to the limit, and not beyond it") {
  const TempFile file;
  const std::string text(200'000, 'x');
  file.write(text);
  CHECK(net::read_file(file.path, 200'000).value() == text);
  const auto larger = net::read_file(file.path, 199'999);
  REQUIRE_FALSE(larger.has_value());
  CHECK(larger.error().detail.find("larger than 199999") != std::string::npos);
  const auto missing = net::read_file(file.directory + "/missing", 10);
  REQUIRE_FALSE(missing.has_value());
  CHECK(missing.error().code == ErrorCode::io_failed);
  CHECK(missing.error().detail.find("no such file") != std::string::npos);
  CHECK_FALSE(net::read_file(file.directory, 10).has_value());
  file.write("");
  CHECK(net::read_file(file.path, 0).value().empty());
}

TEST_CASE("a watched file that is written or replaced is heard of, until the watch dies in its own callback") {
  World world;
  const TempFile file;
  file.write("one");
  int changes = 0;
  std::unique_ptr<net::FileWatch> watch;
  watch = std::make_unique<net::FileWatch>(
      world.loop, file.path,
      [&] {
        if (++changes == 2) watch.reset();
      },
      5ms);
  // The first look only takes the state down.
  const MonoTime settled = world.loop.now() + 50ms;
  REQUIRE(world.until([&] { return world.loop.now() > settled; }));
  CHECK(changes == 0);
  file.write("three");
  REQUIRE(world.until([&] { return changes == 1; }));
  ::rename(file.path.c_str(), (file.path + ".1").c_str());
  world.turns(50);
  file.write("four four");
  REQUIRE(world.until([&] { return changes == 2; }));
  CHECK(watch == nullptr);
}

TEST_CASE("seeds and secrets differ from one call to the next") {
  CHECK(net::random_seed() != net::random_seed());
  CHECK(net::random_secret(32).size() == 32);
  CHECK(net::random_secret(32) != net::random_secret(32));
  CHECK(net::random_secret(0).empty());
}

TEST_CASE("the environment is a map of what the process was started with") {
  ::setenv("OUTRIGGER_NET_TEST", "a=b", 1);
  ::setenv("OUTRIGGER_NET_EMPTY", "", 1);
  const auto variables = net::environment();
  REQUIRE(variables.contains("OUTRIGGER_NET_TEST"));
  CHECK(variables.find("OUTRIGGER_NET_TEST")->second == "a=b");
  CHECK(variables.find("OUTRIGGER_NET_EMPTY")->second.empty());
  CHECK_FALSE(variables.contains("OUTRIGGER_NET_ABSENT"));
}

TEST_CASE("the limit of open files can be raised to the hard one") { CHECK(net::raise_open_files_limit() >= 3); }

}  // namespace
}  // namespace outrigger
