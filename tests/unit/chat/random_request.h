// Random requests, and random changes of two kinds: harmless (another spelling of the same request) and harmful (another
// request). Shared by the property tests and the fuzz driver. A request is a small tree of its own, so that what is written
// out does not depend on the code under test.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/rng.h"

namespace outrigger::chat::test {

struct Node {
  enum class Kind : unsigned char { null, boolean, number, text, array, object };
  Kind kind = Kind::null;
  bool truth = false;
  std::string text;                                   // of a text; the token of a number
  std::vector<Node> items;                            // of an array
  std::vector<std::pair<std::string, Node>> members;  // of an object

  static Node of_text(std::string value) { return make(Kind::text, std::move(value)); }
  static Node of_number(std::string token) { return make(Kind::number, std::move(token)); }
  static Node of_bool(bool value) {
    Node node = make(Kind::boolean, {});
    node.truth = value;
    return node;
  }
  static Node of_array(std::vector<Node> items) {
    Node node = make(Kind::array, {});
    node.items = std::move(items);
    return node;
  }
  static Node of_object(std::vector<std::pair<std::string, Node>> members) {
    Node node = make(Kind::object, {});
    node.members = std::move(members);
    return node;
  }
  Node* member(std::string_view name) {
    for (auto& [key, value] : members) {
      if (key == name) return &value;
    }
    return nullptr;
  }

 private:
  static Node make(Kind kind, std::string text) {
    Node node;
    node.kind = kind;
    node.text = std::move(text);
    return node;
  }
};

// How a tree is written out. `rng` null: plainly.
inline void write_text(std::string& out, std::string_view text, Rng* rng) {
  static constexpr std::string_view k_digits = "0123456789abcdef";
  const auto escape = [&](unsigned unit) {
    out += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out += k_digits[unit >> shift & 15U];
  };
  out += '"';
  for (std::size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const std::size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    unsigned c = size == 1 ? lead : lead & (0xffU >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) c = c << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3fU);
    const bool must = c < 0x20 || c == '"' || c == '\\';
    if (must || (rng != nullptr && rng->chance(0.2))) {
      if (c == '/' && rng != nullptr && rng->chance(0.5)) {
        out += "\\/";
      } else if (c >= 0x10000) {
        escape(0xd800 + ((c - 0x10000) >> 10));
        escape(0xdc00 + ((c - 0x10000) & 0x3ffU));
      } else {
        escape(c);
      }
    } else {
      out.append(text.substr(at, size));
    }
    at += size;
  }
  out += '"';
}

inline void write(std::string& out, const Node& node, Rng* rng) {
  const auto blank = [&] {
    if (rng == nullptr) return;
    for (std::uint64_t n = rng->below(3); n > 0; --n) out += " \n\t\r"[rng->below(4)];
  };
  blank();
  switch (node.kind) {
    case Node::Kind::null:
      out += "null";
      break;
    case Node::Kind::boolean:
      out += node.truth ? "true" : "false";
      break;
    case Node::Kind::number:
      out += node.text;
      break;
    case Node::Kind::text:
      write_text(out, node.text, rng);
      break;
    case Node::Kind::array:
      out += '[';
      for (std::size_t i = 0; i < node.items.size(); ++i) {
        if (i != 0) out += ',';
        write(out, node.items[i], rng);
      }
      blank();
      out += ']';
      break;
    case Node::Kind::object: {
      std::vector<const std::pair<std::string, Node>*> members;
      for (const auto& member : node.members) members.push_back(&member);
      for (std::size_t i = members.size(); rng != nullptr && i > 1; --i) std::swap(members[i - 1], members[rng->below(i)]);
      out += '{';
      for (std::size_t i = 0; i < members.size(); ++i) {
        if (i != 0) out += ',';
        blank();
        write_text(out, members[i]->first, rng);
        blank();
        out += ':';
        write(out, members[i]->second, rng);
      }
      blank();
      out += '}';
      break;
    }
  }
  blank();
}

inline std::string written(const Node& node, Rng* rng = nullptr) {
  std::string out;
  write(out, node, rng);
  return out;
}

// --- Requests ---

inline std::string random_words(Rng& rng) {
  static const std::vector<std::string> k_words{"how", "Return",     "退货", "3", "42",   "不", "吗",
                                                "/",   "\"quoted\"", "😀",    "é", "你好", "a_b"};
  std::string text = k_words[rng.below(k_words.size())];
  for (std::uint64_t n = rng.below(6); n > 0; --n) text += " " + k_words[rng.below(k_words.size())];
  return text;
}

inline Node random_value(Rng& rng, int depth) {
  switch (rng.below(depth > 3 ? 4 : 6)) {
    case 0:
      return {};
    case 1:
      return Node::of_bool(rng.chance(0.5));
    case 2:
      return Node::of_number(std::to_string(rng.below(1000)) + (rng.chance(0.3) ? ".5" : ""));
    case 3:
      return Node::of_text(random_words(rng));
    case 4: {
      std::vector<Node> items;
      for (std::uint64_t n = rng.below(4); n > 0; --n) items.push_back(random_value(rng, depth + 1));
      return Node::of_array(std::move(items));
    }
    default: {
      std::vector<std::pair<std::string, Node>> members;
      for (std::uint64_t n = rng.below(4); n > 0; --n)
        members.emplace_back("k" + std::to_string(n), random_value(rng, depth + 1));
      return Node::of_object(std::move(members));
    }
  }
}

