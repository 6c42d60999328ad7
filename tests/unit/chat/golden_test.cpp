// Keys that must never change by accident: replicas of two versions share one Redis. When a change is meant, k_form_version goes
// up and the new keys, which a failure prints, replace the old ones in the file.
#include <yyjson.h>

#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <string>

#include "chat/json.h"
#include "chat/key.h"
#include "chat/request.h"

using namespace outrigger;
using namespace outrigger::chat;

namespace {

std::string_view member(yyjson_val* row, const char* name) {
  yyjson_val* value = yyjson_obj_get(row, name);
  REQUIRE(yyjson_is_str(value));
  return text_of(value);
}

Endpoint endpoint_named(std::string_view text) {
  for (const Endpoint endpoint : {Endpoint::chat_completions, Endpoint::completions, Endpoint::embeddings}) {
    if (name(endpoint) == text) return endpoint;
  }
  return Endpoint::other;
}

}  // namespace

TEST_CASE("keys are what they were") {
  std::ifstream file(OUTRIGGER_SOURCE_DIR "/tests/golden/keys.jsonl");
  REQUIRE(file);
  const KeyMaker keys("a secret for golden keys");
  std::size_t rows = 0;
  for (std::string line; std::getline(file, line); ++rows) {
    const Document document = parse_json(line);
    yyjson_val* row = yyjson_doc_get_root(document.get());
    REQUIRE(yyjson_is_obj(row));
    INFO(member(row, "name"));
    const auto level = level_named(member(row, "level"));
    const auto scope = scope_named(member(row, "scope"));
    REQUIRE(level);
    REQUIRE(scope);
    const Request request = understand(endpoint_named(member(row, "endpoint")), member(row, "body"), *level);
    CHECK_FALSE(request.bypass);
    const std::string identity = keys.identity({.scope = *scope,
                                                .level = *level,
                                                .epoch = "1",
                                                .upstream = "relay https://api.example.com/v1",
                                                .query = "api-version=1",
                                                .credential = "Bearer sk-golden",
                                                .app = "app",
                                                .user = "user",
                                                .canonical = request.canonical});
    CHECK(hex(keys.key(identity)) == member(row, "key"));
  }
  CHECK(rows == 23);
}
