// chat_fuzz [seed] [iterations]: random requests, well-formed and broken, against everything in chat/ that reads bytes from
// outside. Nothing may crash (run it with the sanitizers), harmless rewrites must keep the canonical form, harmful ones must
// change it. Ends with 1 at the first that does not, naming the seed that leads there.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "chat/canonical.h"
#include "chat/endpoint.h"
#include "chat/key.h"
#include "chat/named_model.h"
#include "chat/normalise.h"
#include "chat/request.h"
#include "unit/chat/random_request.h"

using namespace outrigger;
using namespace outrigger::chat;
using namespace outrigger::chat::test;

namespace {

constexpr Level k_levels[] = {Level::exact, Level::safe, Level::faq, Level::faq_plus, Level::synonyms};
constexpr Endpoint k_endpoints[] = {Endpoint::chat_completions, Endpoint::completions, Endpoint::embeddings};

std::string random_text(Rng& rng) {
  static constexpr std::string_view k_pieces[] = {"`",
                                                  "``",
                                                  "```",
                                                  "~~~",
                                                  "\n",
                                                  "\r\n",
                                                  " ",
                                                  "    ",
                                                  "\t",
                                                  "\xe3\x80\x80",
                                                  "\xe2\x80\x8b",
                                                  "\xe2\x80\x8d",
                                                  "\xcc\x81",
                                                  "\xef\xbb\xbf",
                                                  "\xe5\x90\x97",
                                                  "\xef\xbc\x9f",
                                                  "A",
                                                  "b",
                                                  "3",
                                                  ",",
                                                  "{",
                                                  "\"",
                                                  "\\",
                                                  "\xf0\x9f\x91\xa9",
                                                  "\xe4\xbd\xa0\xe5\xa5\xbd",
                                                  "\xe8\xaf\xb7\xe9\x97\xae"};
  std::string text;
  for (std::uint64_t n = rng.below(40); n > 0; --n) text += k_pieces[rng.below(std::size(k_pieces))];
  return text;
}

// A body for one of the endpoints, with texts that lead through the normalisation.
Node random_body(Rng& rng) {
  Node request = random_chat(rng);
  std::vector<Node*> nodes;
  collect(request, nodes);
  for (Node* node : nodes) {
    if (node->kind == Node::Kind::text && node->text.find(' ') != std::string::npos && rng.chance(0.5))
      node->text = random_text(rng);
  }
  std::vector<Node> inputs;
  for (std::uint64_t n = rng.below(4); n > 0; --n) inputs.push_back(Node::of_text(random_text(rng)));
  if (rng.chance(0.5)) request.members.emplace_back("input", rng.chance(0.5) ? Node::of_array(inputs) : Node::of_text("x"));
  if (rng.chance(0.3)) request.members.emplace_back("prompt", Node::of_text(random_text(rng)));
  return request;
}

void damage(std::string& body, Rng& rng) {
  for (std::uint64_t n = 1 + rng.below(4); n > 0 && !body.empty(); --n) {
    const std::size_t at = rng.below(body.size());
    switch (rng.below(4)) {
      case 0:
        body[at] = static_cast<char>(rng.below(256));
        break;
      case 1:
        body.erase(at, 1 + rng.below(8));
        break;
      case 2:
        body.insert(at, 1, "{}[]\",:\\u0\x80"[rng.below(11)]);
        break;
      default:
        body.insert(at, body.substr(rng.below(body.size()), rng.below(20)));
        break;
    }
  }
}

// Everything that a body leads to.
void read_all(const std::string& body, Rng& rng) {
  const Endpoint endpoint = k_endpoints[rng.below(3)];
  const Request request = understand(endpoint, body, k_levels[rng.below(5)]);
  std::string form = request.canonical;
  (void)print_canonical(form);
  damage(form, rng);
  (void)print_canonical(form);
  (void)canonical_differences(form, request.canonical);
  (void)canonical_of_identity(body);
  if (!request.inputs.empty()) {
    const Request one = understand(endpoint, with_inputs(body, {rng.below(request.inputs.size())}), Level::safe);
    if (one.inputs.size() != 1) std::abort();
  }
  (void)place(body.substr(0, rng.below(30)), body);
}

// ---- named_model -------------------------------------------------------------------------------------------------------

// Paths and bodies of pieces that mean something to it, damaged or not: what it finds is a name that could be right.
void name_models(const std::string& body, Rng& rng) {
  static constexpr std::string_view k_steps[] = {
      "openai",   "deployments", "models", "model",    "tunedModels", "publishers",        "invoke",
      "converse", "api",         "chat",   "generate", "%41%",        "g:generateContent", "messages",
      "",         "m%3Apredict", "threads"};
  static constexpr std::string_view k_form[] = {"--b\r\n",
                                                "\r\n--b\r\n",
                                                "\r\n--b--\r\n",
                                                "\r\n\r\n",
                                                "\r\n",
                                                "Content-Disposition: form-data; name=\"model\"",
                                                "content-disposition: form-data; filename=\"a;\\\"\"; name=model",
                                                "Content-Disposition: form-data; name=stream",
                                                "whisper-1",
                                                "true",
                                                "\"",
                                                ";"};
  std::string path;
  for (std::uint64_t n = rng.below(9); n > 0; --n) path.append("/").append(k_steps[rng.below(std::size(k_steps))]);
  std::string upload = "--b\r\n";
  for (std::uint64_t n = rng.below(12); n > 0; --n) upload += k_form[rng.below(std::size(k_form))];
  if (rng.chance(0.3)) damage(path, rng);
  if (rng.chance(0.3)) damage(upload, rng);
  for (const std::string_view text : {std::string_view(body), std::string_view(upload)}) {
    const std::vector<char> exact(text.begin(), text.end());  // so that a byte read beyond the end is seen
    const NamedModel found = named_model("POST", path, {exact.data(), exact.size()});
    if (found.model.size() > k_model_name_max) std::abort();
    for (const char c : found.model) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) std::abort();
    }
    if (!named_model("GET", path, text).model.empty()) std::abort();
  }
  (void)is_anthropic_path(path);
  const Place once = place("/v1", path);
  const Place twice = place("/v1", once.path);
  if (once.endpoint != Endpoint::other && (once.path != twice.path || once.endpoint != twice.endpoint)) std::abort();
}

