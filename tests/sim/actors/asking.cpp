#include "sim/actors/asking.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "sim/hash.h"

namespace outrigger::sim {
namespace {

constexpr std::array<std::string_view, 12> k_words{"How",     "can",     "I",    "return", "a",    "parcel",
                                                   "without", "invoice", "退货", "怎么办", "from", "Zürich?"};

// Zipf with exponent 1, near enough: small numbers are popular.
std::size_t popular(Rng& rng, std::size_t count) {
  const double x = std::exp(rng.unit() * std::log(static_cast<double>(count) + 1)) - 1;
  return std::min(static_cast<std::size_t>(x), count - 1);
}

// The text of a question: its name, the mark, then words. `loose`: blanks that do not matter.
std::string text_of(std::string_view question, std::size_t size, bool loose) {
  std::string text(question);
  text.append(" ").append(k_blank_mark);
  Rng words(hash_of(question));
  while (text.size() < size) {
    text += loose && words.chance(0.1) ? "  " : " ";
    text += k_words.at(words.below(k_words.size()));
  }
  if (loose) text += " ";
  return text;
}

struct Shape {
  Kind kind;
  std::size_t size;
  bool tools;
  bool short_answer;  // max_tokens cuts it
};

Shape shape_of(std::size_t question) {
  Rng rng(question * 7919 + 13);
  Shape shape{Kind::chat, 40 + rng.below(200), false, false};
  const std::uint64_t dice = rng.below(40);
  if (dice < 5) shape.kind = Kind::completion;
  if (dice == 5 || dice == 6) shape.tools = true;
  if (dice == 7) shape.short_answer = true;
  if (dice == 8 || dice == 9) shape.size = 2000 + rng.below(6000);
  // Beyond max_entry; as JSON beyond what is parsed on the loop.
  if (dice == 10) shape.size = 70'000 + rng.below(30'000);
  return shape;
}

std::string json_text(std::string_view text) { return "\"" + std::string(text) + "\""; }

std::string steering(const Request& request) {
  std::string value;
  const auto add = [&value](const std::string& word) { value += (value.empty() ? "" : ", ") + word; };
  if (request.no_store) add("no-store");
  if (request.no_cache) add("no-cache");
  if (request.max_age)
    add("max-age=" + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(*request.max_age).count()));
  return value.empty() ? value : "Cache-Control: " + value + "\r\n";
}

std::string post(const Request& request, std::string_view body, std::string_view more = {}) {
  return fmt::format(
      "POST {} HTTP/1.1\r\nHost: outrigger\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n{}{}"
      "Content-Length: {}\r\n\r\n{}",
      request.path, request.credential, steering(request), more, body.size(), body);
}

// Members in one of several orders, which must not matter.
std::string joined(Rng& rng, std::vector<std::string> members) {
  for (std::size_t i = members.size(); i > 1; --i) std::swap(members[i - 1], members[rng.below(i)]);
  return fmt::format("{{{}}}", fmt::join(members, rng.chance(0.5) ? "," : ", "));
}

void write_question(Rng& rng, Request& request) {
  const std::size_t number = std::stoul(request.questions.front().substr(1));
  const Shape shape = shape_of(number);
  const std::string text = text_of(request.questions.front(), shape.size, rng.chance(0.3));
  std::vector<std::string> members{"\"model\":" + json_text(request.model), "\"temperature\":0.7"};
  if (shape.kind == Kind::chat) {
    members.push_back(fmt::format(R"("messages":[{{"role":"system","content":"Be brief."}},{{"role":"user","content":{}}}])",
                                  json_text(text)));
  } else {
    members.push_back("\"prompt\":" + json_text(text));
  }
  if (shape.tools) {
    members.push_back(
        R"("tools":[{"type":"function","function":{"name":"parcel","parameters":{"type":"object","properties":{"q":{"type":"string"}}}}}])");
  }
  if (shape.short_answer) members.emplace_back("\"max_tokens\":6");
  if (!request.user.empty()) members.push_back("\"user\":" + json_text(request.user));
  if (request.stream || rng.chance(0.5)) members.emplace_back(request.stream ? "\"stream\":true" : "\"stream\":false");
  if (request.include_usage) members.emplace_back(R"("stream_options":{"include_usage":true})");
  request.wire = post(request, joined(rng, std::move(members)));
}

