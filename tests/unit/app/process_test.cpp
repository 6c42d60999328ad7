#include "app/process.h"

#include <catch2/catch_test_macros.hpp>

#include <map>

namespace outrigger::app {
namespace {

constexpr std::uint64_t k_mib = 1ull << 20;

TEST_CASE("open files: a client and its upstream each take one") {
  CHECK(open_files_warning(1024, 480).empty());
  const std::string warning = open_files_warning(1023, 480);
  CHECK(warning.contains("only 1023 open files"));
  CHECK(warning.contains("480 connections may need 1024"));
  CHECK(warning.contains("LimitNOFILE"));
}

TEST_CASE("memory: the cache and what comes beside it") {
  CHECK(memory_warning(320 * k_mib, 256 * k_mib).empty());
  const std::string warning = memory_warning(319 * k_mib, 256 * k_mib);
  CHECK(warning.contains("only 319 MiB"));
  CHECK(warning.contains("[cache] memory = 256 MiB"));
  CHECK(warning.contains("need 320"));
}

TEST_CASE("the least limit of all control groups above the process counts") {
  struct Case {
    std::string self;
    std::map<std::string, std::uint64_t> limits;
    std::optional<std::uint64_t> least;
  };
  const Case table[] = {
      {"", {}, std::nullopt},
      {"0::/\n", {}, std::nullopt},
      {"0::/\n", {{"", 100}}, 100},  // a container sees its own group as the root
      {"0::/system.slice/outrigger.service\n", {{"/system.slice/outrigger.service", 50}, {"/system.slice", 70}}, 50},
      {"0::/system.slice/outrigger.service\n", {{"/system.slice/outrigger.service", 50}, {"/system.slice", 40}}, 40},
      {"0::/a", {{"/a", 7}}, 7},
      {"12:memory:/docker/abc\n0::/\n", {{"/docker/abc", 3}, {"", 9}}, 9},
      {"rubbish", {{"rubbish", 1}}, std::nullopt},
  };
  for (const Case& row : table) {
    CAPTURE(row.self);
    const auto limit_at = [&](const std::string& group) {
      const auto found = row.limits.find(group);
      return found != row.limits.end() ? std::optional(found->second) : std::nullopt;
    };
    CHECK(cgroup_limit(row.self, limit_at) == row.least);
  }
}

TEST_CASE("this process has a limit, and takes less than that") {
  CHECK(resident_bytes() > 0);
  CHECK(memory_limit() > resident_bytes());
}

}  // namespace
}  // namespace outrigger::app