// Cleaning a text that is clean changes nothing.
bool settles(Rng& rng) {
  const std::string text = random_text(rng);
  const Edges edges{.trim_front = rng.chance(0.7), .trim_back = rng.chance(0.7)};
  std::string once;
  append_safe(once, text, edges);
  std::string twice;
  append_safe(twice, once, edges);
  if (once == twice) return true;
  std::printf("text:  %s\nonce:  %s\ntwice: %s\n", text.c_str(), once.c_str(), twice.c_str());
  return false;
}

bool pairs_hold(Rng& rng) {
  const Node before = random_chat(rng);
  const Level level = k_levels[rng.below(5)];
  const auto form = [&](const Node& node) {
    return understand(Endpoint::chat_completions, written(node, &rng), level).canonical;
  };
  const std::string plain = form(before);
  Node harmless = before;
  change_harmlessly(harmless, rng);
  Node harmful = before;
  while (!change_harmfully(harmful, rng)) {
  }
  if (!plain.empty() && plain == form(harmless) && plain != form(harmful)) return true;
  std::printf("before:   %s\nharmless: %s\nharmful:  %s\n", written(before).c_str(), written(harmless).c_str(),
              written(harmful).c_str());
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t seed = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1;
  const std::uint64_t iterations = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 20000;
  std::printf("chat_fuzz: seed %llu, %llu iterations\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(iterations));
  for (std::uint64_t i = 0; i < iterations; ++i) {
    Rng rng(seed + i);  // so that a failure is repeated by `chat_fuzz <seed + i> 1`
    std::string body = written(random_body(rng), &rng);
    read_all(body, rng);
    name_models(body, rng);
    damage(body, rng);
    read_all(body, rng);
    name_models(body, rng);
    if (!settles(rng) || !pairs_hold(rng)) {
      std::printf("failed: run `chat_fuzz %llu 1`\n", static_cast<unsigned long long>(seed + i));
      return 1;
    }
  }
  std::printf("held\n");
  return 0;
}
