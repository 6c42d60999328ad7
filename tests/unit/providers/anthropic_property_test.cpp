// Thousands of random bodies of Anthropic's messages: what is only written otherwise shares its form, what asks something else never
// does; and keys that must never change by accident, since replicas of two versions share one Redis.
#include <catch2/catch_test_macros.hpp>
#include <fstream>

#include "chat/key.h"
#include "providers/dialect.h"
#include "providers/json_doc.h"
#include "slow.h"
#include "unit/chat/random_request.h"

namespace outrigger::providers {
namespace {

using chat::test::Node;
using chat::test::written;

constexpr std::uint64_t k_seed = 20260906;
constexpr int k_bodies = k_is_slow ? 2'000 : 10'000;
constexpr Level k_levels[] = {Level::exact, Level::safe, Level::faq, Level::faq_plus, Level::synonyms};

std::string form(const std::string& body, Level level) {
  return providers::understand(chat::Endpoint::messages, body, level).canonical;
}

Node text_block(std::string text) {
  return Node::of_object({{"type", Node::of_text("text")}, {"text", Node::of_text(std::move(text))}});
}

Node random_block(Rng& rng, bool is_user) {
  const std::string id = "toolu_" + std::to_string(rng.below(4));
  switch (rng.below(4)) {
    case 0:
      if (!is_user) {
        return Node::of_object({{"type", Node::of_text("tool_use")},
                                {"id", Node::of_text(id)},
                                {"name", Node::of_text(chat::test::random_words(rng))},
                                {"input", Node::of_object({{"a", chat::test::random_value(rng, 2)}})}});
      }
      return Node::of_object({{"type", Node::of_text("tool_result")},
                              {"tool_use_id", Node::of_text(id)},
                              {"content", Node::of_array({text_block(chat::test::random_words(rng)), text_block("x")})}});
    case 1:
      if (!is_user) {
        return Node::of_object({{"type", Node::of_text("thinking")},
                                {"thinking", Node::of_text(chat::test::random_words(rng))},
                                {"signature", Node::of_text("c2ln" + id)}});
      }
      return Node::of_object({{"type", Node::of_text("image")},
                              {"source", Node::of_object({{"type", Node::of_text("base64")},
                                                          {"media_type", Node::of_text("image/png")},
                                                          {"data", Node::of_text(id)}})}});
    default:
      return text_block(chat::test::random_words(rng));
  }
}

Node random_request(Rng& rng) {
  std::vector<Node> messages;
  for (std::uint64_t left = 1 + rng.below(4), i = 0; left > 0; --left, ++i) {
    const bool is_user = i % 2 == 0;
    Node content = Node::of_text(chat::test::random_words(rng));
    if (rng.chance(0.6)) {
      std::vector<Node> blocks;
      for (std::uint64_t n = 1 + rng.below(3); n > 0; --n) blocks.push_back(random_block(rng, is_user));
      content = Node::of_array(std::move(blocks));
    }
    messages.push_back(
        Node::of_object({{"role", Node::of_text(is_user ? "user" : "assistant")}, {"content", std::move(content)}}));
  }
  std::vector<std::pair<std::string, Node>> members{{"model", Node::of_text("claude")},
                                                    {"max_tokens", Node::of_number("100")},
                                                    {"messages", Node::of_array(std::move(messages))}};
  if (rng.chance(0.5)) members.emplace_back("system", Node::of_text(chat::test::random_words(rng)));
  if (rng.chance(0.3)) members.emplace_back("temperature", Node::of_number("0.5"));
  if (rng.chance(0.3)) {
    members.emplace_back("tools", Node::of_array({Node::of_object({{"name", Node::of_text("f")},
                                                                   {"description", Node::of_text("d")},
                                                                   {"input_schema", chat::test::random_value(rng, 2)}})}));
  }
  return Node::of_object(std::move(members));
}

const Node k_marker = Node::of_object({{"type", Node::of_text("ephemeral")}});

// A text becomes a block with the same words, blocks and tools get a marker.
void spell_otherwise(Node& request, Rng& rng) {
  const auto mark = [&](Node& object) {
    if (object.member("cache_control") == nullptr && rng.chance(0.5)) object.members.emplace_back("cache_control", k_marker);
  };
  const auto change = [&](Node& content) {
    if (content.kind == Node::Kind::text && rng.chance(0.5)) content = Node::of_array({text_block(content.text)});
    if (content.kind != Node::Kind::array) return;
    for (Node& block : content.items) mark(block);
  };
  for (Node& message : request.member("messages")->items) {
    mark(message);
    change(*message.member("content"));
  }
  if (Node* system = request.member("system")) change(*system);
  if (Node* tools = request.member("tools")) {
    mark(tools->items[0]);
    if (tools->items[0].member("type") == nullptr && rng.chance(0.5))
      tools->items[0].members.emplace_back("type", Node::of_text("custom"));
  }
  for (const std::string name : {"service_tier", "metadata", "cache_control"}) {
    if (request.member(name) == nullptr && rng.chance(0.3)) request.members.emplace_back(name, k_marker);
  }
  if (request.member("stream") == nullptr && rng.chance(0.3))
    request.members.emplace_back("stream", Node::of_bool(rng.chance(0.5)));
}

// Every text and number that may matter. Ids of calls may change as long as they agree.
void collect_matter(Node& node, std::string_view name, std::vector<Node*>& out) {
  if (name == "id" || name == "tool_use_id") return;
  if (node.kind == Node::Kind::text || node.kind == Node::Kind::number) out.push_back(&node);
  for (Node& item : node.items) collect_matter(item, {}, out);
  for (auto& [member_name, value] : node.members) {
    if (member_name != "type" && member_name != "role") collect_matter(value, member_name, out);
  }
}

void ask_otherwise(Node& request, Rng& rng) {
  std::vector<Node*> found;
  collect_matter(request, {}, found);
  Node& node = *found[rng.below(found.size())];
  node.text = node.kind == Node::Kind::number ? "12345" : node.text + "Z";
}

TEST_CASE("messages bodies keep their form when they are only written otherwise") {
  Rng rng(k_seed);
  for (int i = 0; i < k_bodies; ++i) {
    Node request = random_request(rng);
    const std::string plain = written(request);
    spell_otherwise(request, rng);
    const std::string other = written(request, &rng);
    const Level level = k_levels[rng.below(5)];
    const std::string one = form(plain, level);
    if (one.empty() || one != form(other, level)) FAIL("pair " << i << "\n" << plain << "\n" << other);
  }
}

TEST_CASE("messages bodies part ways when something in them changes") {
  Rng rng(k_seed + 1);
  for (int i = 0; i < k_bodies; ++i) {
    Node request = random_request(rng);
    const std::string before = written(request, &rng);
    ask_otherwise(request, rng);
    const std::string after = written(request, &rng);
    const Level level = k_levels[rng.below(5)];
    const std::string one = form(before, level);
    const std::string other = form(after, level);
    if (one.empty() || other.empty() || one == other) FAIL("pair " << i << "\n" << before << "\n" << after);
  }
}

TEST_CASE("keys of messages bodies are what they were") {
  std::ifstream file(OUTRIGGER_SOURCE_DIR "/tests/golden/messages_keys.jsonl");
  REQUIRE(file);
  const chat::KeyMaker keys("a secret for golden keys");
  std::size_t rows = 0;
  for (std::string line; std::getline(file, line); ++rows) {
    const JsonDoc row = JsonDoc::read(line);
    const auto text = [&](std::string_view name) { return std::string(string_of(member(row.root(), name)).value_or("")); };
    INFO(text("name"));
    const auto level = level_named(text("level"));
    REQUIRE(level);
    const std::string canonical = form(text("body"), *level);
    CHECK_FALSE(canonical.empty());
    const std::string identity = keys.identity({.scope = Scope::global,
                                                .level = *level,
                                                .epoch = "1",
                                                .upstream = "claude https://api.example.com",
                                                .query = {},
                                                .credential = {},
                                                .app = {},
                                                .user = {},
                                                .canonical = canonical});
    CHECK(chat::hex(keys.key(identity)) == text("key"));
  }
  CHECK(rows == 6);
}

}  // namespace
}  // namespace outrigger::providers
