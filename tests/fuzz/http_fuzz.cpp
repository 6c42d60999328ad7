// http_fuzz [seed] [iterations]: messages that are almost HTTP through the request parser, the response parser, and
// through a whole Server and Client in a simulated world. Prints the seed first; a run is the same for the same seed. What must
// hold:
//   1. However the bytes are split, the same comes out.
//   2. A request that is accepted and sent on is one request with the same body to the next reader (no smuggling).
//   3. Every exchange and every call ends exactly once, and no connection is left.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "core/check.h"
#include "core/rng.h"
#include "http/writer.h"
#include "unit/http/client_bench.h"
#include "unit/http/parse_all.h"
#include "unit/http/server_bench.h"

namespace outrigger::http {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view k_requests[] = {
    "GET /v1/models?x=1 HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\n\r\n",
    "POST /v1/chat/completions HTTP/1.1\r\nHost: a.example\r\nContent-Length: 11\r\nAuthorization: Bearer "
    "x\r\n\r\n{\"a\":\"b\"} \n",
    "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=\"y\"\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nT: "
    "v\r\n\r\n",
    "POST /e HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
    "GET http://a.example/p HTTP/1.1\r\nHost: b\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    "HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
};

constexpr std::string_view k_responses[] = {
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ndata:\r\n3;x\r\n a\n\r\n1\r\n\n\r\n0\r\nT: v\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\n\r\nuntil the end",
    "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nno HTTP",
};

constexpr std::string_view k_words[] = {
    "\r\n",
    "\n",
    "\r",
    "\r\n\r\n",
    "\0"sv,
    " ",
    "\t",
    ":",
    ";",
    ",",
    "0",
    "0\r\n\r\n",
    "-1",
    "ffffffffffffffff",
    "99999999999999999999",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "content-length:5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding : chunked\r\n",
    "Host: b\r\n",
    "Connection: close\r\n",
    "Connection: Content-Length, Host\r\n",
    "Upgrade: x\r\nConnection: upgrade\r\n",
    " folded\r\n",
    "HTTP/1.0",
    "HTTP/1.1",
    "HTTP/2.0",
    "CONNECT a:1",
    "GET ",
    "HEAD ",
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 101 S\r\n\r\n",
    "\x80\xff",
    "\x0b",
    "#",
    "//",
    "@",
    "\xef\xbb\xbf",
};

template <std::size_t n>
std::string_view pick(Rng& rng, const std::string_view (&from)[n]) {
  return from[rng.below(n)];
}

template <std::size_t n>
std::string compose(Rng& rng, const std::string_view (&from)[n]) {
  std::string text;
  for (std::uint64_t left = 1 + rng.below(3); left > 0; --left) text += pick(rng, from);
  if (rng.chance(0.1)) return text;
  for (std::uint64_t left = 1 + rng.below(4); left > 0; --left) {
    const std::size_t at = rng.below(text.size() + 1);
    switch (rng.below(6)) {
      case 0:
        text.erase(at, 1 + rng.below(4));
        break;
      case 1:
        text.insert(at, 1, static_cast<char>(rng.below(256)));
        break;
      case 2:
        if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << rng.below(8)));
        break;
      case 3:
        text.insert(at, text.substr(rng.below(text.size() + 1), rng.below(30)));
        break;
      case 4: {
        // Most often where a line begins, since that is where it hurts.
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

std::vector<std::string_view> split(Rng& rng, std::string_view text) {
  std::vector<std::string_view> pieces;
  const std::uint64_t most = 1 + rng.below(40);
  while (!text.empty()) {
    const std::size_t size = 1 + rng.below(most);
    pieces.push_back(text.substr(0, size));
    text.remove_prefix(pieces.back().size());
  }
  return pieces;
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

// Law 2 for one accepted request.
void check_passed_on(const RequestHead& head, const std::string& body, std::string_view input) {
  if (!head.headers.get("host") || head.target == "*") return;
  std::string text;
  Framing framing;
  if (head.has_body()) framing.content_length = body.size();
  if (!write_request_head(text, head, framing)) fail_with("an accepted request cannot be sent on", input);
  text += body;
  const test::Heard heard = test::parse_requests({text}, {1 << 20, 1000});
  if (heard.failed || heard.messages != 1 || heard.body != body) fail_with("sent on, it is something else: " + text, input);
  if (!heard.log.starts_with(head.method + " " + head.target + " ")) fail_with("sent on, it asks for something else", input);
}

std::uint64_t fuzz_requests(Rng& rng) {
  const std::string text = compose(rng, k_requests);
  const ParserLimits limits = rng.chance(0.3) ? ParserLimits{20 + rng.below(200), 1 + rng.below(8)} : ParserLimits{};
  const test::Heard whole = test::parse_requests({text}, limits);
  if (test::parse_requests(split(rng, text), limits) != whole) fail_with("a request depends on its split", text);
  if (rng.chance(0.1) && test::parse_requests(test::bytewise(text), limits) != whole) fail_with("bytewise it differs", text);

  RequestParser parser;
  parser.start(limits);
  std::string body;
  for (std::string_view input = text;;) {
    const Parsed parsed = parser.next(input);
    if (parsed.event == ParseEvent::need_more || parsed.event == ParseEvent::failed) break;
    body += parsed.body;
    if (parsed.event == ParseEvent::head && parser.is_connect()) break;
    if (parsed.event != ParseEvent::end) continue;
    check_passed_on(parser.head(), body, text);
    body.clear();
    parser.start(limits);
  }
  return whole.messages;
}

std::uint64_t fuzz_responses(Rng& rng) {
  const std::string text = compose(rng, k_responses);
  const ParserLimits limits = rng.chance(0.3) ? ParserLimits{20 + rng.below(200), 1 + rng.below(8)} : ParserLimits{};
  const bool no_body = rng.chance(0.2);
  const std::string_view upgrade = rng.chance(0.3) ? "x" : "";
  const test::Heard whole = test::parse_responses({text}, no_body, limits, upgrade);
  if (test::parse_responses(split(rng, text), no_body, limits, upgrade) != whole) {
    fail_with("a response depends on its split", text);
  }
  return whole.messages;
}

// Law 3 for a server: a client that sends nonsense, waits or not, and goes away.
void fuzz_server(Rng& rng) {
  ServerLimits limits;
  limits.header_bytes = 400;
  limits.body_bytes = 1000;
  test::ServerBench bench(limits, rng.next());
  bench.world.net.site(bench.at).shape.chunking = true;
  const std::uint64_t style = rng.below(4);
  std::size_t finished = 0;
  const auto answer = [&](test::Record& r) {
    if (rng.chance(0.1)) return r.exchange->abort();
    if (style == 0) {
      r.exchange->respond({}, BodyLength::streamed());
      r.exchange->write(Bytes::literal("abc"));
      r.exchange->finish();
    } else {
      r.exchange->respond_whole({}, Bytes::literal("abc"));
    }
  };
  bench.on_destroyed = [&](test::Record&) { ++finished; };
  if (style == 1) bench.on_request_hook = answer;
  if (style < 3) bench.on_body_end = answer;
  if (style == 2) bench.on_body = [&](test::Record& r, std::string_view) { r.exchange->read_body(!rng.chance(0.5)); };
  auto client = bench.connect();
  const std::string text = compose(rng, k_requests);
  std::vector<Upgraded> upgraded;
  for (const std::string_view piece : split(rng, text)) {
    client->send(piece);
    if (rng.chance(0.2)) bench.settle();
    for (const auto& record : bench.records) {
      Exchange* const exchange = record->exchange;
      if (exchange == nullptr) continue;
      exchange->read_body(true);
      if (record->ends == 0 || exchange->responded() || !asks_upgrade(exchange->request(), "h2c")) continue;
      ResponseHead head;
      head.status = 101;
      upgraded.push_back(exchange->upgrade(head, "h2c"));
    }
  }
  if (rng.chance(0.5)) bench.settle();
  rng.chance(0.5) ? client->shutdown() : client->close();
  bench.world.loop.run_for(5min);
  if (bench.server.connections() != upgraded.size()) fail_with("what has left HTTP does not count", text);
  if (!upgraded.empty()) bench.last().exchange->finish();
  bench.settle();
  if (finished != bench.records.size()) fail_with("an exchange did not end", text);
  for (const auto& record : bench.records) {
    if (record->ends > 1 || record->gone > 1) fail_with("an exchange ended twice", text);
  }
  if (bench.server.connections() != 0) fail_with("a connection is left", text);
}

// Law 3 for a client: an origin that answers nonsense and goes away.
void fuzz_client(Rng& rng) {
  test::ClientBench bench({}, rng.next());
  bench.world.net.site(bench.origin.address).shape.chunking = true;
  if (rng.chance(0.5)) bench.exchange_once();
  CallOptions options;
  const bool upgrades = rng.chance(0.2);
  if (upgrades) {
    options.upgrade = "x";
  } else {
    options.body = Bytes::literal("hello");
  }
  auto caller = bench.start(options, upgrades ? "GET" : rng.chance(0.2) ? "HEAD" : "POST");
  if (rng.chance(0.3)) caller->at_head = [](test::Caller& c) { c.call->read_body(false); };
  bench.settle();
  const std::string text = compose(rng, k_responses);
  bench.peer().send(text);
  bench.settle();
  rng.chance(0.5) ? bench.peer().shutdown() : bench.world.net.cut(bench.origin.address);
  bench.settle();
  caller->call->read_body(true);
  bench.world.loop.run_for(5min);
  const int left = caller->head.status == 101 ? 1 : 0;
  if (left == 1 && (!upgrades || caller->call->take_upgraded().stream == nullptr)) fail_with("a 101 out of nothing", text);
  if (caller->ends + caller->errors + left != 1) fail_with("a call did not end exactly once", text);
  if (bench.client.idle() != 0) fail_with("a dead connection is kept", text);
}

int run(std::uint64_t seed, std::uint64_t iterations) {
  fmt::print("http_fuzz seed {} iterations {}\n", seed, iterations);
  Rng rng(seed);
  std::uint64_t requests = 0;
  std::uint64_t responses = 0;
  for (std::uint64_t i = 0; i < iterations; ++i) {
    requests += fuzz_requests(rng);
    responses += fuzz_responses(rng);
    if (i % 8 == 0) fuzz_server(rng);
    if (i % 8 == 4) fuzz_client(rng);
  }
  fmt::print("ok, {} requests and {} responses were accepted\n", requests, responses);
  return 0;
}

}  // namespace
}  // namespace outrigger::http

int main(int argc, char** argv) {
  const std::uint64_t seed = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1;
  const std::uint64_t iterations = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 20'000;
  return outrigger::http::run(seed, iterations);
}
