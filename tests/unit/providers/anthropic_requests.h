// What the tests of translated requests share: short ways to make a Conversation, and to hear and say one.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "anthropic_support.h"
#include "providers/json_doc.h"

namespace outrigger::providers::anthropic_test {

using chat::Conversation;
using chat::NotCarried;
using chat::Part;
using chat::Role;
using Names = std::vector<std::string_view>;

struct Heard {
  std::expected<Conversation, NotCarried> conversation;
  Names losses;
};
inline Heard hear(std::string_view body) {
  chat::Losses losses;
  auto heard = dialect().hear_request(body, losses);
  return {std::move(heard), losses.names()};
}
inline std::string refusal(std::string_view body) {
  const Heard heard = hear(body);
  return heard.conversation ? "" : std::string(chat::name(heard.conversation.error()));
}

struct Said {
  std::string body;  // or the reason why there is none
  Names losses;
};
inline Said say(const Conversation& conversation) {
  chat::Losses losses;
  const auto said = dialect().say_request(conversation, losses);
  if (said) CHECK(JsonDoc::read(*said).root() != nullptr);
  return {said ? *said : std::string(chat::name(said.error())), losses.names()};
}
// The JSON text of one member of what is said; empty when there is none.
inline std::string member_said(const Conversation& conversation, std::string_view name) {
  const JsonDoc doc = JsonDoc::read(say(conversation).body);
  yyjson_val* value = member(doc.root(), name);
  return value != nullptr ? text_of(value) : "";
}
inline Names losses_of(const Conversation& conversation) { return say(conversation).losses; }

inline Part text(std::string said) { return {.text = std::move(said)}; }
inline Part call(std::string id, std::string arguments = "{}", std::string tool = "f") {
  return {.kind = Part::Kind::call, .id = std::move(id), .tool = std::move(tool), .arguments = std::move(arguments)};
}
inline Part result(std::string id, std::vector<Part> content) {
  return {.kind = Part::Kind::result, .id = std::move(id), .content = std::move(content)};
}
inline Part image(chat::Media media) { return {.kind = Part::Kind::image, .media = std::move(media)}; }
inline Conversation with(std::vector<chat::Turn> turns) {
  Conversation conversation;
  conversation.model = "m";
  conversation.turns = std::move(turns);
  return conversation;
}
inline Conversation question() { return with({{Role::user, {text("q")}}}); }
inline std::string messages_said(std::vector<chat::Turn> turns) { return member_said(with(std::move(turns)), "messages"); }

}  // namespace outrigger::providers::anthropic_test
