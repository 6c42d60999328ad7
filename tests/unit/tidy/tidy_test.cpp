// The style guide as a test: the order of the rooms, one library in one room, and what policy must never touch.
#include <catch2/catch_test_macros.hpp>

#include "unit/tidy/rules.h"
#include "unit/tidy/source.h"

namespace outrigger::tidy {
namespace {

const std::vector<Source>& sources() {
  static const std::vector<Source> all = read_sources(OUTRIGGER_SOURCE_DIR, "src");
  return all;
}

std::set<std::string> paths() {
  std::set<std::string> all;
  for (const Source& source : sources()) all.insert(source.path);
  return all;
}

template <class Rule>
void check_all(const std::vector<Source>& files, Rule&& rule) {
  for (const Source& source : files) {
    for (const std::string& finding : rule(source)) FAIL_CHECK(finding);
  }
  SUCCEED();
}

TEST_CASE("the tree is found") { REQUIRE(sources().size() > 50); }

TEST_CASE("dependencies point one way") { check_all(sources(), check_direction); }

TEST_CASE("one library lives in one room") { check_all(sources(), check_libraries); }

TEST_CASE("only net/ and the mains touch clocks, randomness, the environment and threads") {
  check_all(sources(), check_bans);
}

TEST_CASE("includes are written from src/, a file's own header first") {
  const auto all = paths();
  check_all(sources(), [&](const Source& source) { return check_includes(source, all); });
}

TEST_CASE("no file is too long or unfinished") {
  check_all(sources(), check_size);
  check_all(read_sources(OUTRIGGER_SOURCE_DIR, "tests"), check_size);
}

// The rules themselves, on made-up files: a rule that finds nothing anywhere would pass for ever.

TEST_CASE("comments and literals are no code") {
  const Source source = parse("src/core/x.cpp",
                              "int a; // rand()\n"
                              "/* rand() \n rand() */ int b = 1'000;\n"
                              "auto c = \"rand() \\\" rand()\"; auto d = 'r';\n"
                              "auto e = R\"x(rand()\n \" rand())x\"; rand();\n");
  CHECK(source.code.size() == source.lines.size());
  const auto findings = check_bans(source);
  REQUIRE(findings.size() == 1);
  CHECK(findings[0] == "src/core/x.cpp:6: rand() is banned here; draw from the Rng& that was passed in");
}

TEST_CASE("includes are found with their lines") {
  const Source source = parse("src/core/x.cpp", "#include \"core/x.h\"\n\n#  include <vector>\n// #include <uv.h>\n");
  REQUIRE(source.includes.size() == 2);
  CHECK(source.includes[0].quoted);
  CHECK(source.includes[0].path == "core/x.h");
  CHECK(source.includes[1].line == 3);
  CHECK(source.includes[1].path == "vector");
  CHECK_FALSE(source.includes[1].quoted);
}

TEST_CASE("an arrow that points up is found") {
  CHECK(check_direction(parse("src/core/x.h", "#include \"io/loop.h\"\n")).size() == 1);
  CHECK(check_direction(parse("src/chat/x.h", "#include \"io/loop.h\"\n")).size() == 1);
  CHECK(check_direction(parse("src/config/x.h", "#include \"io/net.h\"\n")).size() == 1);
  CHECK(check_direction(parse("src/proxy/x.h", "#include \"net/uv_loop.h\"\n")).size() == 1);
  CHECK(check_direction(parse("src/cache/x.h", "#include \"http/client.h\"\n")).size() == 1);
  CHECK(check_direction(parse("src/newroom/x.h", "")).size() == 1);
  CHECK(check_direction(parse("src/app/x.h", "#include \"net/uv_loop.h\"\n#include \"core/rng.h\"\n#include \"app/y.h\"\n"))
            .empty());
  CHECK(check_direction(parse("src/main.cpp", "#include \"app/app.h\"\n")).empty());
}

TEST_CASE("a library in the wrong room is found") {
  struct Row {
    const char *path, *header;
    bool allowed;
  };
  const Row rows[] = {{"src/net/x.h", "uv.h", true},
                      {"src/http/x.h", "uv.h", false},
                      {"src/net/x.h", "openssl/ssl.h", true},
                      {"src/chat/x.h", "openssl/ssl.h", false},
                      {"src/chat/x.h", "openssl/hmac.h", true},
                      {"src/proxy/x.h", "openssl/hmac.h", false},
                      {"src/http/x.h", "llhttp.h", true},
                      {"src/proxy/x.h", "llhttp.h", false},
                      {"src/cache/x.h", "zstd.h", true},
                      {"src/http/x.h", "zstd.h", false},
                      {"src/cache/x.h", "hiredis/hiredis.h", true},
                      {"src/net/x.h", "hiredis/hiredis.h", false},
                      {"src/config/x.h", "toml++/toml.h", true},
                      {"src/app/x.h", "toml++/toml.h", false},
                      {"src/chat/x.h", "yyjson.h", true},
                      {"src/proxy/x.h", "yyjson.h", false},
                      {"src/chat/x.h", "utf8proc.h", true},
                      {"src/providers/x.h", "utf8proc.h", false},
                      {"src/main.cpp", "CLI/CLI.hpp", true},
                      {"src/app/x.h", "CLI/CLI.hpp", false},
                      {"src/app/x.h", "thread", false},
                      {"src/core/x.h", "system_error", true},
                      {"src/core/x.h", "vector", true}};
  for (const Row& row : rows) {
    INFO(row.path << " with " << row.header);
    const auto findings = check_libraries(parse(row.path, "#include <" + std::string(row.header) + ">\n"));
    CHECK(findings.empty() == row.allowed);
  }
}

TEST_CASE("what is banned is found, and only that") {
  for (const char* code :
       {"auto t = std::chrono::steady_clock::now();", "auto t = system_clock::now();", "auto t = time(nullptr);",
        "x = std::time(0);", "clock_gettime(CLOCK_MONOTONIC, &t);", "int r = rand();", "srand(1);", "std::random_device d;",
        "usleep(10);", "std::this_thread::sleep_for(1s);", "auto* home = getenv(name);", "std::thread worker;",
        "std::mutex m;", "auto f = std::async(run);", "throw 1;"}) {
    INFO(code);
    CHECK(check_bans(parse("src/proxy/x.cpp", code)).size() == 1);
    CHECK(check_bans(parse("src/net/x.cpp", code)).empty());
    CHECK(check_bans(parse("src/main.cpp", code)).empty());
  }
  for (const char* code : {"line.time(key, value);", "void time(std::string_view key);", "operand(x);",
                           "std::chrono::steady_clock::duration d;", "bool thread_safe;", "log.rand(x);", "noexcept",
                           "retime(0);", "entry->time(0);"}) {
    INFO(code);
    CHECK(check_bans(parse("src/proxy/x.cpp", code)).empty());
  }
}

TEST_CASE("an include that is not of the tree, or in the wrong place, is found") {
  const std::set<std::string> all{"src/core/x.h", "src/core/x.cpp", "src/core/y.h"};
  CHECK(check_includes(parse("src/core/x.cpp", "#include \"core/x.h\"\n#include \"core/y.h\"\n"), all).empty());
  CHECK(check_includes(parse("src/core/x.cpp", "#include \"core/y.h\"\n#include \"core/x.h\"\n"), all).size() == 1);
  CHECK(check_includes(parse("src/core/x.cpp", "#include <vector>\n"), all).size() == 1);
  CHECK(check_includes(parse("src/core/x.cpp", ""), all).size() == 1);
  CHECK(check_includes(parse("src/core/alone.cpp", "#include <vector>\n"), all).empty());
  CHECK(check_includes(parse("src/core/y.h", "#pragma once\n#include \"fmt/format.h\"\n"), all).size() == 1);
  CHECK(check_includes(parse("src/core/y.h", "// #pragma once\n"), all).size() == 1);
}

TEST_CASE("a file that is too long or unfinished is found") {
  const auto of_lines = [](int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += "//\n";
    return parse("src/core/x.cpp", text);
  };
  CHECK(check_size(of_lines(500)).empty());
  CHECK(check_size(of_lines(501)).size() == 1);
  CHECK(check_size(parse("src/core/x.cpp", "int a;  // TODO: b\n")).size() == 1);
  CHECK(check_size(parse("src/core/x.cpp", "int todo;\n")).empty());
}

}  // namespace
}  // namespace outrigger::tidy
