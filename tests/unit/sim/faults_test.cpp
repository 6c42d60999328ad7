// What each fault does, as a client sees it.
#include <algorithm>

#include "unit/sim/shop.h"

namespace outrigger::sim_provider {
namespace {

std::string post(std::string_view body) {
  return "POST /v1/chat/completions HTTP/1.1\r\nHost: shop\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}

TEST_CASE("a status fault has OpenAI's shape, and its waits in both units") {
  Shop shop(quick("status = 429\nretry_after = \"1500ms\"\nheaders = { x-more = \"yes\" }"));
  const auto heard = shop.chat(k_question);
  CHECK(heard->status() == 429);
  CHECK(heard->header("retry-after") == "2");
  CHECK(heard->header("retry-after-ms") == "1500");
  CHECK(heard->header("x-more") == "yes");
  CHECK(text_in(heard->body, "error.code") == "rate_limit_exceeded");
  for (const int status : {400, 401, 403, 404, 418, 500, 503, 529}) {
    INFO(status);
    Shop other(quick("status = " + std::to_string(status)));
    const auto refused = other.chat(k_question);
    CHECK(refused->status() == status);
    CHECK_FALSE(text_in(refused->body, "error.message").empty());
    CHECK(other.provider.ledger().by_fault.at("status_" + std::to_string(status)) == 1);
  }
  Shop quota(quick("status = 429\ncode = \"insufficient_quota\""));
  CHECK(text_in(quota.chat(k_question)->body, "error.code") == "insufficient_quota");
}

TEST_CASE("a refusing provider closes connections, with or without a request") {
  Shop outage(quick("refuse = true\nat = \"5s\"\nfor = \"5s\""));
  CHECK(outage.chat(k_question)->status() == 200);
  outage.world.loop.run_for(5s);
  const auto kept = outage.chat(k_question);
  CHECK(kept->error.has_value());
  CHECK(outage.raw(post(k_question)).empty());
  outage.world.loop.run_for(5s);
  CHECK(outage.chat(k_question)->status() == 200);
}

TEST_CASE("garbage is not HTTP") {
  Shop shop(quick("garbage = true"));
  const auto heard = shop.chat(k_question);
  REQUIRE(heard->error.has_value());
  CHECK(heard->error->code == ErrorCode::upstream_protocol);
  CHECK(shop.raw(post(k_question)).starts_with("SSH-2.0"));
}

TEST_CASE("endless headers go on until the client has had enough") {
  Shop shop(quick("endless_headers = true"));
  const auto heard = shop.chat(k_question);
  REQUIRE(heard->error.has_value());
  CHECK(heard->error->code == ErrorCode::upstream_protocol);
  shop.world.loop.run_for(1s);
  CHECK(shop.provider.connections() == 0);
  CHECK(shop.provider.ledger().clients_gone == 1);
  // For one who never has enough there is an end as well.
  const std::string all = shop.raw(post(k_question));
  CHECK(all.starts_with("HTTP/1.1 200 OK\r\nx-endless: e"));
  CHECK(all.find("\r\n\r\n") == std::string::npos);
  CHECK(all.size() == 17 + 2048 * 16 * 1024);
}

TEST_CASE("a reset comes after exactly so many bytes") {
  for (const std::size_t bytes : {0u, 1u, 15u, 100u, 400u, 2000u}) {
    INFO(bytes);
    Shop shop(quick("reset_at = " + std::to_string(bytes)));
    CHECK(shop.raw(post(k_streamed)).size() == bytes);
    shop.world.loop.run_for(1s);
    CHECK(shop.provider.connections() == 0);
    CHECK(shop.provider.ledger().clients_gone == 0);
  }
}

TEST_CASE("a cut ends the connection cleanly after exactly so many bytes") {
  for (const std::size_t bytes : {0u, 1u, 100u, 400u, 2000u}) {
    INFO(bytes);
    Shop shop(quick("cut_at = " + std::to_string(bytes)));
    bool broken = true;
    CHECK(shop.raw(post(k_streamed), &broken).size() == bytes);
    CHECK_FALSE(broken);
  }
  Shop shop(quick("cut_at = 1000"));
  const auto heard = shop.chat(k_streamed);
  CHECK(heard->status() == 200);
  REQUIRE(heard->error.has_value());
  CHECK(heard->error->code == ErrorCode::upstream_cut);
}

TEST_CASE("a limit beyond the answer's end does nothing to it, and the next answer is whole") {
  Shop shop(quick("reset_at = 1000000\nrequests = 1"));
  CHECK_FALSE(shop.chat(k_question)->error.has_value());
  CHECK_FALSE(shop.chat(k_question)->error.has_value());
  CHECK(shop.provider.ledger().connections == 1);
}

TEST_CASE("a dripping answer comes byte by byte, whole, and the next one does not drip") {
  Shop shop(quick("drip = \"1ms\"\nrequests = 1"));
  const auto slow = shop.chat(k_question);
  REQUIRE(slow->end_after.has_value());
  CHECK(text_in(slow->body, "object") == "chat.completion");
  CHECK(*slow->end_after >= std::chrono::milliseconds(slow->body.size()));
  CHECK(*slow->end_after <= std::chrono::milliseconds(slow->body.size() + 400));
  const auto fast = shop.chat(k_question);
  REQUIRE(fast->end_after.has_value());
  CHECK(*fast->end_after < 10ms);
  CHECK(shop.provider.ledger().connections == 1);
}

TEST_CASE("dripping and a limit go together") {
  Shop shop(quick("drip = \"1ms\"\nreset_at = 50"));
  const MonoTime before = shop.world.loop.now();
  CHECK(shop.raw(post(k_question)).size() == 50);
  CHECK(shop.world.loop.now() - before >= 50ms);
}

TEST_CASE("a length may be too high or too low") {
  Shop high(quick("wrong_length = 16"));
  for (const std::string_view body : {k_question, k_streamed}) {
    const auto heard = high.chat(body);
    CHECK(heard->head->content_length == heard->body.size() + 16);
    REQUIRE(heard->error.has_value());
    CHECK(heard->error->code == ErrorCode::upstream_cut);
  }
  Shop low(quick("wrong_length = -16"));
  const auto heard = low.chat(k_question);
  CHECK(heard->end_after.has_value());
  CHECK(heard->head->content_length == heard->body.size());
  CHECK(parse_json(heard->body) == nullptr);
  const std::string all = low.raw("GET /v1/models HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n");
  CHECK(all.ends_with("]}"));
  Shop none(quick("wrong_length = -1000000"));
  const auto empty = none.chat(k_question);
  CHECK(none.raw(post(k_question)).starts_with("HTTP/1.1 200 OK\r\n"));
  REQUIRE(empty->head.has_value());
  CHECK(empty->head->content_length == 0u);
}

TEST_CASE("a stall lies after so many tokens") {
  Shop shop(quick("stall = \"30s\"\nafter = 5"));
  const auto peer = sim::dial(shop.world, shop.address);
  peer->send(post(k_streamed));
  shop.world.loop.run_for(29s);
  const std::string early = peer->take();
  CHECK(std::ranges::count(early, '\n') > 0);
  std::size_t deltas = 0;
  for (std::size_t at = early.find("\"content\":"); at != std::string::npos; at = early.find("\"content\":", at + 1))
    ++deltas;
  CHECK(deltas == 1 + 5);
  shop.world.loop.run_for(2s);
  CHECK(peer->take().find("[DONE]") != std::string::npos);
}

TEST_CASE("a stall in a blocking answer lies in its middle") {
  Shop shop(quick("stall = \"30s\""));
  const auto heard = shop.chat(k_question);
  CHECK(*heard->body_after < 10ms);
  CHECK(*heard->end_after >= 30s);
  CHECK(parse_json(heard->body) != nullptr);
}

TEST_CASE("a stall after more tokens than there are comes before the end") {
  Shop shop(quick("stall = \"30s\"\nafter = 1000"));
  const auto heard = shop.chat(k_streamed);
  CHECK(*heard->end_after >= 30s);
  CHECK(heard->events().back() == "[DONE]");
}

TEST_CASE("a malformed chunk breaks the answer after the tokens before it") {
  Shop shop(quick("malformed_chunk = true\nafter = 2"));
  const auto heard = shop.chat(k_streamed);
  REQUIRE(heard->error.has_value());
  CHECK(heard->status() == 200);
  CHECK(heard->events().size() == 1 + 2);
  CHECK(shop.chat(k_question)->error.has_value());
}

TEST_CASE("an error may come in place of an answer under a 200, or inside a stream") {
  Shop instead(quick("error_in_200 = true"));
  const auto blocking = instead.chat(k_question);
  CHECK(blocking->status() == 200);
  CHECK(text_in(blocking->body, "error.type") == "server_error");
  const auto streamed = instead.chat(k_streamed)->events();
  REQUIRE(streamed.size() == 1);
  CHECK(text_in(streamed[0], "error.type") == "server_error");
  Shop inside(quick("error_in_stream = true\nafter = 4"));
  const auto events = inside.chat(k_streamed)->events();
  REQUIRE(events.size() == 1 + 4 + 1);
  CHECK(text_in(events.back(), "error.type") == "server_error");
}

TEST_CASE("a truncated answer ends well for HTTP and not for a reader") {
  Shop shop(quick("truncate = true\nafter = 4"));
  const auto heard = shop.chat(k_streamed);
  CHECK(heard->end_after.has_value());
  CHECK(heard->events().size() == 1 + 4);
  const auto blocking = shop.chat(k_question);
  CHECK(blocking->end_after.has_value());
  CHECK_FALSE(blocking->body.empty());
  CHECK(parse_json(blocking->body) == nullptr);
}

TEST_CASE("half a character stands in the text") {
  Shop shop(quick("half_utf8 = true"));
  CHECK(parse_json(shop.chat(k_question)->body) == nullptr);
  const auto events = shop.chat(k_streamed)->events();
  CHECK(std::ranges::count_if(events, [](const std::string& e) { return e.find("\xe4\xbd\"") != std::string::npos; }) == 1);
}

TEST_CASE("end marks, finish reasons and usage may be missing or different") {
  Shop no_done(quick("no_done = true"));
  CHECK(text_in(no_done.chat(k_streamed)->events().back(), "choices.0.finish_reason") == "stop");
  Shop no_reason(quick("no_finish_reason = true"));
  for (const std::string& event : no_reason.chat(k_streamed)->events())
    CHECK(text_in(event, "choices.0.finish_reason").empty());
  CHECK(yyjson_is_null(at(parse_json(no_reason.chat(k_question)->body), "choices.0.finish_reason")));
  Shop filtered(quick("finish_reason = \"content_filter\""));
  CHECK(text_in(filtered.chat(k_question)->body, "choices.0.finish_reason") == "content_filter");
  Shop no_usage(quick("no_usage = true"));
  CHECK(at(parse_json(no_usage.chat(k_question)->body), "usage") == nullptr);
  CHECK(no_usage.chat(k_streamed_usage)->body.find("usage") == std::string::npos);
}

TEST_CASE("an answer may be empty or a refusal") {
  Shop empty(quick("empty = true"));
  CHECK(text_in(empty.chat(k_question)->body, "choices.0.message.content").empty());
  CHECK(empty.chat(k_streamed)->events().size() == 3);
  Shop refusal(quick("refusal = true"));
  const auto heard = refusal.chat(k_question);
  CHECK(text_in(heard->body, "choices.0.message.refusal") == "I cannot help with that.");
  CHECK(yyjson_is_null(at(parse_json(heard->body), "choices.0.message.content")));
  std::string text;
  for (const std::string& event : refusal.chat(k_streamed)->events()) text += text_in(event, "choices.0.delta.refusal");
  CHECK(text == "I cannot help with that.");
}

TEST_CASE("streams may be framed in other ways") {
  Shop crlf(quick("crlf = true"));
  const std::string with_cr = crlf.chat(k_streamed)->body;
  CHECK(with_cr.ends_with("data: [DONE]\r\n\r\n"));
  CHECK(with_cr.find("\n\n") == std::string::npos);
  Shop lines(quick("event_lines = true"));
  CHECK(lines.chat(k_streamed)->body.starts_with("event: message\ndata: {"));
  Shop comments(quick("comments = true"));
  CHECK(comments.chat(k_streamed)->body.starts_with(": keepalive\n\ndata: {"));
}

TEST_CASE("a fault may only be slow, and a head may come before the wait") {
  Shop slow("[[fault]]\nfirst_token = \"8s\"\nbetween_tokens = \"1s\"");
  const auto heard = slow.chat(k_streamed);
  CHECK(*heard->head_after >= 8s);
  CHECK(*heard->end_after >= 47s);
  CHECK(*heard->end_after < 47s + 10ms);
  Shop early("[[fault]]\nfirst_token = \"8s\"\nearly_head = true");
  for (const std::string_view body : {k_question, k_streamed}) {
    const auto first = early.chat(body);
    CHECK(*first->head_after < 10ms);
    CHECK(*first->body_after >= 8s);
  }
  Shop late(quick("status = 503\nfirst_token = \"3s\""));
  CHECK(*late.chat(k_question)->head_after >= 3s);
}

TEST_CASE("a client that leaves ends its answer") {
  Shop shop;
  auto peer = sim::dial(shop.world, shop.address);
  peer->send(post(k_streamed));
  shop.world.loop.run_for(200ms);
  CHECK(shop.provider.connections() == 1);
  peer->close();
  shop.world.loop.run_for(200ms);
  CHECK(shop.provider.connections() == 0);
  CHECK(shop.provider.ledger().clients_gone == 1);
  CHECK(shop.provider.ledger().answers_sent == 0);
  peer.reset();
  CHECK(shop.world.loop.run_until_idle());
}

}  // namespace
}  // namespace outrigger::sim_provider
