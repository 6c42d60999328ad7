#include "net/tls_stream.h"

#include <catch2/generators/catch_generators.hpp>

#include "support.h"
#include "test_ca.h"

namespace outrigger {
namespace {

using test::CertificateOptions;
using test::Door;
using test::Ear;
using test::TestCa;
using test::World;

const TestCa& ca() {
  static const TestCa made;
  return made;
}

const net::TlsStream& tls_of(const std::unique_ptr<io::Stream>& stream) { return dynamic_cast<net::TlsStream&>(*stream); }

// A TLS door, and connections to it.
struct TlsWorld : World {
  explicit TlsWorld(const CertificateOptions& options = {}) : door(*this, {"127.0.0.1", 0, false}, ca().issue(options)) {}

  Result<std::unique_ptr<io::Stream>> handshake(const io::TlsClient& tls) {
    auto plain = connect(door.listener->bound());
    REQUIRE(plain.has_value());
    return start_tls(std::move(*plain), tls);
  }
  // Both ends of a new connection.
  void pair(const io::TlsClient& tls) {
    door.streams.clear();
    auto made = handshake(tls);
    CAPTURE(made ? std::string() : made.error().detail);
    REQUIRE(made.has_value());
    near = std::move(*made);
    REQUIRE(until([&] { return !door.streams.empty(); }));
    far = std::move(door.streams.front());
  }

  Door door;
  std::unique_ptr<io::Stream> near, far;
};

io::TlsClient trusting(std::string name = "server.test") { return {std::move(name), ca().root(), true}; }

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
  return text;
}

TEST_CASE("a certificate of a trusted root for the right name is accepted, and bytes pass both ways") {
  TlsWorld world;
  const std::string name = GENERATE(as<std::string>{}, "server.test", "127.0.0.1");
  world.pair(trusting(name));
  CHECK(tls_of(world.near).version() == "TLSv1.3");
  Ear near, far;
  world.near->set_handler(&near);
  world.far->set_handler(&far);
  world.near->read(true);
  world.far->read(true);
  const std::vector<Bytes> request{Bytes::literal("GET "), Bytes::literal("/")};
  world.near->write(request);
  REQUIRE(world.until([&] { return far.text == "GET /"; }));
  CHECK(far.pieces == 1);  // small pieces share a record
  world.far->write(Bytes::literal("200"));
  REQUIRE(world.until([&] { return near.text == "200"; }));
}

TEST_CASE("a door shows a new certificate from one connection to the next, and what is open stays open") {
  TlsWorld world;
  world.pair(trusting());
  const std::unique_ptr<io::Stream> near = std::move(world.near);
  const std::unique_ptr<io::Stream> far = std::move(world.far);

  const TestCa successor;
  REQUIRE(world.door.listener->set_tls(successor.issue()).has_value());
  const auto old = world.handshake(trusting());
  REQUIRE_FALSE(old.has_value());
  CHECK(old.error().code == ErrorCode::tls_failed);
  world.pair({"server.test", successor.root(), true});

  // What is no pair changes nothing.
  io::TlsServer mixed = successor.issue();
  mixed.private_key = successor.issue().private_key;
  const auto refused = world.door.listener->set_tls(mixed);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().detail.contains("does not belong"));
  world.pair({"server.test", successor.root(), true});

  Ear ear;
  far->set_handler(&ear);
  far->read(true);
  near->write(Bytes::literal("still here"));
  CHECK(world.until([&] { return ear.text == "still here"; }));

  REQUIRE(world.door.listener->set_tls(std::nullopt).has_value());
  world.door.streams.clear();
  REQUIRE(world.connect(world.door.listener->bound()).has_value());
  CHECK(world.until([&] { return !world.door.streams.empty(); }));
}

TEST_CASE("where a client has to show a certificate, one that shows none is not let in") {
  TlsWorld world;
  io::TlsServer mutual = ca().issue();
  mutual.client_ca = ca().root();
  REQUIRE(world.door.listener->set_tls(mutual).has_value());
  auto made = world.handshake(trusting());
  // With TLS 1.3 the client has done its part before the door says no: then the first read tells.
  if (made) {
    Ear ear;
    (*made)->set_handler(&ear);
    (*made)->read(true);
    CHECK(world.until([&] { return ear.eof || ear.error; }));
    CHECK(ear.text.empty());
  }
  CHECK(world.door.streams.empty());
  mutual.client_ca = "rubbish";
  CHECK_FALSE(world.door.listener->set_tls(mutual).has_value());
}

