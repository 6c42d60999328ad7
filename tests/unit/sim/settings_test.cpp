#include "sim/settings.h"

#include <catch2/catch_test_macros.hpp>
#include <fstream>

#include "sim/json_to_toml.h"

namespace outrigger::sim_provider {
namespace {

TEST_CASE("durations have units and nothing else") {
  CHECK(duration_from("120ms") == 120ms);
  CHECK(duration_from("1.5s") == 1500ms);
  CHECK(duration_from("10m") == 10min);
  CHECK(duration_from("1h") == 1h);
  CHECK(duration_from("7us") == std::chrono::microseconds(7));
  CHECK(duration_from("0s") == 0s);
  for (const char* bad : {"", "5", "s", "-1s", "5 s", "5sec", "1e300h", "99999999999h", "nan s"}) {
    INFO(bad);
    CHECK_FALSE(duration_from(bad).has_value());
  }
}

TEST_CASE("sizes have binary units or none") {
  CHECK(size_from("2048") == 2048u);
  CHECK(size_from("300B") == 300u);
  CHECK(size_from("2KiB") == 2048u);
  CHECK(size_from("1.5MiB") == 3u << 19);
  CHECK_FALSE(size_from("2KB").has_value());
  CHECK_FALSE(size_from("-1").has_value());
}

TEST_CASE("an empty file gives the pleasant demo") {
  const auto settings = settings_from_toml("", "sim.toml");
  REQUIRE(settings.has_value());
  CHECK(settings->first_token == 120ms);
  CHECK(settings->between_tokens == 15ms);
  CHECK(settings->mode == AnswerMode::derived);
  CHECK(settings->faults.empty());
  CHECK(settings->models.empty());
  CHECK_FALSE(settings->fast);
}

TEST_CASE("every key of a fault is read") {
  const auto settings = settings_from_toml(R"(
    answer = "size"
    size = "4KiB"
    models = ["a", "b*"]
    requests_per_minute = 60
    window_requests = 20
    window = "10s"
    concurrency = 4
    [[fault]]
    at = "10s"
    for = "5s"
    repeat = "60s"
    requests = [3, 7]
    every = 2
    path = "/v1/embeddings"
    model = "text-*"
    key = "sk-a"
    over = 60
    within = "2s"
    probability = 0.25
    status = 429
    code = "slow_down"
    retry_after = 2
    headers = { x-one = "1" }
    after = 9
    [[fault]]
    requests = 4
    retry_after = "1500ms"
    wrong_length = -3
    reset_at = 0
    drip = "1ms"
    crlf = true
    )",
                                           "sim.toml");
  REQUIRE(settings.has_value());
  CHECK(settings->mode == AnswerMode::size);
  CHECK(settings->size == 4096);
  CHECK(settings->requests_per_minute == 60u);
  CHECK(settings->window_requests == 20u);
  CHECK(settings->window == 10s);
  CHECK(settings->concurrency == 4u);
  REQUIRE(settings->faults.size() == 2);
  const Fault& one = settings->faults[0];
  CHECK(one.at == 10s);
  CHECK(one.length == 5s);
  CHECK(one.repeat == 60s);
  CHECK(one.requests.first == 3);
  CHECK(one.requests.last == 7);
  CHECK(one.every == 2);
  CHECK(one.path == "/v1/embeddings");
  CHECK(one.model == "text-*");
  CHECK(one.key == "sk-a");
  CHECK(one.over == 60u);
  CHECK(one.within == 2s);
  CHECK(one.probability == 0.25);
  CHECK(one.status == 429);
  CHECK(one.code == "slow_down");
  CHECK(one.retry_after == 2s);
  REQUIRE(one.headers.size() == 1);
  CHECK(one.headers[0] == std::pair<std::string, std::string>("x-one", "1"));
  CHECK(one.after == 9);
  const Fault& two = settings->faults[1];
  CHECK(two.requests.first == 4);
  CHECK(two.requests.last == 4);
  CHECK(two.retry_after == 1500ms);
  CHECK(two.wrong_length == -3);
  CHECK(two.reset_at == 0u);
  CHECK(two.drip == 1ms);
  CHECK(two.crlf);
}

TEST_CASE("a wrong setting is refused with its place and what to write") {
  const std::pair<const char*, const char*> cases[] = {
      {"colour = 1", "sim.toml:1:10: `colour` is not known here"},
      {"\nfirst_token = 5", "sim.toml:2:15: `first_token` must be a duration such as \"250ms\" or \"5s\""},
      {"first_token = \"5\"", "sim.toml:1:15: `first_token` must be a duration such as \"250ms\" or \"5s\", not \"5\""},
      {"window = \"0s\"", "sim.toml:1:10: `window` must be above 0"},
      {"[[fault]]\nwithin = \"1s\"", "sim.toml:2:10: `within` needs `over`, and a length above 0"},
      {"tokens = 0", "sim.toml:1:10: `tokens` must be from 1 to 1000000, not 0"},
      {"size = \"2KB\"", "sim.toml:1:8: `size` must be a size such as 2048 or \"2KiB\""},
      {"answer = \"poem\"", "sim.toml:1:10: `answer` must be \"derived\", \"echo\", \"fixed\" or \"size\""},
      {"fault = 3", "sim.toml:1:9: `fault` must be written as [[fault]]"},
      {"fault = [1]", "sim.toml:1:9: `fault` must be written as [[fault]]"},
      {"[[fault]]\nstatus = 200", "sim.toml:2:10: `status` must be from 400 to 599, not 200"},
      {"[[fault]]\nprobability = 1.5", "sim.toml:2:15: `probability` must be from 0 to 1"},
      {"[[fault]]\nrequests = [3, 2]", "sim.toml:2:12: `requests` must be a number from 1 up, or [first, last]"},
      {"[[fault]]\nrepeat = \"3s\"", "sim.toml:1:1: `repeat` needs `for`, and a period above 0"},
      {"[[fault]]\nstal = \"3s\"", "sim.toml:2:8: `stal` is not known here"},
  };
  for (const auto& [text, message] : cases) {
    INFO(text);
    const auto settings = settings_from_toml(text, "sim.toml");
    REQUIRE_FALSE(settings.has_value());
    CHECK(settings.error().code == ErrorCode::bad_config);
    CHECK(settings.error().detail == message);
  }
  const auto broken = settings_from_toml("a = \nb = 1", "sim.toml");
  REQUIRE_FALSE(broken.has_value());
  CHECK(broken.error().detail.starts_with("sim.toml:1:"));
}

TEST_CASE("a schedule is the same in TOML and in both forms of JSON") {
  for (const char* text :
       {"[[fault]]\nstatus = 503\nrequests = [1, 2]\nheaders = { a = \"b\" }\nprobability = 0.5\ncrlf = true",
        R"({"fault":[{"status":503,"requests":[1,2],"headers":{"a":"b"},"probability":0.5,"crlf":true}]})",
        R"( [ {"status":503,"requests":[1,2],"headers":{"a":"b"},"probability":0.5,"crlf":true,"model":null}])"}) {
    INFO(text);
    const auto faults = faults_from_text(text);
    REQUIRE(faults.has_value());
    REQUIRE(faults->size() == 1);
    const Fault& fault = faults->front();
    CHECK(fault.status == 503);
    CHECK(fault.requests.first == 1);
    CHECK(fault.requests.last == 2);
    CHECK(fault.headers.size() == 1);
    CHECK(fault.probability == 0.5);
    CHECK(fault.crlf);
    CHECK(fault.model.empty());
  }
  CHECK(faults_from_text("")->empty());
  CHECK(faults_from_text("[]")->empty());
  CHECK(faults_from_text("{}")->empty());
}

TEST_CASE("a schedule that is none is refused") {
  for (const char* text : {"{", "[1]", "{\"fault\": 1}", "{\"faults\": []}", "[{\"status\": \"503\"}]", "fault",
                           "[[fault]]\nx = 1", "[{\"headers\":{\"a\":[[[[[[[[[[[[1]]]]]]]]]]]]}}]"}) {
    INFO(text);
    const auto faults = faults_from_text(text);
    CHECK_FALSE(faults.has_value());
  }
}

TEST_CASE("the example in conf is valid") {
  const auto settings = settings_from_file(OUTRIGGER_SOURCE_DIR "/conf/sim.toml");
  INFO((settings ? std::string() : settings.error().detail));
  REQUIRE(settings.has_value());
  CHECK_FALSE(settings->faults.empty());
}

TEST_CASE("a file that cannot be read is named") {
  const auto settings = settings_from_file("/nowhere/sim.toml");
  REQUIRE_FALSE(settings.has_value());
  CHECK(settings.error().code == ErrorCode::io_failed);
  CHECK(settings.error().detail == "/nowhere/sim.toml: the file cannot be read");
}

}  // namespace
}  // namespace outrigger::sim_provider
