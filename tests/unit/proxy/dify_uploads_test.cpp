// What is known of uploaded files, for whom and for how long; and the upload from which it is known.
#include "proxy/dify_uploads.h"

#include <fmt/format.h>
#include <malloc.h>

#include <catch2/catch_test_macros.hpp>
#include <string>

#include "chat/digest.h"
#include "sim/world/sim_loop.h"

namespace outrigger::proxy {
namespace {

constexpr std::string_view k_id = "72fa9618-8f89-4a37-9b33-7e1178a24a67";

std::string form_of(std::string_view boundary, std::string_view content) {
  return fmt::format(
      "--{0}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: "
      "text/plain\r\n\r\n{1}\r\n--{0}--\r\n",
      boundary, content);
}

std::string answer_of(std::string_view id, std::uint64_t size) {
  return fmt::format(R"({{"id":"{}","name":"a.txt","size":{},"extension":"txt","mime_type":"text/plain"}})", id, size);
}

http::Headers head_of(std::string_view boundary) {
  http::Headers headers;
  headers.add("Content-Type", "multipart/form-data; boundary=" + std::string(boundary));
  return headers;
}

// Under a sanitizer always 0.
std::size_t heap_in_use() { return mallinfo2().uordblks + mallinfo2().hblkhd; }

struct Bench {
  sim::SimLoop loop{1};
  DifyUploads uploads{loop};

  void upload(const http::Headers& head, const std::string& body, int status, const std::string& answer) {
    DifyUploadWatch watch(uploads, "app", head);
    watch.on_body(body.substr(0, body.size() / 2));
    watch.on_body(body.substr(body.size() / 2));
    watch.on_answer(status);
    for (const char c : answer) watch.on_answer_body({&c, 1});
    watch.on_answer_end();
  }
  std::optional<std::string> hash() { return uploads.hash_of("app", k_id); }
};

TEST_CASE("a file is known to the app that uploaded it") {
  Bench bench;
  bench.uploads.note("one", "id", "hash");
  CHECK(bench.uploads.hash_of("one", "id") == "hash");
  CHECK_FALSE(bench.uploads.hash_of("other", "id"));
  CHECK_FALSE(bench.uploads.hash_of("one", "id2"));
  CHECK_FALSE(bench.uploads.hash_of("", "one\nid"));
  bench.uploads.note("one", "id", "later");
  CHECK(bench.uploads.hash_of("one", "id") == "later");
  CHECK(bench.uploads.size() == 1);
}

TEST_CASE("a file is known for a day, and so many of them") {
  Bench bench;
  bench.uploads.note("app", "old", "hash");
  bench.loop.run_for(DifyUploads::k_age_max - 1ns);
  CHECK(bench.uploads.hash_of("app", "old"));
  bench.uploads.note("app", "young", "hash");
  bench.loop.run_for(1ns);
  CHECK_FALSE(bench.uploads.hash_of("app", "old"));
  CHECK(bench.uploads.hash_of("app", "young"));
  CHECK(bench.uploads.size() == 2);
  bench.uploads.note("app", "new", "hash");
  CHECK(bench.uploads.size() == 2);

  for (std::size_t i = 0; i < DifyUploads::k_max; ++i) {
    bench.uploads.note("app", std::to_string(i), "hash");
    // Noted again, it is the youngest.
    if (i == 10) bench.uploads.note("app", "0", "again");
  }
  CHECK(bench.uploads.size() == DifyUploads::k_max);
  CHECK_FALSE(bench.uploads.hash_of("app", "new"));
  bench.uploads.note("app", "one more", "hash");
  CHECK(bench.uploads.size() == DifyUploads::k_max);
  CHECK(bench.uploads.hash_of("app", "0") == "again");
  CHECK_FALSE(bench.uploads.hash_of("app", "1"));
  CHECK(bench.uploads.hash_of("app", "2"));
}

TEST_CASE("an upload that passes makes its file known, by content and not by who sends it") {
  Bench bench;
  bench.upload(head_of("limit"), form_of("limit", "soup"), 201, answer_of(k_id, 4));
  REQUIRE(bench.hash());
  bench.upload(head_of("other"), form_of("other", "soup"), 201, answer_of("again", 4));
  CHECK(bench.uploads.hash_of("app", "again") == bench.hash());
  bench.upload(head_of("other"), form_of("other", "tart"), 201, answer_of("tart", 4));
  CHECK(bench.uploads.hash_of("app", "tart") != bench.hash());
}

TEST_CASE("an upload that did not go as it should makes nothing known") {
  const std::string form = form_of("limit", "soup");
  const std::string answer = answer_of(k_id, 4);
  Bench bench;
  bench.upload(head_of("limit"), form, 413, answer);
  bench.upload(head_of("limit"), form, 201, answer_of(k_id, 5));
  bench.upload(head_of("limit"), form.substr(0, form.size() - 4), 201, answer);
  bench.upload(head_of("other"), form, 201, answer);
  bench.upload(http::Headers(), form, 201, answer);
  bench.upload(head_of("limit"), form, 201, answer + std::string(DifyUploadWatch::k_answer_max + 1 - answer.size(), ' '));
  http::Headers packed = head_of("limit");
  packed.add("Content-Encoding", "identity");
  bench.upload(packed, form, 201, answer);
  http::Headers twice = head_of("limit");
  twice.add("Content-Type", "multipart/form-data; boundary=other");
  bench.upload(twice, form, 201, answer);
  {
    DifyUploadWatch dropped(bench.uploads, "app", head_of("limit"));
    dropped.on_body(form);
    dropped.on_answer(201);
    dropped.on_answer_body(answer);
  }
  CHECK(bench.uploads.size() == 0);
  bench.upload(head_of("limit"), form, 201, answer + std::string(DifyUploadWatch::k_answer_max - answer.size(), ' '));
  CHECK(bench.hash());
}

TEST_CASE("an upload of 256 MiB is read along and not kept") {
  Bench bench;
  DifyUploadWatch watch(bench.uploads, "app", head_of("limit"));
  constexpr std::uint64_t k_pieces = 1024;
  const std::string piece = std::string(256 * 1024 - 9, 'x') + "\r\n--limi\r";
  const std::string form = form_of("limit", "");
  const std::size_t begin = form.find("\r\n\r\n") + 4;
  const std::size_t before = heap_in_use();
  watch.on_body(form.substr(0, begin));
  for (std::uint64_t i = 0; i < k_pieces; ++i) {
    watch.on_body(piece);
    bench.loop.run_for(10ms);
  }
  CHECK(heap_in_use() < before + 16 * 1024);
  watch.on_body(form.substr(begin));
  watch.on_answer(201);
  watch.on_answer_body(answer_of(k_id, k_pieces * piece.size()));
  watch.on_answer_end();
  CHECK(bench.hash());
}

}  // namespace
}  // namespace outrigger::proxy
