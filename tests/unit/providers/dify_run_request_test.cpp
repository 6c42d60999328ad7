// Bodies of runs: what the door learns of them, and which two share an answer.
#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <string>

#include "chat/canonical.h"
#include "chat/key.h"
#include "providers/dify/run_request.h"
#include "providers/json_doc.h"

namespace outrigger::providers::dify {
namespace {

using chat::BypassReason;

std::optional<std::string> hash_of(std::string_view id) {
  if (id == "same-1" || id == "same-2") return "hash of the same";
  if (id == "other") return "hash of another";
  return std::nullopt;
}

RunRequest read(std::string_view body, RunKind kind = RunKind::chat, const RunOptions& options = {}) {
  return read_run(kind, body, options, [](std::string_view id) { return hash_of(id); });
}

std::string form(std::string_view body, RunKind kind = RunKind::chat, const RunOptions& options = {}) {
  const RunRequest request = read(body, kind, options);
  INFO(body);
  CHECK_FALSE(request.bypass);
  CHECK_FALSE(request.canonical.empty());
  return request.canonical;
}

std::string chat_body(std::string_view more) {
  return R"({"inputs":{},"query":"Hi?","user":"anna")" + std::string(more) + "}";
}

TEST_CASE("dify runs: the door learns what it needs") {
  const RunRequest request = read(
      R"({"inputs":{"a":"b"},"query":"What is this?","response_mode":"streaming","conversation_id":"","user":"abc-123"})");
  CHECK_FALSE(request.bypass);
  CHECK(request.kind == RunKind::chat);
  CHECK(request.streaming);
  CHECK(request.user == "abc-123");
  CHECK(request.query == "What is this?");
  CHECK(request.conversation_id.empty());
  CHECK_FALSE(request.has_files);
  CHECK(request.prompt_tokens == 5);
  CHECK(chat::print_canonical(request.canonical) == R"(other {
  "": "dify 1 chat",
  "inputs": {
    "a": "b"
  },
  "query": "What is this?",
  "user": "abc-123"
})");
}

TEST_CASE("dify runs: what only steers delivery makes no difference") {
  const std::string plain = form(chat_body(""));
  for (const std::string_view more :
       {R"(,"response_mode":"streaming")", R"(,"response_mode":"blocking")", R"(,"response_mode":null)",
        R"(,"conversation_id":"")", R"(,"conversation_id":null)", R"(,"auto_generate_name":false)",
        R"(,"retriever_from":"dev")", R"(,"trace_id":"t")", R"(,"files":[])", R"(,"files":null)", R"(,"workflow_id":null)",
        R"(,"parent_message_id":null)"}) {
    INFO(more);
    CHECK(form(chat_body(more)) == plain);
  }
  CHECK(form(R"({"user":"anna","query":"Hi?","inputs":{}})") == plain);
}

TEST_CASE("dify runs: everything else does") {
  const std::string plain = form(chat_body(""));
  CHECK(form(chat_body(R"(,"workflow_id":"w")")) != plain);
  CHECK(form(chat_body(R"(,"new_member":null)")) != plain);
  CHECK(form(R"({"inputs":{},"query":"Ho?","user":"anna"})") != plain);
  CHECK(form(R"({"inputs":{},"query":"Hi?","user":"Anna"})") != plain);
  CHECK(form(R"({"inputs":{"a":1},"query":"Hi?","user":"anna"})") != plain);
  const auto with = [](std::string_view value) {
    return form(R"({"inputs":{"a":)" + std::string(value) + R"(},"query":"Hi?","user":"u"})");
  };
  CHECK(with("1") != with("\"1\""));
  CHECK(with("9007199254740993") != with("9007199254740992"));
  CHECK(with("1") != with("1.0"));
  CHECK(with("null") != with("false"));
  CHECK(with("[]") != with("{}"));
  CHECK(with(R"({"x":1,"y":2})") == with(R"({"y":2,"x":1})"));
  CHECK(with(R"("\u0041")") == with(R"("A")"));
  CHECK(with(R"("a ")") != with(R"("a")"));
  // The kind of the app is in it, and no member can look like it.
  CHECK(form(R"({"inputs":{},"query":"Hi?","user":"u"})", RunKind::completion) !=
        form(R"({"inputs":{},"query":"Hi?","user":"u"})", RunKind::chat));
  CHECK(form(R"({"inputs":{},"user":"u"})", RunKind::completion) != form(R"({"inputs":{},"user":"u"})", RunKind::workflow));
  CHECK(form(chat_body(R"(,"":"dify 1 completion")")) != plain);
}

TEST_CASE("dify runs: who asks counts unless the operator says that it does not") {
  const std::string anna = R"({"inputs":{},"query":"Hi?","user":"anna"})";
  const std::string ben = R"({"inputs":{},"query":"Hi?","user":"ben"})";
  CHECK(form(anna) != form(ben));
  CHECK(form(anna, RunKind::chat, {.per_user = false}) == form(ben, RunKind::chat, {.per_user = false}));
  CHECK(form(anna, RunKind::chat, {.per_user = false}) != form(anna));
  CHECK(form(anna, RunKind::chat, {.per_user = false}).find("anna") == std::string::npos);
}

TEST_CASE("dify runs: the question is folded as far as the level says, and inputs are not") {
  const auto asks = [](std::string_view query, Level level) {
    return form(R"({"inputs":{},"user":"u","query":")" + std::string(query) + "\"}", RunKind::chat, {.level = level});
  };
  CHECK(asks("Hi  there ", Level::exact) != asks("Hi there", Level::exact));
  CHECK(asks("Hi  there ", Level::safe) == asks("Hi there", Level::safe));
  CHECK(asks("hi there?", Level::safe) != asks("Hi there", Level::safe));
  CHECK(asks("hi there?", Level::faq) == asks("Hi there", Level::faq));
  CHECK(asks("请问怎么退款呢？", Level::faq_plus) == asks("怎么退款", Level::faq_plus));
  const auto input = [](std::string_view name, std::string_view text, RunKind kind) {
    return form(R"({"inputs":{")" + std::string(name) + R"(":")" + std::string(text) + R"("},"query":"q","user":"u"})", kind,
                {.level = Level::faq});
  };
  CHECK(input("query", "Hi there!", RunKind::completion) == input("query", "hi there", RunKind::completion));
  CHECK(input("query", "Hi there!", RunKind::workflow) == input("query", "hi there", RunKind::workflow));
  CHECK(input("query", "Hi there!", RunKind::chat) != input("query", "hi there", RunKind::chat));
  CHECK(input("name", "Hi there!", RunKind::workflow) != input("name", "hi there", RunKind::workflow));
}

