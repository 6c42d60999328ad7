#include "obs/access_log.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace outrigger::obs {
namespace {

WallTime at(std::int64_t millis) { return WallTime(std::chrono::milliseconds(millis)); }

std::string line_of(const AccessRecord& record) {
  std::string out;
  write_json(record, out);
  return out;
}

TEST_CASE("a full record is one line of JSON") {
  AccessRecord record;
  record.time = at(1'709'210'096'007);
  record.request_id = "r-1";
  record.door = "llm";
  record.client = "support";
  record.peer = "10.0.0.1";
  record.method = "POST";
  record.path = "/faq/v1/chat/completions";
  record.model = "gpt-4o";
  record.upstream = "relay";
  record.served_by = "relay:gpt-4o";
  record.route = "/faq";
  record.cache = "bypass";
  record.cache_reason = "ping";
  record.error = "upstream_cut";
  record.status = 200;
  record.attempts = 2;
  record.stream = true;
  record.request_bytes = 2048;
  record.response_bytes = 18'446'744'073'709'551'615u;
  record.prompt_tokens = 10;
  record.completion_tokens = 20;
  record.price = 0.0015;
  record.currency = "USD";
  record.saved_usd = 0.000123;
  record.duration = 1234567us;
  record.first_byte = 999us;
  CHECK(
      line_of(record) ==
      R"({"time":"2024-02-29T12:34:56.007Z","request_id":"r-1","door":"llm","client":"support","peer":"10.0.0.1",)"
      R"("method":"POST","path":"/faq/v1/chat/completions","route":"/faq","model":"gpt-4o","upstream":"relay",)"
      R"("served_by":"relay:gpt-4o","cache":"bypass","cache_reason":"ping","error":"upstream_cut","status":200,)"
      R"("attempts":2,"stream":true,"request_bytes":2048,"response_bytes":18446744073709551615,"prompt_tokens":10,)"
      R"("completion_tokens":20,"price":0.0015,"currency":"USD","saved_usd":0.000123,"duration_ms":1234.567,"first_byte_ms":0.999})"
      "\n");
}

TEST_CASE("a run at the dify door says whose it was, and when it first said something") {
  AccessRecord record;
  record.door = "dify";
  record.app = "faq";
  record.kind = "run";
  record.first_byte = 1ms;
  record.first_event = 2500us;
  const std::string line = line_of(record);
  CHECK(line.find(R"("door":"dify","app":"faq","kind":"run",)") != std::string::npos);
  CHECK(line.find(R"("first_byte_ms":1.000,"first_event_ms":2.500})") != std::string::npos);
}

TEST_CASE("saved and spent tokens are told where those of the answer do not tell them") {
  AccessRecord record;
  record.saved_tokens = 15;
  CHECK(line_of(record).contains(R"("saved_tokens":15)"));
  record.spent_tokens = 4;
  CHECK(line_of(record).contains(R"("spent_tokens":4)"));
  record.prompt_tokens = 15;
  CHECK_FALSE(line_of(record).contains("saved_tokens"));
  CHECK_FALSE(line_of(record).contains("spent_tokens"));
}

TEST_CASE("all tries are told when there was more than one, and the wait for a turn") {
  AccessRecord record;
  record.attempts = 1;
  record.tried = {{"main:m", "ok", 1ms}};
  CHECK(line_of(record).find("tried") == std::string::npos);
  record.attempts = 2;
  record.tried = {{"main:m", "status_503", 1234us}, {"relay:\"m\"", "ok", 0ns}};
  record.queued = 20ms;
  CHECK(line_of(record) ==
        R"({"time":"1970-01-01T00:00:00.000Z","attempts":2,"tried":[{"target":"main:m","outcome":"status_503","ms":1.234},)"
        R"({"target":"relay:\"m\"","outcome":"ok"}],"queued_ms":20.000})"
        "\n");
}

TEST_CASE("what is empty or zero is left out, and lines are appended") {
  std::string out = "before\n";
  write_json({}, out);
  AccessRecord negative;
  negative.status = -1;
  negative.attempts = -1;
  negative.duration = -1ms;
  negative.first_byte = 999ns;
  write_json(negative, out);
  CHECK(out == "before\n{\"time\":\"1970-01-01T00:00:00.000Z\"}\n{\"time\":\"1970-01-01T00:00:00.000Z\"}\n");
}

TEST_CASE("text is escaped as JSON, and what is not UTF-8 replaced") {
  struct Row {
    std::string value, printed;
  };
  const Row rows[] = {{"a\"b\\c", R"(a\"b\\c)"},
                      {"\n\r\t", R"(\n\r\t)"},
                      {std::string("\0\x01\x1f", 3), R"(\u0000\u0001\u001f)"},
                      {"\x7f", R"(\u007f)"},
                      {"模型/é", "模型/é"},
                      {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
                      {"a\xff z", R"(a\ufffd z)"},
                      {"\xe6\xa8", R"(\ufffd\ufffd)"},
                      {"\xed\xa0\x80", R"(\ufffd\ufffd\ufffd)"},
                      {std::string(512, 'a'), std::string(512, 'a')},
                      {std::string(513, 'a'), std::string(512, 'a')},
                      {std::string(510, 'a') + "模", std::string(510, 'a')},
                      {std::string(509, 'a') + "模", std::string(509, 'a') + "模"}};
  for (const Row& row : rows) {
    INFO(row.value);
    AccessRecord record;
    record.model = row.value;
    CHECK(line_of(record) == "{\"time\":\"1970-01-01T00:00:00.000Z\",\"model\":\"" + row.printed + "\"}\n");
  }
}

TEST_CASE("times before 1970 and at the end of a day are printed right") {
  AccessRecord record;
  record.time = at(-1);
  CHECK(line_of(record) == "{\"time\":\"1969-12-31T23:59:59.999Z\"}\n");
  record.time = at(86'399'999);
  CHECK(line_of(record) == "{\"time\":\"1970-01-01T23:59:59.999Z\"}\n");
  record.time = at(86'400'000);
  CHECK(line_of(record) == "{\"time\":\"1970-01-02T00:00:00.000Z\"}\n");
}

}  // namespace
}  // namespace outrigger::obs
