// The file in an upload, as clients write them, at every split; and everything that is not written so.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "core/rng.h"
#include "providers/dify/upload.h"

namespace outrigger::providers::dify {
namespace {

using namespace std::string_literals;

struct Form {
  std::string name, type, body;
};

// The file that every form under tests/golden/uploads carries: lines that end in every way, and some that begin like a delimiter.
const std::string k_menu = "Soup\r\n--not-a-delimiter\r\n\r\n--\r\n\n--\rTart\0\xff\r\n"s;

const std::vector<Form>& forms() {
  static const std::vector<Form> all = [] {
    std::vector<Form> found;
    for (const auto& entry : std::filesystem::directory_iterator(OUTRIGGER_SOURCE_DIR "/tests/golden/uploads")) {
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string text(std::istreambuf_iterator<char>(file), {});
      constexpr std::string_view k_name = "Content-Type: ";
      const std::size_t end = text.find("\r\n\r\n");
      REQUIRE(text.starts_with(k_name));
      found.push_back({entry.path().stem(), text.substr(k_name.size(), end - k_name.size()), text.substr(end + 4)});
    }
    return found;
  }();
  return all;
}

std::optional<FileContent> read(const std::string& type, const std::vector<std::string_view>& pieces) {
  UploadReader reader(type);
  for (const std::string_view piece : pieces) reader.feed(piece);
  return reader.finish();
}

constexpr std::string_view k_type = "multipart/form-data; boundary=limit";
constexpr std::string_view k_head = "Content-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n";

// One part after the other, between delimiters of `limit`: each its head and its content.
std::string body_of(const std::vector<std::string>& parts) {
  std::string body;
  for (const std::string& part : parts) body += "--limit\r\n" + part + "\r\n";
  return body + "--limit--\r\n";
}
std::string file_of(std::string_view content) { return std::string(k_head) + std::string(content); }

// Whole, and byte by byte, which must be the same.
std::optional<std::string> hash_of(std::string_view body, std::string_view type = k_type) {
  const auto whole = read(std::string(type), {body});
  UploadReader reader(type);
  for (const char c : body) reader.feed({&c, 1});
  const auto bytes = reader.finish();
  REQUIRE(whole.has_value() == bytes.has_value());
  if (!whole) return std::nullopt;
  REQUIRE(whole->sha256 == bytes->sha256);
  REQUIRE(whole->size == bytes->size);
  return whole->sha256;
}

TEST_CASE("an upload's file is the same whoever sent it, at every split") {
  REQUIRE(forms().size() >= 12);
  const std::string sha256 = chat::sha256_hex(k_menu);
  for (const Form& form : forms()) {
    INFO(form.name);
    const std::string_view body = form.body;
    std::size_t right = 0;
    for (std::size_t at = 0; at <= body.size(); ++at) {
      const auto file = read(form.type, {body.substr(0, at), body.substr(at)});
      if (file && file->sha256 == sha256 && file->size == k_menu.size()) ++right;
    }
    CHECK(right == body.size() + 1);
    CHECK(hash_of(body, form.type) == sha256);
  }
}

TEST_CASE("an upload that is cut off has no file, wherever the cut is") {
  for (const Form& form : forms()) {
    INFO(form.name);
    const std::string_view body = form.body;
    // The last line end says nothing more.
    for (std::size_t size = 0; size < body.size() - 2; ++size) {
      if (read(form.type, {body.substr(0, size)})) FAIL("a file after " << size << " bytes");
    }
    CHECK(read(form.type, {body.substr(0, body.size() - 2)}).has_value());
  }
}

TEST_CASE("content that looks like a delimiter is content") {
  for (const std::string_view content : {"",
                                         "\r\n",
                                         "\r",
                                         "\n",
                                         "\r\r\n\n\r",
                                         "\r\n--limi",
                                         "\r\n--limi\r\n--lim\r\n-\r\n",
                                         "\r\n--Limit\r\n",
                                         "\r\n-limit\r\n",
                                         "\r\n\r\n--limi\r\n\r\n",
                                         "\r\n- -limit--",
                                         "x--limit--\r\n",
                                         "x--limit\r\ny",
                                         "\r--limi\n--limi\r\n--limi",
                                         "\r\n---limit\r\n",
                                         "limit",
                                         "--\r\n--",
                                         "\r\n--lim\r\n--limi",
                                         "\r\r\n--limX",
                                         "-"}) {
    INFO(content);
    CHECK(hash_of(body_of({file_of(content)})) == chat::sha256_hex(content));
  }
}

TEST_CASE("what Dify could take for a delimiter leaves the file unknown") {
  for (const std::string_view content :
       {"\n--limit\r\n", "\r--limit\r\n", "\r\n--limit \r\n", "\r\n--limit\t\r\n", "\r\n--limit\n", "\r\n--limit-\r\n",
        "\r\n--limit2\r\n", "\r\n--limits", "\r\n--limit--x", "\r\n--limit--\n", "\r\n--limit--\r\n\r\n",
        "\n\r--limit--\r\n", "--limit\r\n", "--limit--\r\n"}) {
    INFO(content);
    CHECK_FALSE(hash_of(body_of({file_of(content)})));
  }
}

TEST_CASE("a delimiter is one after CRLF alone, though more would follow in good order") {
  const std::string user = "Content-Disposition: form-data; name=\"user\"\r\n\r\ny";
  for (const std::string_view line_end : {"\r\n", "\n", "\r", "\n\r", ""}) {
    INFO("bytes " << line_end.size());
    const std::string begin = "--limit\r\n" + file_of(line_end.empty() ? "" : "x") + std::string(line_end) + "--limit";
    const bool is_sound = line_end == "\r\n";
    CHECK(hash_of(begin + "--\r\n").has_value() == is_sound);
    CHECK(hash_of(begin + "\r\n" + user + "\r\n--limit--\r\n").has_value() == is_sound);
  }
}

TEST_CASE("boundaries are read as they are written") {
  struct Row {
    std::string_view type, boundary;
  };
  for (const Row& row :
       {Row{"multipart/form-data; boundary=limit", "limit"}, Row{"Multipart/Form-Data;BOUNDARY=limit", "limit"},
        Row{"multipart/form-data; boundary=\"limit\"", "limit"},
        Row{"multipart/form-data; boundary=\"a/b=c:d?(e)\"", "a/b=c:d?(e)"},
        Row{"multipart/form-data ; charset=utf-8 ; boundary=limit ", "limit"},
        Row{"multipart/form-data; boundary=-", "-"}}) {
    INFO(row.type);
    std::string body = body_of({file_of("x")});
    for (std::size_t at = body.find("limit"); at != body.npos; at = body.find("limit", at + row.boundary.size())) {
      body.replace(at, 5, row.boundary);
    }
    CHECK(hash_of(body, row.type) == chat::sha256_hex("x"));
  }
  const std::string seventy(70, 'b');
  const std::string body = "--" + seventy + "\r\n" + file_of("x") + "\r\n--" + seventy + "--";
  CHECK(hash_of(body, "multipart/form-data; boundary=" + seventy) == chat::sha256_hex("x"));
  std::string longer = body;
  longer.insert(longer.find("\r\n"), "b").insert(longer.rfind("--"), "b");
  CHECK_FALSE(hash_of(longer, "multipart/form-data; boundary=" + seventy + "b"));
}

TEST_CASE("a type that is no form, or whose boundary is not plain, leaves the file unknown") {
  for (const std::string_view type : {"",
                                      ";",
                                      "multipart/form-data",
                                      "multipart/form-data;",
                                      "multipart/form-data; boundary=",
                                      "multipart/form-data; boundary=\"\"",
                                      "multipart/mixed; boundary=limit",
                                      "application/json",
                                      "multipart/form-data boundary=limit",
                                      "multipart/form-data; boundary = limit",
                                      "multipart/form-data; boundary=limit;",
                                      "multipart/form-data; boundary=limit; boundary=limit",
                                      "multipart/form-data; boundary=limit, multipart/form-data; boundary=other",
                                      "multipart/form-data; boundary=\"limit",
                                      "multipart/form-data; boundary=\"limit\" x",
                                      "multipart/form-data; boundary=\"li\\mit\"",
                                      "multipart/form-data; boundary=\"limit \"",
                                      "multipart/form-data; boundary*=utf-8''limit",
                                      "multipart/form-data; boundary*0=li; boundary*1=mit",
                                      "multipart/form-data; boundary=limit; x=y",
                                      "multipart/form-data; boundary=li mit",
                                      "multipart/form-data; boundary=li/mit"}) {
    INFO(type);
    CHECK_FALSE(hash_of(body_of({file_of("x")}), type));
  }
}

TEST_CASE("parts of other names, and other header fields, are passed over") {
  const std::string user = "Content-Disposition: form-data; name=\"user\"\r\n\r\nfile";
  const std::string sha256 = chat::sha256_hex("x");
  CHECK(hash_of(body_of({user, file_of("x"), user})) == sha256);
  CHECK(hash_of(body_of({"Content-Disposition: form-data; name=\"file2\"; filename=\"b\"\r\n\r\ny", file_of("x")})) ==
        sha256);
  CHECK(hash_of(body_of({"Content-Disposition: form-data; name=\"user\"\r\n\r\n", file_of("x")})) == sha256);
  for (const std::string_view head :
       {"content-disposition:form-data;name=file;filename=a",
        "CONTENT-DISPOSITION: Form-Data; FileName=\"a\"; Name=\"file\"",
        "X-A: b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a;\\\"b\\\\\"\r\nContent-Length: 99",
        "Content-Disposition: form-data; name=\"file\"; filename=\"C:\\dir\\a.txt\"",
        "Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''a%20b",
        "Content-Type:\r\nContent-Disposition:\t form-data; name=file; filename=\"\""}) {
    INFO(head);
    CHECK(hash_of(body_of({std::string(head) + "\r\n\r\nx"})) == sha256);
  }
}

TEST_CASE("parts that are not in form leave the file unknown") {
  const std::string disposition = "Content-Disposition: form-data; name=\"file\"; filename=\"a\"";
  for (const std::string& head : {""s,
                                  "Content-Type: text/plain"s,
                                  "Content-Disposition: form-data; name=\"file\""s,
                                  "Content-Disposition: form-data; filename=\"a\""s,
                                  "Content-Disposition: attachment; name=\"file\"; filename=\"a\""s,
                                  "Content-Disposition: form-data; name=\"file\"; filename=\"a"s,
                                  "Content-Disposition: form-data; name=\"file\"; filename=\"a\\\""s,
                                  "Content-Disposition: form-data; name=\"file\"; filename=a b"s,
                                  "Content-Disposition: form-data; name=\"file\"; filename = \"a\""s,
                                  "Content-Disposition: form-data; name=\"user\"; name=\"file\"; filename=\"a\""s,
                                  "Content-Disposition: form-data; name=\"file\"; name=\"file\"; filename=\"a\""s,
                                  "Content-Disposition: form-data; name*=utf-8''file; filename=\"a\""s,
                                  "Content-Disposition: form-data; name=\"user\"; name*=utf-8''file; filename=\"a\""s,
                                  "Content-Disposition: form-data; name*0=fi; name*1=le; filename=\"a\""s,
                                  "Content-Disposition: form-data; name=\"file\"; filename*0=\"a\""s,
                                  disposition + "\r\n" + disposition,
                                  "Content-Disposition: form-data; name=\"user\"\r\n" + disposition,
                                  disposition + "\r\nContent-Transfer-Encoding: base64"s,
                                  disposition + "\r\ncontent-transfer-encoding: binary"s,
                                  disposition + "\r\n folded: x"s,
                                  disposition + ";\r\n x=y"s,
                                  disposition + "\r\nno colon"s,
                                  disposition + "\r\n: x"s,
                                  disposition + "\r\nX-A : b"s,
                                  disposition + "\r\nX-A: b\rX-B: c"s,
                                  disposition + "\nX-A: b"s,
                                  disposition + "\r\nX-A: \0"s}) {
    INFO(head);
    const std::string end = head.empty() ? "\r\n" : "\r\n\r\n";
    CHECK_FALSE(hash_of(body_of({head + end + "x"})));
    CHECK_FALSE(hash_of(body_of({head + end + "x", file_of("x")})));
  }
}

TEST_CASE("no file, two files, a preamble and an epilogue leave the file unknown") {
  CHECK_FALSE(hash_of(""));
  CHECK_FALSE(hash_of("--limit--\r\n"));
  CHECK_FALSE(hash_of(body_of({"Content-Disposition: form-data; name=\"user\"\r\n\r\nabc"})));
  CHECK_FALSE(hash_of(body_of({file_of("x"), file_of("x")})));
  CHECK_FALSE(hash_of("\r\n" + body_of({file_of("x")})));
  CHECK_FALSE(hash_of("x\r\n" + body_of({file_of("x")})));
  CHECK_FALSE(hash_of(body_of({file_of("x")}) + "\r\n"));
  CHECK_FALSE(hash_of(body_of({file_of("x")}) + body_of({file_of("y")})));
}

TEST_CASE("the head of a part has a limit") {
  const std::string rest = "Content-Disposition: form-data; name=file; filename=a\r\n\r\n";
  for (const bool over : {false, true}) {
    const std::size_t padding = UploadReader::k_head_max - rest.size() - 5 + (over ? 1 : 0);
    const std::string head = "X: " + std::string(padding, 'x') + "\r\n" + rest;
    CHECK(head.size() == UploadReader::k_head_max + (over ? 1 : 0));
    CHECK(hash_of(body_of({head + "x"})).has_value() != over);
    // Each part has its own.
    if (!over)
      CHECK(hash_of(body_of(
          {"X: " + std::string(padding, 'x') + "\r\nContent-Disposition: form-data; name=user\r\n\r\ny", head + "x"})));
  }
  // A line without an end is not kept.
  UploadReader reader(k_type);
  reader.feed("--limit\r\n");
  for (int i = 0; i < 10'000; ++i) reader.feed(std::string(1024, 'x'));
  CHECK_FALSE(reader.finish());
}

TEST_CASE("any content in any pieces has the hash of the content alone") {
  const std::uint64_t seed = 20261126;
  INFO("seed " << seed);
  Rng rng(seed);
  for (int round = 0; round < 2000; ++round) {
    const std::string boundary =
        rng.chance(0.5) ? "-" + std::string(1 + rng.below(3), '-') + "ab" : std::string(1 + rng.below(70), 'a');
    std::string content;
    for (std::uint64_t left = rng.below(60); left > 0; --left) {
      // Of these a delimiter is made.
      static constexpr std::string_view k_pieces[] = {"\r", "\n", "\r\n",   "-",       "--",
                                                      "a",  "ab", "\r\n--", "\r\n--a", "\r\n---"};
      content += rng.chance(0.1) ? std::string(1, static_cast<char>(rng.below(256)))
                                 : std::string(k_pieces[rng.below(std::size(k_pieces))]);
      if (rng.chance(0.1)) content += "\r\n--" + boundary.substr(0, boundary.size() - 1);
    }
    const bool is_sound =
        ("\n" + content).find("\n--" + boundary) == content.npos && content.find("\r--" + boundary) == content.npos;
    std::string body = "--" + boundary + "\r\n" + file_of(content) + "\r\n--" + boundary + "--\r\n";
    UploadReader reader("multipart/form-data; boundary=" + boundary);
    for (std::string_view rest = body; !rest.empty();) {
      // A copy of its own, so that a sanitizer sees a step beyond the end.
      const auto size = std::min<std::size_t>(rest.size(), 1 + rng.below(rng.chance(0.5) ? 3 : 100));
      const std::vector<char> piece(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(size));
      reader.feed({piece.data(), piece.size()});
      rest.remove_prefix(size);
    }
    const auto file = reader.finish();
    if (file.has_value() != is_sound ||
        (file && (file->sha256 != chat::sha256_hex(content) || file->size != content.size()))) {
      FAIL("boundary " << boundary << " in round " << round);
    }
  }
}

std::string answer(std::string_view name, std::string_view type, std::uint64_t size = 4,
                   std::string_view id = "72fa9618-8f89") {
  return fmt::format(
      R"({{"id":"{}","name":"{}","size":{},"extension":"txt","mime_type":"{}","created_by":"u","created_at":1}})", id, name,
      size, type);
}

TEST_CASE("an upload is what Dify keeps of it") {
  const FileContent content{chat::sha256_hex("soup"), 4};
  const auto upload = read_upload(content, 201, answer("a.txt", "text/plain"));
  REQUIRE(upload);
  CHECK(upload->id == "72fa9618-8f89");
  CHECK(upload->hash.size() == 64);
  const auto again = read_upload(content, 201, answer("a.txt", "text/plain", 4, "another-id"));
  REQUIRE(again);
  CHECK(again->id == "another-id");
  CHECK(again->hash == upload->hash);
  for (const auto& other :
       {read_upload(content, 201, answer("b.txt", "text/plain")), read_upload(content, 201, answer("a.txt", "text/html")),
        read_upload(content, 201, answer("", "text/plaina.txt")), read_upload(content, 201, answer("text/plaina.txt", "")),
        read_upload({chat::sha256_hex("tart"), 4}, 201, answer("a.txt", "text/plain"))}) {
    REQUIRE(other);
    CHECK(other->hash != upload->hash);
  }
}

TEST_CASE("what Dify refuses, or keeps otherwise, is no upload") {
  const FileContent content{chat::sha256_hex("soup"), 4};
  const std::string good = answer("a.txt", "text/plain");
  for (const int status : {200, 202, 400, 413, 0}) CHECK_FALSE(read_upload(content, status, good));
  for (const std::string& body :
       {""s, "null"s, "[]"s, "{}"s, good.substr(0, good.size() - 1), good + "x", answer("a", "b", 5),
        answer("a", "b", 4, ""), answer("a", "b", 4, "a/b"), answer("a", "b", 4, std::string(65, 'a')),
        R"({"id":"a","name":"a","mime_type":"b"})"s, R"({"id":"a","name":"a","size":4})"s,
        R"({"id":"a","name":null,"size":4,"mime_type":"b"})"s, R"({"id":1,"name":"a","size":4,"mime_type":"b"})"s,
        R"({"id":"a","name":"a","size":"4","mime_type":"b"})"s}) {
    INFO(body);
    CHECK_FALSE(read_upload(content, 201, body));
  }
}

}  // namespace
}  // namespace outrigger::providers::dify