TEST_CASE("dify runs: what keeps a run out of the cache has a name") {
  struct Case {
    std::string body;
    RunKind kind;
    std::optional<BypassReason> bypass;
  };
  const std::string file = R"({"type":"image","transfer_method":"local_file","upload_file_id":"$"})";
  const auto upload = [&](std::string_view id) { return std::string(file).replace(file.find('$'), 1, id); };
  const std::string remote = R"({"type":"image","transfer_method":"remote_url","url":"https://example.com/a.png"})";
  const auto inputs = [](const std::string& value) { return R"({"user":"u","inputs":{"a":)" + value + "}}"; };
  constexpr auto k_chat = RunKind::chat;
  constexpr auto k_flow = RunKind::workflow;
  const Case cases[] = {
      {"", k_chat, BypassReason::not_json},
      {"[]", k_chat, BypassReason::not_json},
      {"{", k_chat, BypassReason::not_json},
      {"{} {}", k_chat, BypassReason::not_json},
      {R"({"user":"u","user":"v","inputs":{},"query":"q"})", k_chat, BypassReason::not_json},
      {R"({"user":"u","inputs":{"a":1,"a":2},"query":"q"})", k_chat, BypassReason::not_json},
      {R"({"user":"u","inputs":{},"query":"q","trace_id":{"a":1,"a":2}})", k_chat, BypassReason::not_json},
      {inputs(std::string(70, '[') + std::string(70, ']')), k_flow, BypassReason::not_json},
      {inputs(std::string(60, '[') + std::string(60, ']')), k_flow, std::nullopt},
      {"{}", k_chat, BypassReason::not_understood},
      {R"({"inputs":{},"query":"q"})", k_chat, BypassReason::not_understood},
      {R"({"inputs":{},"query":"q","user":""})", k_chat, BypassReason::not_understood},
      {R"({"inputs":{},"query":"q","user":7})", k_chat, BypassReason::not_understood},
      {R"({"query":"q","user":"u"})", k_chat, BypassReason::not_understood},
      {R"({"inputs":[],"query":"q","user":"u"})", k_chat, BypassReason::not_understood},
      {R"({"inputs":{},"user":"u"})", k_chat, BypassReason::not_understood},
      {R"({"inputs":{},"query":"","user":"u"})", k_chat, BypassReason::not_understood},
      {R"({"inputs":{},"query":["q"],"user":"u"})", k_chat, BypassReason::not_understood},
      {chat_body(R"(,"response_mode":"stream")"), k_chat, BypassReason::not_understood},
      {chat_body(R"(,"response_mode":true)"), k_chat, BypassReason::not_understood},
      {chat_body(R"(,"conversation_id":5)"), k_chat, BypassReason::not_understood},
      {chat_body(R"(,"files":{})"), k_chat, BypassReason::not_understood},
      {chat_body(R"(,"files":["a"])"), k_chat, BypassReason::not_understood},
      {R"({"inputs":{},"user":"u"})", RunKind::completion, std::nullopt},
      {R"({"inputs":{},"user":"u"})", k_flow, std::nullopt},
      {chat_body(R"(,"conversation_id":"c")"), k_chat, BypassReason::conversation},
      {chat_body(R"(,"conversation_id":" ")"), k_chat, BypassReason::conversation},
      {chat_body(R"(,"parent_message_id":"m")"), k_chat, BypassReason::conversation},
      {chat_body(",\"files\":[" + upload("unknown") + "]"), k_chat, BypassReason::files},
      {chat_body(",\"files\":[" + upload("same-1") + "]"), k_chat, std::nullopt},
      {chat_body(",\"files\":[" + upload("same-1") + "," + upload("unknown") + "]"), k_chat, BypassReason::files},
      {chat_body(",\"files\":[" + remote + "]"), k_chat, BypassReason::mutable_url},
      {chat_body(",\"files\":[{}]"), k_chat, BypassReason::files},
      {inputs(upload("unknown")), k_flow, BypassReason::files},
      {inputs("[" + upload("unknown") + "]"), k_flow, BypassReason::files},
      {inputs(R"({"deep":[{"deeper":)" + remote + "}]}"), k_flow, BypassReason::mutable_url},
      {inputs(upload("other")), k_flow, std::nullopt},
  };
  for (const Case& c : cases) {
    INFO(c.body);
    const RunRequest request = read(c.body, c.kind);
    CHECK(request.bypass == c.bypass);
    const bool nothing = c.bypass == BypassReason::not_json || c.bypass == BypassReason::not_understood;
    CHECK(request.canonical.empty() == nothing);
  }
}

