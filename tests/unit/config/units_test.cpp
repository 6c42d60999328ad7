#include "config/units.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace outrigger::config {
namespace {

TEST_CASE("a duration is a number with a unit") {
  struct Row {
    std::string_view text;
    Duration value;
  };
  const Row rows[] = {{"0", 0s},    {"0s", 0s},      {"20ms", 20ms},   {"10s", 10s},    {"10m", 10min}, {"1h", 1h},
                      {"24h", 24h}, {"7d", 7 * 24h}, {"1.5s", 1500ms}, {"0.5h", 30min}, {"1ms", 1ms},   {"90s", 90s}};
  for (const Row& row : rows) {
    INFO(row.text);
    std::string hint;
    REQUIRE(parse_duration(row.text, hint) == row.value);
    REQUIRE(hint.empty());
  }
}

TEST_CASE("a duration that cannot be read is answered with what to write") {
  struct Row {
    std::string_view text, hint;
  };
  const std::string_view units = R"(write a number with a unit, one of ms, s, m, h or d, such as "10m")";
  const Row rows[] = {{"10 minutes", R"(write "10m")"},
                      {"10min", R"(write "10m")"},
                      {"30 sec", R"(write "30s")"},
                      {"1 Hour", R"(write "1h")"},
                      {"10M", R"(write "10m")"},
                      {"7days", R"(write "7d")"},
                      {"10分钟", R"(write "10m")"},
                      {"500 ms", R"(write "500ms")"},
                      {"10", units},
                      {"", units},
                      {"m", units},
                      {"-5s", units},
                      {"1h30m", units},
                      {"5 fortnights", units},
                      {"1e3s", units},
                      {"1.2.3s", units},
                      {".", units},
                      {"999999999d", "write a smaller number"}};
  for (const Row& row : rows) {
    INFO(row.text);
    std::string hint;
    REQUIRE_FALSE(parse_duration(row.text, hint));
    REQUIRE(hint == row.hint);
  }
}

TEST_CASE("a duration may be a hundred years long, and no longer") {
  std::string hint;
  REQUIRE(parse_duration("36500d", hint) == 36500 * 24h);
  REQUIRE_FALSE(parse_duration("36501d", hint));
}

TEST_CASE("a size is a number with a unit") {
  struct Row {
    std::string_view text;
    std::uint64_t value;
  };
  const Row rows[] = {{"0", 0},          {"0B", 0},          {"17B", 17},      {"32KiB", 32768},   {"1MiB", 1 << 20},
                      {"1GiB", 1 << 30}, {"20MB", 20000000}, {"1.5KiB", 1536}, {"2GB", 2000000000}};
  for (const Row& row : rows) {
    INFO(row.text);
    std::string hint;
    REQUIRE(parse_size(row.text, hint) == row.value);
  }
}

TEST_CASE("a size that cannot be read is answered with what to write") {
  struct Row {
    std::string_view text, hint;
  };
  const std::string_view units = R"(write a number with a unit, one of B, KiB, MiB, GiB, KB, MB or GB, such as "1MiB")";
  const Row rows[] = {{"256M", R"(write "256MiB")"},
                      {"256Mi", R"(write "256MiB")"},
                      {"256 MiB", R"(write "256MiB")"},
                      {"20mb", R"(write "20MB")"},
                      {"1g", R"(write "1GiB")"},
                      {"512 bytes", R"(write "512B")"},
                      {"12", units},
                      {"lots", units},
                      {"9999999GiB", "write a smaller number"}};
  for (const Row& row : rows) {
    INFO(row.text);
    std::string hint;
    REQUIRE_FALSE(parse_size(row.text, hint));
    REQUIRE(hint == row.hint);
  }
}

TEST_CASE("durations and sizes are printed as people write them, and read back to the same value") {
  std::string hint;
  for (const std::string_view text : {"20ms", "90s", "10m", "1h", "24h", "7d", "365d", "36h", "1500ms"}) {
    INFO(text);
    REQUIRE(format_duration(*parse_duration(text, hint)) == text);
  }
  REQUIRE(format_duration(0s) == "0s");
  REQUIRE(format_duration(1min + 1500us) == "60001.5ms");
  for (const std::string_view text : {"17B", "32KiB", "1MiB", "3GiB", "20MB", "1KB", "5GB"}) {
    INFO(text);
    REQUIRE(format_size(*parse_size(text, hint)) == text);
  }
  REQUIRE(format_size(0) == "0B");
}

}  // namespace
}  // namespace outrigger::config