void write_embeddings(Rng& rng, Request& request) {
  std::vector<std::string> texts;
  for (const std::string& name : request.questions) texts.push_back(json_text(text_of(name, 60, false)));
  std::vector<std::string> members{"\"model\":" + json_text(request.model)};
  if (texts.size() == 1 && rng.chance(0.5)) {
    members.push_back("\"input\":" + texts.front());
  } else {
    members.push_back(fmt::format("\"input\":[{}]", fmt::join(texts, ",")));
  }
  if (!request.user.empty()) members.push_back("\"user\":" + json_text(request.user));
  request.wire = post(request, joined(rng, std::move(members)));
}

void write_upload(Rng& rng, Request& request) {
  request.path = "/v1/files";
  request.sharing = Sharing::credential;
  std::string file;
  const std::size_t size = rng.chance(0.2) ? 80'000 + rng.below(400'000) : rng.below(5000);
  while (file.size() < size) file += "line " + std::to_string(rng.below(1'000'000)) + " of a file; ";
  request.upload_size = file.size();
  sim_provider::Sha256 hash;
  hash.add(file);
  request.upload_sha256 = hash.hex();
  const std::string head = fmt::format(
      "POST {} HTTP/1.1\r\nHost: outrigger\r\nAuthorization: Bearer {}\r\nContent-Type: application/octet-stream\r\n",
      request.path, request.credential);
  if (rng.chance(0.5)) {
    request.wire = fmt::format("{}Content-Length: {}\r\n\r\n{}", head, file.size(), file);
    return;
  }
  request.wire = head + "Transfer-Encoding: chunked\r\n\r\n";
  for (std::size_t at = 0; at < file.size();) {
    const std::size_t piece = std::min<std::size_t>(file.size() - at, 1 + rng.below(30'000));
    request.wire += fmt::format("{:x}\r\n{}\r\n", piece, std::string_view(file).substr(at, piece));
    at += piece;
  }
  request.wire += "0\r\n\r\n";
}

void write_odd(Rng& rng, Request& request) {
  request.kind = Kind::odd_http;
  switch (rng.below(6)) {
    case 0:
      request.wire = "NONSENSE\r\n\r\n";
      break;
    case 1:
      request.wire = "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd";
      break;
    case 2:
      request.wire = "GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + std::string(40'000, 'x') + "\r\n\r\n";
      break;
    case 3:
      request.wire = "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n{";
      break;
    case 4:
      request.wire = "POST /v1/files HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nbad\r\n0\r\n\r\n";
      break;
    default:
      request.wire =
          "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: "
          "chunked\r\n\r\n0\r\n\r\n";
  }
}

// Where to, and so who shares.
void draw_way(Rng& rng, Request& request) {
  const std::uint64_t dice = rng.below(10);
  std::string prefix;
  request.upstream = "main";
  if (dice < 2) {
    prefix = "/shared";
    request.sharing = Sharing::everybody;
  } else if (dice == 2) {
    prefix = "/mine";
    request.sharing = Sharing::user;
  } else if (dice < 5) {
    prefix = "/other";
    request.upstream = "other";
  } else if (dice == 5) {
    prefix = "/main";
  }
  static constexpr std::array<std::string_view, 3> k_paths{"/v1/chat/completions", "/v1/completions", "/v1/embeddings"};
  request.path = prefix + std::string(k_paths.at(static_cast<std::size_t>(request.kind)));
}

void draw_asker(Rng& rng, Request& request) {
  request.credential = "key-" + std::to_string(popular(rng, 4));
  request.user = rng.chance(0.6) ? "user-" + std::to_string(rng.below(4)) : std::string();
  if (request.sharing == Sharing::user && request.user.empty()) request.user = "user-0";
}

void draw_form(Rng& rng, Request& request) {
  if (request.kind == Kind::embeddings) return;
  request.stream = rng.chance(0.6);
  request.include_usage = request.stream && rng.chance(0.5);
}

void draw_steering(Rng& rng, Request& request) {
  request.no_store = rng.chance(0.04);
  request.no_cache = rng.chance(0.04);
  if (rng.chance(0.05)) request.max_age = std::chrono::seconds(rng.below(12));
}

void write(Rng& rng, Request& request) {
  if (request.kind == Kind::embeddings) return write_embeddings(rng, request);
  write_question(rng, request);
}

}  // namespace