TEST_CASE("dify runs: files count by what is in them") {
  const auto with = [](std::string_view id) {
    return chat_body(R"(,"files":[{"type":"image","transfer_method":"local_file","upload_file_id":")" + std::string(id) +
                     "\"}]");
  };
  CHECK(form(with("same-1")) == form(with("same-2")));
  CHECK(form(with("same-1")) != form(with("other")));
  CHECK(form(with("same-1")) != form(chat_body("")));
  const RunRequest request = read(with("same-1"));
  CHECK(request.has_files);
  CHECK(request.upload_ids == std::vector<std::string>{"same-1"});
  CHECK(read_run(RunKind::chat, with("same-1"), {}).bypass == BypassReason::files);
  // A file that is said to be elsewhere is so, whatever id stands beside it.
  const std::string both = chat_body(
      R"(,"files":[{"type":"image","transfer_method":"remote_url","url":"https://e.com","upload_file_id":"same-1"}])");
  CHECK(read(both).bypass == BypassReason::mutable_url);
}

TEST_CASE("dify runs: of what is not understood the line and the share are known") {
  const RunRequest request = read(R"({"query":5,"response_mode":"streaming","user":"anna","conversation_id":"c"})");
  CHECK(request.bypass == BypassReason::not_understood);
  CHECK(request.streaming);
  CHECK(request.user == "anna");
  CHECK(request.conversation_id == "c");
  CHECK(request.canonical.empty());
}

TEST_CASE("dify runs: a turn goes on with a conversation by another name") {
  const std::string body = R"({"inputs":{"a":[1.50,"\u4f60\n"]}, "query":"q","conversation_id":"old","user":"u"})";
  const std::string other = with_conversation(body, "new");
  CHECK(other == R"({"inputs":{"a":[1.50,"你\n"]},"query":"q","user":"u","conversation_id":"new"})");
  CHECK(with_conversation(R"({"user":"u"})", "") == R"({"user":"u","conversation_id":""})");
  CHECK(with_conversation("{}", "c") == R"({"conversation_id":"c"})");
  CHECK(with_conversation("[1]", "c") == "[1]");
  CHECK(with_conversation("", "c").empty());
}

// When a change is meant, the mark in the form goes up and the new keys, which a failure prints, replace the old ones.
TEST_CASE("dify runs: keys are what they were") {
  std::ifstream file(OUTRIGGER_SOURCE_DIR "/tests/golden/dify/keys.jsonl");
  REQUIRE(file);
  const chat::KeyMaker keys("a secret for golden keys");
  std::size_t rows = 0;
  for (std::string line; std::getline(file, line); ++rows) {
    const JsonDoc row = JsonDoc::read(line);
    const auto text = [&](std::string_view name) { return std::string(string_of(member(row.root(), name)).value_or("")); };
    INFO(text("name"));
    const auto level = level_named(text("level"));
    REQUIRE(level);
    const RunKind kind = text("kind") == "chat"         ? RunKind::chat
                         : text("kind") == "completion" ? RunKind::completion
                                                        : RunKind::workflow;
    const RunRequest request = read(text("body"), kind, {.level = *level, .per_user = text("user") == "in"});
    CHECK_FALSE(request.bypass);
    const std::string identity = keys.identity({.scope = Scope::app,
                                                .level = *level,
                                                .epoch = "1",
                                                .upstream = "dify",
                                                .query = "/v1/" + text("kind"),
                                                .credential = "Bearer app-golden",
                                                .app = "faq-bot",
                                                .user = "",
                                                .canonical = request.canonical});
    CHECK(chat::hex(keys.key(identity)) == text("key"));
  }
  CHECK(rows == 10);
}

}  // namespace
}  // namespace outrigger::providers::dify