TEST_CASE("a certificate that cannot be trusted is refused with the reason in words") {
  struct Case {
    CertificateOptions options;
    io::TlsClient tls;
    std::string words;
  };
  const Case table[] = {
      {{}, trusting("other.test"), "hostname mismatch"},
      {{}, trusting("127.0.0.2"), "IP address mismatch"},
      {{}, {"server.test", TestCa().root(), true}, "unable to get local issuer certificate"},
      {{}, {"server.test", "", true}, "unable to get local issuer certificate"},
      {{.names = "DNS:server.test", .from_s = -7200, .until_s = -3600}, trusting(), "certificate has expired"},
      {{.names = "DNS:server.test", .from_s = 3600, .until_s = 7200}, trusting(), "certificate is not yet valid"},
      {{}, {"server.test", "not a certificate", true}, "no certificate in PEM form"},
      {{}, {"", ca().root(), true}, "no server name"},
  };
  for (const Case& row : table) {
    CAPTURE(row.words);
    TlsWorld world(row.options);
    const auto result = world.handshake(row.tls);
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().code == ErrorCode::tls_failed);
    CAPTURE(result.error().detail);
    CHECK(result.error().detail.find(row.words) != std::string::npos);
    CHECK(world.door.streams.empty());
  }
}

TEST_CASE("without verification any certificate will do") {
  TlsWorld world({.names = "DNS:other.test", .from_s = -7200, .until_s = -3600});
  CHECK(world.handshake({"server.test", "", false}).has_value());
  CHECK(world.handshake({"", "", false}).has_value());
}

// One exchange, so that the ticket that came with it has been read.
void exchange(TlsWorld& world) {
  Ear near, far;
  world.near->set_handler(&near);
  world.far->set_handler(&far);
  world.near->read(true);
  world.far->write(Bytes::literal("hello"));
  REQUIRE(world.until([&] { return near.text == "hello"; }));
  world.near->set_handler(nullptr);
  world.far->set_handler(nullptr);
}

TEST_CASE("a second connection takes up the session of the first, but only with equal settings") {
  TlsWorld world;
  world.pair(trusting());
  CHECK_FALSE(tls_of(world.near).resumed());
  exchange(world);
  world.pair(trusting());
  CHECK(tls_of(world.near).resumed());
  CHECK(tls_of(world.far).resumed());
  exchange(world);
  world.pair(trusting("127.0.0.1"));
  CHECK_FALSE(tls_of(world.near).resumed());
  world.pair({"server.test", ca().root(), false});
  CHECK_FALSE(tls_of(world.near).resumed());
  world.pair(trusting());
  CHECK(tls_of(world.near).resumed());
}