Request draw_request(Rng& rng, const AskingPlan& plan) {
  Request request;
  request.model = rng.chance(0.8) ? "gpt-4o-mini" : "sim-reasoner";
  request.upstream = "main";
  draw_asker(rng, request);
  if (rng.chance(plan.odd)) {
    const std::uint64_t dice = rng.below(4);
    if (dice == 0) {
      write_odd(rng, request);
    } else if (dice == 1) {
      request.kind = Kind::not_json;
      request.path = "/v1/chat/completions";
      request.wire = post(request, rng.chance(0.5) ? R"({"model":"gpt-4o-mini","messages":[)" : "not JSON at all");
    } else if (dice == 2) {
      request.kind = Kind::models;
      request.path = "/v1/models";
      request.wire =
          fmt::format("GET /v1/models HTTP/1.1\r\nHost: outrigger\r\nAuthorization: Bearer {}\r\n\r\n", request.credential);
    } else {
      request.kind = Kind::upload;
      write_upload(rng, request);
    }
    return request;
  }
  if (rng.chance(0.15)) {
    request.kind = Kind::embeddings;
    for (std::size_t n = 1 + rng.below(8); n > 0; --n)
      request.questions.push_back("T" + std::to_string(popular(rng, plan.texts)));
  } else {
    const std::size_t number = popular(rng, plan.questions);
    request.kind = shape_of(number).kind;
    request.questions.push_back("Q" + std::to_string(number));
  }
  draw_way(rng, request);
  draw_asker(rng, request);
  draw_form(rng, request);
  draw_steering(rng, request);
  write(rng, request);
  return request;
}

Request draw_duplicate(Rng& rng, const Request& like) {
  Request request;
  request.kind = like.kind;
  request.model = like.model;
  request.path = like.path;
  request.upstream = like.upstream;
  request.sharing = like.sharing;
  request.questions = like.questions;
  request.credential = like.credential;
  request.user = like.user;
  if (rng.chance(0.2)) draw_asker(rng, request);
  draw_form(rng, request);
  if (rng.chance(0.1)) draw_steering(rng, request);
  if (request.kind <= Kind::embeddings) {
    write(rng, request);
  } else {
    request.wire = like.wire;
    request.upload_sha256 = like.upload_sha256;
    request.upload_size = like.upload_size;
  }
  return request;
}

void draw_behaviour(Rng& rng, Request& request, bool steady) {
  if (rng.chance(0.1)) {
    for (std::size_t n = 1 + rng.below(4); n > 0; --n) request.cuts.push_back(rng.below(request.wire.size()));
    std::ranges::sort(request.cuts);
  }
  if (steady) return;
  if (rng.chance(0.05)) request.leaves_after = rng.below(4000);
  if (rng.chance(0.05)) request.leaves_in = 1us * static_cast<std::int64_t>(rng.below(rng.chance(0.5) ? 60'000 : 3'000'000));
  if (rng.chance(0.04)) request.read_pause = 1ms * static_cast<std::int64_t>(1 + rng.below(rng.chance(0.3) ? 4000 : 100));
}

}  // namespace outrigger::sim
