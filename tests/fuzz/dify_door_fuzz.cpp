// dify_door_fuzz [seed] [iterations]: requests that are almost HTTP, and answers that are almost Dify's, through the whole dify door
// in a simulated world. Prints the seed first; a run is the same for the same seed. What must hold:
//   1. What a backend gets on a connection is one request that can be read in one way, or the beginning of one.
//   2. A client gets HTTP: answers with an end each, or the connection's end within one.
//   3. However an answer's bytes are split, the client gets the same.
//   4. When all have gone, nothing is left: no request, no permit, no connection, no stop.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "core/check.h"
#include "core/rng.h"
#include "sim/actors/answer_wire.h"
#include "unit/http/parse_all.h"
#include "unit/proxy/dify_bench.h"

namespace outrigger::proxy {
namespace {

using namespace std::string_view_literals;
using test::DifyBench;

constexpr std::string_view k_requests[] = {
    "POST /v1/chat-messages HTTP/1.1\r\nHost: d\r\nAuthorization: Bearer app-faq\r\nContent-Type: application/json\r\n"
    "Content-Length: 74\r\n\r\n{\"inputs\":{},\"query\":\"q\",\"user\":\"u1\",\"response_mode\":\"streaming\",\"files\":[]}",
    "POST /v1/workflows/run HTTP/1.1\r\nHost: d\r\nAuthorization: Bearer app-x\r\nContent-Type: application/json\r\n"
    "Content-Length: 56\r\n\r\n{\"inputs\":{\"a\":1},\"user\":\"u\",\"response_mode\":\"blocking\"}\n",
    "POST /v1/completion-messages HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nTransfer-Encoding: "
    "chunked\r\n\r\n"
    "1f\r\n{\"inputs\":{\"query\":\"q\"},\"user\":\"\r\n4\r\nu1\"}\r\n0\r\n\r\n",
    "POST /v1/files/upload HTTP/1.1\r\nHost: d\r\nExpect: 100-continue\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    "Transfer-Encoding: chunked\r\n\r\n5;e=1\r\n--x\r\n\r\n3\r\n-x-\r\n0\r\nT: v\r\n\r\n",
    "POST /v1/chat-messages/11111111-2222-3333-4444-555555555555/stop HTTP/1.1\r\nHost: d\r\nContent-Type: "
    "application/json\r\n"
    "Content-Length: 12\r\n\r\n{\"user\":\"u\"}",
    "GET /console/api/apps?user=u%20 HTTP/1.1\r\nHost: d\r\nX-Forwarded-For: 1.2.3.4\r\nCookie: a=b\r\n\r\n",
    "GET /socket.io/?EIO=4 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n",
    "DELETE /v1/conversations/1 HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\n\r\n{}",
};

constexpr std::string_view k_event = "data: {\"event\": \"message\", \"task_id\": \"aaaa-1\", \"answer\": \"h\\u00e9\"}\n\n";
constexpr std::string_view k_answers[] = {
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    "event: ping\n\ndata: {\"event\": \"message\", \"task_id\": \"aaaa-1\", \"answer\": \"a\"}\n\n"
    "data: {\"event\": \"message_end\", \"task_id\": \"aaaa-1\", \"metadata\": {}}\n\n",
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
    "d\r\nevent: ping\n\n\r\n2d\r\ndata: {\"event\":\"message\",\"task_id\":\"aaaa-1\"}\n\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 57\r\n\r\n"
    "{\"event\":\"message\",\"task_id\":\"a\",\"id\":\"m\",\"answer\":\"hello\"}",
    "HTTP/1.1 429 Too Many\r\nContent-Type: application/json\r\nContent-Length: 51\r\n\r\n"
    "{\"code\":\"too_many_requests\",\"message\":\"\",\"status\":429}",
    "HTTP/1.1 400 Bad\r\nContent-Type: application/json\r\nRetry-After: 1\r\nContent-Length: 58\r\n\r\n"
    "{\"code\":\"completion_request_error\",\"message\":\"\",\"status\":400}",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\nLocation: /x\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{\"data\":{\"status\":\"failed\"}}",
    "HTTP/1.1 204 No Content\r\n\r\n",
};

constexpr std::string_view k_words[] = {
    "\r\n",
    "\n",
    "\r",
    "\r\n\r\n",
    "\n\n",
    "\0"sv,
    " ",
    ":",
    "0\r\n\r\n",
    "ffffffffffffffff",
    "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding : chunked\r\n",
    "Content_Length: 1\r\n",
    "Host: b\r\n",
    "Connection: close\r\n",
    "Connection: host, content-length\r\n",
    "Content-Type: text/event-stream\r\n",
    "Content-Encoding: gzip\r\n",
    " folded\r\n",
    "HTTP/1.0",
    "HTTP/1.1 101 S\r\n\r\n",
    "data: ",
    "event: error\n",
    "data: {\"event\":\"error\",\"status\":400,\"code\":\"completion_request_error\",\"message\":\"\"}\n\n",
    "data: {\"event\":\"workflow_finished\",\"data\":{\"status\":\"failed\"}}\n\n",
    "\"task_id\":\"",
    "\\u0000",
    "\x80\xff",
    "{\"a\":",
    "]}",
    "../",
    "%2f",
};

template <std::size_t n>
std::string_view pick(Rng& rng, const std::string_view (&from)[n]) {
  return from[rng.below(n)];
}

std::string mutated(Rng& rng, std::string text) {
  if (rng.chance(0.15)) return text;
  for (std::uint64_t left = 1 + rng.below(4); left > 0; --left) {
    const std::size_t at = rng.below(text.size() + 1);
    switch (rng.below(5)) {
      case 0:
        text.erase(at, 1 + rng.below(6));
        break;
      case 1:
        text.insert(at, 1, static_cast<char>(rng.below(256)));
        break;
      case 2:
        text.insert(at, text.substr(rng.below(text.size() + 1), rng.below(40)));
        break;
      case 3: {
        const std::size_t line = text.find('\n', at);
        text.insert(line == std::string::npos ? at : line + 1, pick(rng, k_words));
        break;
      }
      default:
        text.insert(at, pick(rng, k_words));
    }
  }
  return text;
}

void fail_with(std::string_view what, std::string_view input) {
  fmt::print("{}\n", what);
  for (const char c : input) {
    const auto byte = static_cast<unsigned char>(c);
    byte >= 0x20 && byte < 0x7f ? fmt::print("{}", c) : fmt::print("\\x{:02x}", byte);
  }
  fmt::print("\n");
  std::fflush(stdout);
  OR_CHECK(false);
}

void send_split(Rng& rng, DifyBench& bench, sim::Peer& peer, std::string_view text) {
  const std::uint64_t most = 1 + rng.below(60);
  while (!text.empty() && peer.open()) {
    const std::size_t size = 1 + rng.below(most);
    peer.send(text.substr(0, size));
    text.remove_prefix(std::min(size, text.size()));
    if (rng.chance(0.2)) bench.settle();
  }
  bench.settle();
}

// Law 1, of all that came to the backends.
void check_asked(DifyBench& bench, std::string_view input) {
  for (std::size_t which = 0; which < 2; ++which) {
    for (std::size_t i = 0; i < bench.backend(which).accepted(); ++i) {
      const std::string& raw = bench.backend(which).peer(i).received();
      const http::test::Heard heard = http::test::parse_requests({raw}, {});
      if (heard.failed || heard.messages > 1) fail_with("a backend cannot read: " + raw, input);
      if (heard.messages == 0) continue;
      const std::size_t head = raw.find("\r\n\r\n") + 4;
      const bool chunked = raw.substr(0, head).find("\r\nTransfer-Encoding: chunked\r\n") != std::string::npos;
      const bool ends = chunked ? raw.ends_with("0\r\n\r\n") : raw.size() == head + heard.body.size();
      if (!ends) fail_with("something stands behind a request: " + raw, input);
      if (raw.substr(0, head).find("\r\nContent_Length:") != std::string::npos)
        fail_with("an ambiguous field: " + raw, input);
    }
  }
}

// Law 2 for one answer. True: it is whole.
bool check_answer(sim::AnswerWire& wire, const sim::Peer& client, std::string_view input) {
  const std::size_t taken = wire.feed(client.received());
  if (client.eof()) wire.end();
  if (!wire.problem().empty()) fail_with("not HTTP (" + wire.problem() + "): " + client.received(), input);
  if (taken < client.received().size()) fail_with("bytes behind an answer: " + client.received(), input);
  return wire.done();
}

// Law 4.
void check_rest(DifyBench& bench, std::string_view input) {
  bench.pass(3min);
  const auto look = [&](const Lane& lane) {
    if (lane.concurrency().in_flight() != 0 || !lane.queue().empty() || lane.health().pending() != 0) {
      fail_with("a permit is left", input);
    }
  };
  bench.lanes.each(look);
  bench.door.apps().each([&](const std::string&, const Lane& lane) { look(lane); });
  if (bench.door.flows() != 0) fail_with("a request has no end", input);
  if (bench.door.stops().size() != 0) fail_with("a stop has no end", input);
  if (bench.server->connections() != 0) fail_with("a client's connection is left", input);
  for (std::size_t which = 0; which < 2; ++which) {
    for (std::size_t i = 0; i < bench.backend(which).accepted(); ++i) {
      const sim::Peer& peer = bench.backend(which).peer(i);
      if (peer.open() && !peer.ended()) fail_with("a backend's connection is left", input);
    }
  }
}

std::string settings(Rng& rng) {
  return fmt::format(
      "[dify]\nfallback = [\"old\"]\nqueue = {{ wait = \"5s\" }}\nfirst_event = \"20s\"\nstop_on_leave = {}\n",
      rng.chance(0.5));
}

void chunked_reads(DifyBench& bench) {
  for (const char* host : {"new", "old"}) bench.world.net.site({host, 9000, false}).shape.chunking = true;
  bench.world.net.site(DifyBench::k_door).shape.chunking = true;
}

// A good answer to whatever asks from `from` on.
std::size_t answer_all(DifyBench& bench, std::size_t from) {
  for (; from < bench.asked.size(); ++from) {
    if (bench.asked[from].peer->open()) bench.asked[from].answer(test::k_blocking);
  }
  return from;
}

std::uint64_t fuzz_request(Rng& rng) {
  DifyBench bench(settings(rng));
  chunked_reads(bench);
  std::string text(pick(rng, k_requests));
  if (rng.chance(0.3)) text += pick(rng, k_requests);
  text = mutated(rng, std::move(text));
  auto client = sim::dial(bench.world, DifyBench::k_door);
  send_split(rng, bench, *client, text);
  std::size_t answered = 0;
  const bool leaves = rng.chance(0.3);
  if (!leaves) {
    for (int i = 0; i < 8; ++i) {
      answered = answer_all(bench, answered);
      bench.settle();
    }
  }
  // Clients may ask with HEAD, whose answers this reader could not tell; none of the requests does.
  if (text.find("HEAD") == std::string::npos) {
    std::string_view rest = client->received();
    while (!rest.empty()) {
      sim::AnswerWire wire;
      const std::size_t taken = wire.feed(rest);
      if (!wire.problem().empty()) fail_with("not HTTP (" + wire.problem() + "): " + client->received(), text);
      rest.remove_prefix(taken);
      if (!wire.done()) break;
    }
  }
  check_asked(bench, text);
  rng.chance(0.5) ? client->shutdown() : client->close();
  bench.settle();
  client->close();
  check_rest(bench, text);
  return bench.asked.size();
}

struct Got {
  int status = 0;
  std::string body;
  bool whole = false;
  bool operator==(const Got&) const = default;
};

// Asks for something, lets the backend answer `text`, and ends the connection in order.
Got play(Rng& rng, std::uint64_t what, const std::string& more, const std::string& text) {
  DifyBench bench(more);
  chunked_reads(bench);
  const bool is_head = what == 4;
  static constexpr std::string_view k_paths[] = {"/v1/chat-messages", "/v1/completion-messages", "/v1/workflows/run"};
  std::unique_ptr<sim::Peer> client;
  if (what < 3) {
    client = bench.ask({.stream = what != 1, .path = std::string(k_paths[what])});
  } else {
    client = bench.send(fmt::format("{} /files/1 HTTP/1.1\r\nHost: d\r\n\r\n", is_head ? "HEAD" : "GET"));
  }
  OR_CHECK(bench.asked.size() == 1);
  sim::Peer& backend = *bench.asked.front().peer;
  send_split(rng, bench, backend, text);
  if (backend.open()) backend.shutdown();
  bench.settle();
  // What is asked again, because Dify said that it had not begun, is answered.
  for (std::size_t answered = 1, i = 0; i < 40; ++i) {
    answered = answer_all(bench, answered);
    bench.pass(200ms);
  }
  sim::AnswerWire wire(is_head);
  const bool whole = check_answer(wire, *client, text);
  if (!whole && !client->ended()) fail_with("an answer has no end: " + client->received(), text);
  if (wire.status() == 0) fail_with("there is no answer", text);
  check_asked(bench, text);
  client->close();
  check_rest(bench, text);
  return {wire.status(), wire.body(), whole};
}

// A backend that breaks off or falls silent in the midst, and a client that leaves it.
void break_off(Rng& rng, const std::string& text) {
  DifyBench bench(settings(rng));
  chunked_reads(bench);
  auto client = bench.ask({.stream = rng.chance(0.7)});
  sim::Peer& backend = *bench.asked.front().peer;
  send_split(rng, bench, backend, std::string_view(text).substr(0, rng.below(text.size() + 1)));
  if (rng.chance(0.5)) bench.world.net.cut({"new", 9000, false});
  rng.chance(0.5) ? bench.settle() : bench.pass(25s);
  sim::AnswerWire wire;
  static_cast<void>(check_answer(wire, *client, text));
  client->close();
  check_rest(bench, text);
}

void fuzz_answer(Rng& rng) {
  std::string text(pick(rng, k_answers));
  if (rng.chance(0.3)) text += k_event;
  text = mutated(rng, std::move(text));
  const std::uint64_t what = rng.below(5);
  const std::string more = settings(rng);
  Rng one = rng.fork();
  Rng other = rng.fork();
  const Got got = play(one, what, more, text);
  if (play(other, what, more, text) != got) fail_with("what the client gets depends on the split", text);
  break_off(rng, text);
}

int run(std::uint64_t seed, std::uint64_t iterations) {
  fmt::print("dify_door_fuzz seed {} iterations {}\n", seed, iterations);
  Rng rng(seed);
  std::uint64_t reached = 0;
  for (std::uint64_t i = 0; i < iterations; ++i) {
    reached += fuzz_request(rng);
    fuzz_answer(rng);
  }
  fmt::print("ok, {} of the requests reached a backend\n", reached);
  return 0;
}

}  // namespace
}  // namespace outrigger::proxy

int main(int argc, char** argv) {
  const std::uint64_t seed = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1;
  const std::uint64_t iterations = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 4'000;
  return outrigger::proxy::run(seed, iterations);
}
