#include "proxy/judge.h"

#include <catch2/catch_test_macros.hpp>

#include "unit/proxy/door_bench.h"

namespace outrigger::proxy {
namespace {

using test::snapshot_of;

http::Headers headers_of(std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
  http::Headers headers;
  for (const auto& [name, value] : fields) headers.add(name, value);
  return headers;
}

Judgement judged(const Snapshot& snapshot, std::string_view body, const http::Headers& headers = {},
                 std::string_view target = "/v1/chat/completions") {
  static const chat::KeyMaker keys("a secret for tests that is long");
  const Destination destination = snapshot.destination(target);
  const config::Client* client = snapshot.client_with(presented_key(headers));
  return judge(snapshot, destination, headers, client, understand(snapshot, destination, body), keys);
}

constexpr std::string_view k_hello = R"({"model":"m","messages":[{"role":"user","content":"hello"}],"user":"u"})";

TEST_CASE("cache-control says what the client wants of the cache") {
  struct Case {
    std::string_view value;
    bool no_store, no_cache;
    std::optional<Duration> max_age;
  };
  for (const Case& c :
       {Case{"", false, false, {}}, Case{"no-store", true, false, {}}, Case{"No-Cache", false, true, {}},
        Case{"max-age=60", false, false, 60s}, Case{"no-cache, max-age=5", false, true, 5s},
        Case{"max-age=0", false, true, 0s}, Case{"max-age=", false, false, {}}, Case{"max-age=abc", false, false, {}},
        Case{"private, no-store", true, false, {}}, Case{"max-age=4294967295", false, false, 4294967295s},
        Case{"max-age=99999999999999999999", false, false, {}}}) {
    CAPTURE(c.value);
    const Steering result = steering(headers_of({{"Cache-Control", c.value}}));
    CHECK(result.no_store == c.no_store);
    CHECK(result.no_cache == c.no_cache);
    CHECK(result.max_age == c.max_age);
  }
  CHECK_FALSE(steering({}).no_store);
}

TEST_CASE("clients are told apart by their names where the upstream has keys, and by their keys where it has none") {
  const auto config = [](std::string_view keys, std::string_view scope, std::string_view first, std::string_view second) {
    return snapshot_of(
        fmt::format("[cache]\nscope = \"{}\"\n[[upstream]]\nname = \"main\"\nurl = \"http://provider:9000/v1\"\n{}\n"
                    "[[client]]\nname = \"one\"\nkey = \"{}\"\n[[client]]\nname = \"two\"\nkey = \"{}\"\n",
                    scope, keys, first, second));
  };
  constexpr std::string_view k_asked =
      R"({"model":"m","messages":[{"role":"user","content":"hello"}],"user":"u","metadata":{"dify_app_id":"a"}})";
  const auto identity = [&](const std::shared_ptr<const Snapshot>& snapshot, std::string_view key,
                            std::string_view project = {}) {
    http::Headers headers = headers_of({{"Authorization", "Bearer " + std::string(key)}});
    if (!project.empty()) headers.add("OpenAI-Project", project);
    const Judgement judgement = judged(*snapshot, k_asked, headers);
    REQUIRE_FALSE(judgement.bypass);
    return judgement.identity;
  };
  for (const std::string_view scope : {"credential", "app", "user", "global"}) {
    CAPTURE(scope);
    const bool shares = scope == "global";
    const auto with_keys = config("keys = [\"k\"]", scope, "a", "b");
    CHECK((identity(with_keys, "a") == identity(with_keys, "b")) == shares);
    // The first one's key is another one now: its answers are still its own.
    const auto rotated = config("keys = [\"k\"]", scope, "c", "b");
    CHECK(identity(rotated, "c") == identity(with_keys, "a"));
    // Whoever comes into an old key does not come into the answers.
    const auto swapped = config("keys = [\"k\"]", scope, "b", "a");
    CHECK((identity(swapped, "a") == identity(with_keys, "a")) == shares);
    // For whom it is asked is still told upstream.
    CHECK((identity(with_keys, "a", "p") == identity(with_keys, "a")) == shares);
    // The upstream sees the client's key: another key is another account there.
    const auto without = config("", scope, "a", "b");
    CHECK((identity(config("", scope, "c", "b"), "c") == identity(without, "a")) == shares);
    CHECK((identity(without, "a") == identity(without, "b")) == shares);
  }
}

TEST_CASE("what keeps a request from the cache has a name") {
  using enum chat::BypassReason;
  struct Case {
    std::string_view cache, body, cache_control;
    std::optional<chat::BypassReason> reason;
  };
  constexpr std::string_view k_hot = R"({"model":"m","temperature":1.5,"messages":[{"role":"user","content":"hello"}]})";
  constexpr std::string_view k_nobody = R"({"model":"m","messages":[{"role":"user","content":"hello"}]})";
  constexpr std::string_view k_two = R"({"model":"m","n":2,"messages":[{"role":"user","content":"hello"}]})";
  for (const Case& c : {
           Case{"", k_hello, "", std::nullopt},
           Case{"mode = \"off\"", k_hello, "", cache_off},
           Case{"mode = \"observe\"", k_hello, "", std::nullopt},
           Case{"", "{\"model\":", "", not_json},
           Case{"", R"({"model":"m"})", "", not_understood},
           Case{"", k_hello, "no-store", no_store},
           Case{"", k_hello, "no-cache", std::nullopt},
           Case{"max_temperature = 1.5", k_hot, "", std::nullopt},
           Case{"max_temperature = 1.4999", k_hot, "", temperature},
           Case{"scope = \"user\"", k_hello, "", std::nullopt},
           Case{"scope = \"user\"", k_nobody, "", no_scope_value},
           Case{"scope = \"app\"", k_hello, "", no_scope_value},
           Case{"", k_two, "", several_answers},
       }) {
    CAPTURE(c.cache, c.body, c.cache_control);
    const auto snapshot = snapshot_of("[cache]\n" + std::string(c.cache) + "\n" + test::k_basic_config);
    http::Headers headers;
    if (!c.cache_control.empty()) headers.add("Cache-Control", c.cache_control);
    const Judgement judgement = judged(*snapshot, c.body, headers);
    CHECK(judgement.bypass == c.reason);
    CHECK(judgement.identity.empty() == c.reason.has_value());
  }
}

TEST_CASE("who may share an answer is in the key, and nothing else about the client") {
  const std::string other_user = R"({"model":"m","messages":[{"role":"user","content":"hello"}],"user":"v"})";
  struct Case {
    std::string_view scope;
    bool across_keys, across_users;
  };
  for (const Case& c : {Case{"credential", false, true}, Case{"user", false, false}, Case{"global", true, true}}) {
    CAPTURE(c.scope);
    const auto snapshot = snapshot_of("[cache]\nscope = \"" + std::string(c.scope) + "\"\n" + test::k_basic_config);
    const auto a = judged(*snapshot, k_hello, headers_of({{"Authorization", "Bearer a"}}));
    const auto b = judged(*snapshot, k_hello, headers_of({{"Authorization", "Bearer b"}}));
    const auto v = judged(*snapshot, other_user, headers_of({{"Authorization", "Bearer a"}}));
    const auto agent = judged(*snapshot, k_hello, headers_of({{"Authorization", "Bearer a"}, {"User-Agent", "x"}}));
    CHECK((a.identity == b.identity) == c.across_keys);
    CHECK((a.identity == v.identity) == c.across_users);
    CHECK(a.identity == agent.identity);
    CHECK(a.identity.find("Bearer") == std::string::npos);
  }
}

TEST_CASE("everything that identifies the caller at the upstream separates") {
  const auto snapshot = snapshot_of(test::k_basic_config);
  std::vector<std::string> keys;
  for (const auto& fields :
       {headers_of({{"Authorization", "Bearer a"}}), headers_of({{"Authorization", "Bearer b"}}),
        headers_of({{"X-Api-Key", "a"}}), headers_of({{"Authorization", "Bearer a"}, {"OpenAI-Organization", "o"}}),
        headers_of({{"Authorization", "Bearer a"}, {"OpenAI-Project", "o"}}), headers_of({})}) {
    keys.push_back(judged(*snapshot, k_hello, fields).identity);
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    for (std::size_t j = i + 1; j < keys.size(); ++j) {
      CAPTURE(i, j);
      CHECK(keys[i] != keys[j]);
    }
  }
}

TEST_CASE("upstream, query, epoch and level are in the key") {
  const std::string second = "[[upstream]]\nname = \"b\"\nurl = \"http://provider:9000/v1\"\n";
  const auto snapshot = snapshot_of(test::k_basic_config + second);
  const auto epoch = snapshot_of("[cache]\nepoch = \"2\"\n" + test::k_basic_config);
  const auto level = snapshot_of("[cache]\nnormalise = \"faq\"\n" + test::k_basic_config);
  const std::string plain = judged(*snapshot, k_hello).identity;
  CHECK(plain == judged(*snapshot, k_hello, {}, "/main/v1/chat/completions").identity);
  CHECK(plain != judged(*snapshot, k_hello, {}, "/b/v1/chat/completions").identity);
  CHECK(plain != judged(*snapshot, k_hello, {}, "/v1/chat/completions?api-version=2").identity);
  CHECK(plain != judged(*epoch, k_hello).identity);
  CHECK(plain != judged(*level, k_hello).identity);
}

TEST_CASE("a model may ask for another level than the rest") {
  const auto snapshot = snapshot_of("[[model]]\nname = \"m\"\ncache = { normalise = \"faq\" }\n" + test::k_basic_config);
  const std::string loud = R"({"model":"m","messages":[{"role":"user","content":"HELLO"}],"user":"u"})";
  const std::string other = R"({"model":"n","messages":[{"role":"user","content":"HELLO"}],"user":"u"})";
  const std::string other_hello = R"({"model":"n","messages":[{"role":"user","content":"hello"}],"user":"u"})";
  CHECK(judged(*snapshot, k_hello).identity == judged(*snapshot, loud).identity);
  CHECK(judged(*snapshot, other).identity != judged(*snapshot, other_hello).identity);
  CHECK(judged(*snapshot, loud).policy->normalise == Level::faq);
}

TEST_CASE("only what can be read as a whole is understood") {
  const auto snapshot = snapshot_of(test::k_basic_config);
  const Destination chat = snapshot->destination("/v1/chat/completions");
  CHECK(is_understood(chat, "POST", {}));
  CHECK_FALSE(is_understood(chat, "GET", {}));
  CHECK_FALSE(is_understood(chat, "POST", headers_of({{"Content-Encoding", "gzip"}})));
  CHECK_FALSE(is_understood(snapshot->destination("/v1/files"), "POST", {}));
}

TEST_CASE("each text of an embeddings request has a key that does not depend on its neighbours") {
  const auto snapshot = snapshot_of(test::k_basic_config);
  static const chat::KeyMaker keys("a secret for tests that is long");
  const auto keys_of = [&](std::string_view body) {
    const Destination destination = snapshot->destination("/v1/embeddings");
    const Judgement judgement = judge(*snapshot, destination, {}, nullptr, understand(*snapshot, destination, body), keys);
    std::vector<chat::Key> result;
    for (const auto& input : judgement.request.inputs) {
      result.push_back(keys.key(input_identity(judgement, destination, {}, input, keys)));
    }
    return result;
  };
  const auto pair = keys_of(R"({"model":"e","input":["a","b"]})");
  REQUIRE(pair.size() == 2);
  CHECK(pair[0] != pair[1]);
  CHECK(keys_of(R"({"model":"e","input":["b"]})").front() == pair[1]);
  CHECK(keys_of(R"({"model":"e","input":"b"})").front() == pair[1]);
  CHECK(keys_of(R"({"model":"f","input":["b"]})").front() != pair[1]);
}

}  // namespace
}  // namespace outrigger::proxy