TEST_CASE("a slow reader stops the writer behind TLS, and nothing is lost") {
  TlsWorld world;
  world.pair(trusting());
  Ear writer, reader;
  world.far->set_handler(&writer);
  world.near->set_handler(&reader);
  const Bytes megabyte = Bytes::copy(pattern(1024 * 1024));
  constexpr std::size_t k_count = 24;
  for (std::size_t i = 0; i < k_count; ++i) world.far->write(megabyte);
  world.turns(20);
  CHECK(world.far->unsent() > 0);
  CHECK(reader.text.empty());
  // Read a little, stop again: what arrives after that is bounded by what was in hand.
  reader.on_any = [&] {
    if (reader.text.size() > 100'000 && reader.text.size() < 200'000) world.near->read(false);
  };
  world.near->read(true);
  REQUIRE(world.until([&] { return reader.text.size() > 100'000; }));
  const std::size_t stopped_at = reader.text.size();
  world.turns(20);
  CHECK(reader.text.size() == stopped_at);
  CHECK(writer.drained == 0);
  reader.on_any = nullptr;
  world.near->read(true);
  REQUIRE(world.until([&] { return reader.text.size() == k_count * megabyte.size() && writer.drained > 0; }));
  CHECK(writer.drained == 1);
  CHECK(world.far->unsent() == 0);
  for (std::size_t i = 0; i < k_count; ++i) {
    REQUIRE(reader.text.compare(i * megabyte.size(), megabyte.size(), megabyte.view()) == 0);
  }
}

TEST_CASE("shutdown sends all that is unsent, then close_notify; the other direction stays open") {
  TlsWorld world;
  world.pair(trusting());
  Ear near, far;
  world.near->set_handler(&near);
  world.far->set_handler(&far);
  world.near->read(true);
  world.far->read(true);
  const std::string text = pattern(8 * 1024 * 1024);
  world.near->write(Bytes::copy(text));
  world.near->shutdown();
  world.near->write(Bytes::literal("too late"));
  REQUIRE(world.until([&] { return far.eof; }));
  CHECK(far.text == text);
  world.far->write(Bytes::literal("answer"));
  world.far->shutdown();
  REQUIRE(world.until([&] { return near.eof; }));
  CHECK(near.text == "answer");
  CHECK_FALSE(near.error.has_value());
  CHECK_FALSE(far.error.has_value());
}

TEST_CASE("a TLS stream may be destroyed in any of its callbacks") {
  TlsWorld world;
  world.pair(trusting());
  std::unique_ptr<io::Stream> near = std::move(world.near);
  Ear ear, other;
  ear.on_any = [&] { near.reset(); };
  near->set_handler(&ear);
  world.far->set_handler(&other);
  SECTION("data, with more records behind it") {
    near->read(true);
    world.far->write(Bytes::copy(pattern(200'000)));
    REQUIRE(world.until([&] { return near == nullptr; }));
    CHECK(ear.last == "data");
    CHECK(ear.pieces == 1);
  }
  SECTION("eof") {
    near->read(true);
    world.far->shutdown();
    REQUIRE(world.until([&] { return near == nullptr; }));
    CHECK(ear.last == "eof");
  }
  SECTION("drained") {
    for (int i = 0; i < 16; ++i) near->write(Bytes::copy(pattern(1024 * 1024)));
    world.far->read(true);
    REQUIRE(world.until([&] { return near == nullptr; }));
    CHECK(ear.last == "drained");
  }
  SECTION("error") {
    world.far.reset();
    for (int i = 0; i < 200 && near != nullptr; ++i) {
      near->write(Bytes::literal("anybody there?"));
      world.turns(5);
    }
    REQUIRE(near == nullptr);
    CHECK(ear.last == "error");
  }
  world.turns(3);
}

// The client's ciphertext goes through a middle man, who can cut it anywhere.
struct Relay {
  explicit Relay(TlsWorld& world) : door(world), own(world) {
    auto plain = world.connect(door.listener->bound());
    REQUIRE(plain.has_value());
    client = std::move(*plain);
    auto up = world.connect(world.door.listener->bound());
    REQUIRE(up.has_value());
    upward = std::move(*up);
    REQUIRE(world.until([&] { return !door.streams.empty(); }));
    downward = std::move(door.streams.front());
    from_client.on_any = [this] { pass(from_client, *upward, std::string::npos); };
    from_server.on_any = [this] { pass(from_server, *downward, let_through); };
    downward->set_handler(&from_client);
    downward->read(true);
    upward->set_handler(&from_server);
    upward->read(true);
  }
  static void pass(Ear& ear, io::Stream& to, std::size_t most) {
    const std::string text = std::exchange(ear.text, {});
    if (!text.empty()) to.write(Bytes::copy(std::string_view(text).substr(0, most)));
    if (text.size() > most) to.shutdown();
  }
  Door door;
  TlsWorld& own;
  Ear from_client, from_server;
  std::unique_ptr<io::Stream> client, upward, downward;
  std::size_t let_through = std::string::npos;
};

TEST_CASE("an end between two records is an end, inside one it is an error") {
  TlsWorld world;
  Relay relay(world);
  auto tls = world.start_tls(std::move(relay.client), trusting());
  REQUIRE(tls.has_value());
  REQUIRE(world.until([&] { return !world.door.streams.empty(); }));
  Ear ear;
  (*tls)->set_handler(&ear);
  (*tls)->read(true);
  SECTION("between") {
    world.door.streams[0]->write(Bytes::literal("whole"));
    REQUIRE(world.until([&] { return ear.text == "whole"; }));
    relay.downward->shutdown();
    REQUIRE(world.until([&] { return ear.eof; }));
    CHECK_FALSE(ear.error.has_value());
  }
  SECTION("inside a body") {
    world.turns(10);
    relay.let_through = 20;
    world.door.streams[0]->write(Bytes::literal("never whole"));
    REQUIRE(world.until([&] { return ear.error.has_value(); }));
  }
  SECTION("inside a header") {
    world.turns(10);
    relay.let_through = 3;
    world.door.streams[0]->write(Bytes::literal("never whole"));
    REQUIRE(world.until([&] { return ear.error.has_value(); }));
  }
  SECTION("just after a header") {
    world.turns(10);
    relay.let_through = 5;
    world.door.streams[0]->write(Bytes::literal("never whole"));
    REQUIRE(world.until([&] { return ear.error.has_value(); }));
  }
  if (ear.error) {
    CHECK(ear.error->code == ErrorCode::upstream_reset);
    CHECK_FALSE(ear.eof);
    CHECK(ear.text.empty());
  }
}

TEST_CASE("a forged record breaks the stream") {
  TlsWorld world;
  Relay relay(world);
  auto tls = world.start_tls(std::move(relay.client), trusting());
  REQUIRE(tls.has_value());
  Ear ear;
  (*tls)->set_handler(&ear);
  (*tls)->read(true);
  relay.downward->write(Bytes::copy(std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x')));
  REQUIRE(world.until([&] { return ear.error.has_value(); }));
  CHECK(ear.error->code == ErrorCode::tls_failed);
  CHECK(ear.text.empty());
}

TEST_CASE("a handshake that is never answered ends at its time limit") {
  World world;
  Door silent(world);
  auto plain = world.connect(silent.listener->bound());
  const auto result = world.start_tls(std::move(*plain), trusting(), 50ms);
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == ErrorCode::connect_timeout);
}

TEST_CASE("a handshake with what does not speak TLS fails in words") {
  World world;
  Door door(world);
  auto plain = world.connect(door.listener->bound());
  REQUIRE(world.until([&] { return !door.streams.empty(); }));
  SECTION("HTTP") {
    door.streams[0]->write(Bytes::literal("HTTP/1.1 400 Bad Request\r\n\r\n"));
    const auto result = world.start_tls(std::move(*plain), trusting());
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().code == ErrorCode::tls_failed);
    CHECK(result.error().detail.find("wrong version number") != std::string::npos);
  }
  SECTION("nothing, and hangs up") {
    door.streams[0]->shutdown();
    const auto result = world.start_tls(std::move(*plain), trusting());
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().code == ErrorCode::tls_failed);
    CHECK(result.error().detail.find("during the handshake") != std::string::npos);
  }
}

TEST_CASE("a handshake that is given up is never heard of, and one may be given up in its own callback") {
  TlsWorld world;
  bool heard = false;
  auto first = world.connect(world.door.listener->bound());
  {
    const auto pending = world.net.start_tls(std::move(*first), trusting(), 1s, [&](auto) { heard = true; });
  }
  world.turns(10);
  CHECK_FALSE(heard);
  const std::string name = GENERATE("server.test", "other.test");
  auto second = world.connect(world.door.listener->bound());
  std::unique_ptr<io::Pending> pending;
  pending = world.net.start_tls(std::move(*second), trusting(name), 1s, [&](auto) {
    pending.reset();
    heard = true;
  });
  CHECK_FALSE(heard);
  CHECK(world.until([&] { return heard; }));
}

TEST_CASE("data that comes together with the end of the handshake waits for its reader") {
  TlsWorld world;
  auto plain = world.connect(world.door.listener->bound());
  std::unique_ptr<io::Stream> near;
  const auto pending = world.net.start_tls(std::move(*plain), trusting(), 1s, [&](auto result) {
    near = std::move(*result);
    near->write(Bytes::literal("early"));
  });
  REQUIRE(world.until([&] { return near != nullptr && !world.door.streams.empty(); }));
  world.turns(10);
  Ear far;
  world.door.streams[0]->set_handler(&far);
  world.door.streams[0]->read(true);
  REQUIRE(world.until([&] { return far.text == "early"; }));
}

TEST_CASE("a door with a wrong certificate or key does not open, and says which of the two it is") {
  World world;
  const io::TlsServer good = ca().issue();
  struct Case {
    io::TlsServer tls;
    std::string words;
  };
  const Case table[] = {
      {{"", good.private_key}, "certificate"},
      {{good.certificate_chain, ""}, "private key"},
      {{good.certificate_chain, ca().issue().private_key}, "does not belong"},
  };
  for (const Case& row : table) {
    CAPTURE(row.words);
    const auto listener = world.net.listen({"127.0.0.1", 0, false}, row.tls, [](auto) {});
    REQUIRE_FALSE(listener.has_value());
    CHECK(listener.error().code == ErrorCode::bad_config);
    CAPTURE(listener.error().detail);
    CHECK(listener.error().detail.find(row.words) != std::string::npos);
    CHECK(listener.error().detail.find("BEGIN") == std::string::npos);
  }
}

TEST_CASE("record framing knows at every byte whether a record is open") {
  const std::string wire = std::string("\x17\x03\x03\x00\x03", 5) + "abc" + std::string("\x15\x03\x03\x01\x00", 5) +
                           std::string(256, 'x') + std::string("\x16\x03\x03\x00\x00", 5);
  const auto between = [](std::size_t at) { return at == 0 || at == 8 || at == 8 + 261 || at == 8 + 261 + 5; };
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, wire.size()}) {
    net::RecordFraming framing;
    for (std::size_t at = 0; at < wire.size(); at += piece) {
      framing.feed(std::string_view(wire).substr(at, piece));
      const std::size_t reached = std::min(wire.size(), at + piece);
      CAPTURE(piece, reached);
      CHECK(framing.inside() == !between(reached));
    }
  }
}

}  // namespace
}  // namespace outrigger
