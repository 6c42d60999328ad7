// Who may come in at the admin door.
#include "admin/access.h"

#include <catch2/catch_test_macros.hpp>
#include <vector>

namespace outrigger::admin {
namespace {

using Fields = std::vector<std::pair<std::string_view, std::string_view>>;

http::RequestHead request(std::string_view method, const Fields& fields) {
  http::RequestHead head;
  head.method = method;
  head.target = "/api/status";
  for (const auto& [name, value] : fields) head.headers.add(name, value);
  return head;
}

}  // namespace

TEST_CASE("the token, by each way") {
  const Access access{.is_open = false, .token = "open-sesame"};
  struct Case {
    Fields fields;
    Entry entry;
  };
  const std::vector<Case> cases{
      {{}, Entry::unproven},
      {{{"authorization", "Bearer open-sesame"}}, Entry::granted},
      {{{"authorization", "bearer open-sesame"}}, Entry::granted},
      {{{"authorization", "Bearer open-sesam"}}, Entry::unproven},
      {{{"authorization", "Bearer open-sesamE"}}, Entry::unproven},
      {{{"authorization", "Bearer "}}, Entry::unproven},
      {{{"x-outrigger-admin-token", "open-sesame"}}, Entry::granted},
      {{{"x-outrigger-admin-token", ""}}, Entry::unproven},
      // The one of our own decides.
      {{{"x-outrigger-admin-token", "wrong"}, {"authorization", "Bearer open-sesame"}}, Entry::unproven},
      {{{"x-outrigger-admin-token", "open-sesame"}, {"authorization", "Bearer sk-of-a-client"}}, Entry::granted},
      {{{"authorization", "Basic YWRtaW46b3Blbi1zZXNhbWU="}}, Entry::granted},  // admin:open-sesame
      {{{"authorization", "basic OnBlbi1zZXNhbWU="}}, Entry::unproven},         // :pen-sesame
      {{{"authorization", "Basic Om9wZW4tc2VzYW1l"}}, Entry::granted},          // :open-sesame
      {{{"authorization", "Basic b3Blbi1zZXNhbWU6eA=="}}, Entry::unproven},     // open-sesame:x
      {{{"authorization", "Basic b3Blbi1zZXNhbWU="}}, Entry::unproven},         // open-sesame, no colon
      {{{"authorization", "Basic"}}, Entry::unproven},
      {{{"authorization", "Basic "}}, Entry::unproven},
      {{{"authorization", "Basic !!!!"}}, Entry::unproven},
      {{{"authorization", "Basic open-sesame"}}, Entry::unproven},
  };
  for (const Case& one : cases) {
    CAPTURE(one.fields.empty() ? "" : one.fields[0].second);
    CHECK(may_enter(access, request("GET", one.fields)) == one.entry);
  }
  // Without a token there is no way in, not even with an empty one.
  const Access shut{.is_open = false, .token = ""};
  CHECK(may_enter(shut, request("GET", {})) == Entry::unproven);
  CHECK(may_enter(shut, request("GET", {{"x-outrigger-admin-token", ""}})) == Entry::unproven);
  CHECK(may_enter(shut, request("GET", {{"authorization", "Basic Og=="}})) == Entry::unproven);  // ":"
}

TEST_CASE("pages of other origins stay outside, with and without a token") {
  struct Case {
    std::string_view method;
    Fields fields;
    Entry entry;
  };
  const std::vector<Case> cases{
      {"GET", {{"host", "127.0.0.1:9090"}}, Entry::granted},
      {"GET", {{"host", "localhost:9090"}}, Entry::granted},
      {"GET", {{"host", "[::1]:9090"}}, Entry::granted},
      {"GET", {}, Entry::granted},  // HTTP/1.0
      {"GET", {{"host", "evil.example"}}, Entry::foreign},
      {"POST", {{"host", "localhost:9090"}, {"origin", "http://localhost:9090"}}, Entry::granted},
      {"POST", {{"host", "localhost:9090"}, {"origin", "http://evil.example"}}, Entry::foreign},
      {"POST", {{"host", "localhost:9090"}, {"origin", "null"}}, Entry::foreign},
      {"GET", {{"host", "localhost:9090"}, {"origin", "http://evil.example"}}, Entry::foreign},
      {"POST", {{"host", "localhost:9090"}, {"sec-fetch-site", "same-origin"}}, Entry::granted},
      {"POST", {{"host", "localhost:9090"}, {"sec-fetch-site", "none"}}, Entry::granted},
      {"POST", {{"host", "localhost:9090"}, {"sec-fetch-site", "cross-site"}}, Entry::foreign},
      {"POST", {{"host", "localhost:9090"}, {"sec-fetch-site", "same-site"}}, Entry::foreign},
      // A link from elsewhere shows the page.
      {"GET", {{"host", "localhost:9090"}, {"sec-fetch-site", "cross-site"}}, Entry::granted},
  };
  for (const Case& one : cases) {
    CAPTURE(one.method);
    CAPTURE(one.fields.empty() ? "" : one.fields.back().second);
    CHECK(may_enter({}, request(one.method, one.fields)) == one.entry);
  }
  // The right token does not help a page that borrows it from the browser.
  const Access access{.is_open = false, .token = "t"};
  CHECK(may_enter(access, request("POST", {{"host", "a"}, {"origin", "http://b"}, {"authorization", "Bearer t"}})) ==
        Entry::foreign);
}

TEST_CASE("base64") {
  CHECK(base64_decoded("") == "");
  CHECK(base64_decoded("Zg==") == "f");
  CHECK(base64_decoded("Zm8=") == "fo");
  CHECK(base64_decoded("Zm8") == "fo");
  CHECK(base64_decoded("Zm9vYmFy") == "foobar");
  CHECK(base64_decoded("//79") == "\xff\xfe\xfd");
  CHECK(!base64_decoded("Z"));
  CHECK(!base64_decoded("Zm9v YmFy"));
  CHECK(!base64_decoded("Zg==Zg=="));
  CHECK(!base64_decoded("Zm\n8="));
}

}  // namespace outrigger::admin
