// Uploads of clients that may not ask for everything: what they ask for shows in a body that is not kept.
#include <catch2/catch_test_macros.hpp>

#include "unit/proxy/client_bench.h"

namespace outrigger::proxy::test {
namespace {

// A form with a file of so many bytes, before which or after which the model stands.
std::string upload(std::size_t size, std::string_view model, bool is_first = true) {
  const std::string named = fmt::format("--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n{}\r\n", model);
  const std::string file =
      "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n" + std::string(size, 'x') + "\r\n";
  return (is_first ? named + file : file + named) + "--B--\r\n";
}
constexpr std::string_view k_form = "Content-Type: multipart/form-data; boundary=B\r\n";
constexpr std::string_view k_speech = "/v1/audio/transcriptions";

std::string post_upload(std::string_view body) {
  return post({.fields = std::string(k_form), .path = std::string(k_speech)}, body);
}

TEST_CASE("a large upload is let go on when it has named a model that its client may ask for") {
  for (const std::string_view limits : {R"(models = ["m"])", "budget = { usd_per_day = 1e6 }"}) {
    CAPTURE(limits);
    ClientBench b(limits);
    const std::string body = upload(100'000, "m");
    // In pieces: nothing is asked before enough has come, and what has come is passed on then, not when all is there.
    const std::string whole = post_upload(body);
    const auto client = b.send(std::string_view(whole).substr(0, 5000));
    CHECK(b.asked.empty());
    client->send(std::string_view(whole).substr(5000));
    b.settle();
    REQUIRE(b.asked.size() == 1);
    CHECK(b.last().body == body);
    CHECK(field_of(b.last().head, "Content-Length") == std::to_string(body.size()));
    b.last().answer(R"({"text":"hello"})");
    b.settle();
    CHECK(status(client->received()) == 200);
    CHECK(field_of(client->received(), "x-outrigger-served-by") == "main:m");
    CHECK(b.log.lines.back().contains(R"("model":"m")"));

    // Without a length, too: one that ends early is sent when it has ended, a long one goes on as it comes.
    const std::string head = fmt::format(
        "POST {} HTTP/1.1\r\nHost: o\r\nAuthorization: Bearer k\r\n{}Transfer-Encoding: chunked\r\n\r\n", k_speech, k_form);
    const std::string little = upload(100, "m");
    const auto brief = b.send(fmt::format("{}{:x}\r\n{}\r\n", head, little.size(), little));
    CHECK(b.asked.size() == 1);
    brief->send("0\r\n\r\n");
    b.settle();
    REQUIRE(b.asked.size() == 2);
    CHECK(b.last().body == little);
    b.last().answer(R"({"text":"hello"})");
    b.settle();
    CHECK(status(brief->received()) == 200);
    const auto chunked = b.send(fmt::format("{}{:x}\r\n{}\r\n", head, body.size(), body));
    REQUIRE(b.asked.size() == 3);
    CHECK(b.last().streamed_body);
    CHECK(b.last().body.contains("name=\"model\""));
    chunked->send("0\r\n\r\n");
    b.settle();
    CHECK(b.last().body.ends_with("0\r\n\r\n"));
    b.last().answer(R"({"text":"hello"})");
    b.settle();
    CHECK(status(chunked->received()) == 200);
  }
}

TEST_CASE("a large upload for a model that its client may not ask for is refused before anything is sent") {
  ClientBench b(R"(models = ["m"])");
  for (const std::string& body : {upload(100'000, "another"), upload(100'000, "m", false), std::string(100'000, 'x')}) {
    CHECK(status(b.send(post_upload(body))->received()) == 403);
  }
  // Its price is not known.
  ClientBench poor("budget = { usd_per_day = 5 }");
  const std::string refused = poor.send(post_upload(upload(100'000, "mystery")))->received();
  CHECK(status(refused) == 403);
  CHECK(says(refused, "What the model `mystery` costs is not known here"));
  CHECK(b.asked.empty());
  CHECK(poor.asked.empty());
}

TEST_CASE("a large upload counts by its size, as a small one does") {
  ClientBench b("rate = { tokens_per_minute = 20000 }");
  const std::string body = upload(100'000, "m");
  const auto first = b.send(post_upload(body));
  b.last().answer("{}");
  b.settle();
  CHECK(status(first->received()) == 200);
  const std::string second = b.send(post_upload(body))->received();
  CHECK(status(second) == 429);
  CHECK(says(second, "has used the 20000 tokens"));
  // Its length is known when it has come.
  b.world.loop.run_for(2min);
  for (const int expected : {200, 429}) {
    const auto chunked =
        b.send(fmt::format("POST {} HTTP/1.1\r\nHost: o\r\nAuthorization: Bearer k\r\n{}Transfer-Encoding: "
                           "chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n",
                           k_speech, k_form, body.size(), body));
    if (expected == 200) b.last().answer("{}");
    b.settle();
    CHECK(status(chunked->received()) == expected);
  }
}

}  // namespace
}  // namespace outrigger::proxy::test