inline Node random_message(Rng& rng, std::string role) {
  std::vector<std::pair<std::string, Node>> members;
  members.emplace_back("role", Node::of_text(std::move(role)));
  if (rng.chance(0.2)) {
    std::vector<Node> parts;
    for (std::uint64_t n = 2 + rng.below(2); n > 0; --n) {
      parts.push_back(Node::of_object({{"type", Node::of_text("text")}, {"text", Node::of_text(random_words(rng))}}));
    }
    members.emplace_back("content", Node::of_array(std::move(parts)));
  } else {
    members.emplace_back("content", Node::of_text(random_words(rng)));
  }
  if (rng.chance(0.1)) members.emplace_back("name", Node::of_text(random_words(rng)));
  return Node::of_object(std::move(members));
}

inline Node random_chat(Rng& rng) {
  std::vector<Node> messages;
  if (rng.chance(0.7)) messages.push_back(random_message(rng, "system"));
  for (std::uint64_t n = rng.below(3); n > 0; --n) {
    messages.push_back(random_message(rng, "user"));
    messages.push_back(random_message(rng, "assistant"));
  }
  messages.push_back(random_message(rng, "user"));
  std::vector<std::pair<std::string, Node>> members;
  members.emplace_back("model", Node::of_text(rng.chance(0.5) ? "gpt-4o" : "claude-sonnet"));
  members.emplace_back("messages", Node::of_array(std::move(messages)));
  if (rng.chance(0.7)) members.emplace_back("temperature", Node::of_number("0." + std::to_string(1 + rng.below(9))));
  if (rng.chance(0.3)) members.emplace_back("max_tokens", Node::of_number(std::to_string(30 + rng.below(1000))));
  if (rng.chance(0.3)) members.emplace_back("stop", Node::of_array({Node::of_text(random_words(rng)), Node::of_text("b")}));
  if (rng.chance(0.3)) members.emplace_back("x_unknown", random_value(rng, 1));
  if (rng.chance(0.3)) {
    Node function = Node::of_object({{"name", Node::of_text("f")}, {"parameters", random_value(rng, 1)}});
    members.emplace_back("tools",
                         Node::of_array({Node::of_object({{"type", Node::of_text("function")}, {"function", function}})}));
  }
  return Node::of_object(std::move(members));
}

// --- Changes ---

// Another way to make the same request.
inline void change_harmlessly(Node& request, Rng& rng) {
  const auto add = [&](std::string name, Node value) {
    if (request.member(name) == nullptr) request.members.emplace_back(std::move(name), std::move(value));
  };
  switch (rng.below(8)) {
    case 0:
      add("user", Node::of_text(random_words(rng)));
      break;
    case 1:
      add("stream", Node::of_bool(rng.chance(0.5)));
      break;
    case 2:
      add("metadata", random_value(rng, 1));
      break;
    case 3:
      add("seed", {});
      break;
    case 4:
      add("prompt_cache_key", Node::of_text(random_words(rng)));
      break;
    case 5:
      if (Node* temperature = request.member("temperature")) temperature->text += "0";
      break;
    case 6:
      for (Node& message : request.member("messages")->items) {
        Node* content = message.member("content");
        if (content->kind != Node::Kind::text) continue;
        *content = Node::of_array({Node::of_object({{"type", Node::of_text("text")}, {"text", *content}})});
      }
      break;
    default:
      break;  // only written otherwise
  }
}

inline void collect(Node& node, std::vector<Node*>& out) {
  out.push_back(&node);
  for (Node& item : node.items) collect(item, out);
  for (auto& member : node.members) collect(member.second, out);
}

// Another request of the same shape. False if this change cannot be made here.
inline bool change_harmfully(Node& request, Rng& rng) {
  std::vector<Node*> nodes;
  collect(request, nodes);
  Node& node = *nodes[rng.below(nodes.size())];
  switch (rng.below(7)) {
    case 0:  // another digit, another word
      if (node.kind == Node::Kind::number) {
        node.text.insert(0, "1");
        return true;
      }
      if (node.kind != Node::Kind::text) return false;
      // The role and the type of a part decide the shape; any other text may be anything.
      for (const char* fixed : {"system", "user", "assistant", "text", "function"}) {
        if (node.text == fixed) return false;
      }
      node.text += rng.chance(0.5) ? "7" : "否";
      return true;
    case 1:  // a digit in the middle
      if (node.kind != Node::Kind::text) return false;
      for (char& c : node.text) {
        if (c >= '0' && c <= '8') {
          ++c;
          return true;
        }
      }
      return false;
    case 2:  // the order of a list
      if (node.kind != Node::Kind::array || node.items.size() < 2) return false;
      if (written(node.items[0]) == written(node.items[1])) return false;
      std::swap(node.items[0], node.items[1]);
      return true;
    case 3:  // one more
      if (node.kind != Node::Kind::array || node.items.empty()) return false;
      node.items.push_back(node.items[0]);
      return true;
    case 4:  // an unknown member
      if (request.member("x_extra") != nullptr) return false;
      request.members.emplace_back("x_extra", random_value(rng, 1));
      return true;
    case 5:  // the type of a value, below what has a shape
      if (Node* value = request.member("x_unknown")) {
        const std::string before = written(*value);
        *value = value->kind == Node::Kind::text ? Node::of_array({*value}) : Node::of_text(before);
        return true;
      }
      return false;
    default:  // the boundary between two messages
      if (Node* messages = request.member("messages"); messages->items.size() >= 2) {
        Node* first = messages->items[0].member("content");
        Node* second = messages->items[1].member("content");
        if (first->kind != Node::Kind::text || second->kind != Node::Kind::text || second->text.size() < 2) return false;
        if (static_cast<unsigned char>(second->text[0]) >= 0x80 || second->text[1] == ' ') return false;
        first->text += second->text[0];
        second->text.erase(0, 1);
        return true;
      }
      return false;
  }
}

}  // namespace outrigger::chat::test
