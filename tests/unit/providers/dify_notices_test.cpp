// Our own words at the dify door.
#include <catch2/catch_test_macros.hpp>

#include "providers/dify/notices.h"
#include "providers/dify/signals.h"

namespace outrigger::providers::dify {
namespace {

TEST_CASE("dify notices: every error has Dify's shape") {
  for (int i = 0; i <= static_cast<int>(ErrorCode::io_failed); ++i) {
    const auto code = static_cast<ErrorCode>(i);
    INFO(traits(code).name);
    const Notice said = notice(code);
    CHECK_FALSE(said.code.empty());
    CHECK_FALSE(said.message.empty());
    const bool never_said = code == ErrorCode::client_gone || code == ErrorCode::cancelled;
    CHECK((said.status == 0) == never_said);
    // Dify's users know apps, not our models and providers.
    CHECK(said.message.find("provider") == said.message.npos);
    if (!never_said && code != ErrorCode::unfit) CHECK(said.message.find("model") == said.message.npos);
    if (never_said) continue;
    const Signal heard = read_event(error_event(said).substr(6));
    CHECK(heard.code == said.code);
    CHECK(heard.kind != SignalKind::ok);
  }
}

TEST_CASE("dify notices: the words that clients act on") {
  CHECK(
      error_body(notice(ErrorCode::queue_full)) ==
      R"({"code":"too_many_requests","message":"Too many requests are waiting for this app. Please try again in a moment.","status":429})");
  CHECK(notice(ErrorCode::queue_wait).code == "too_many_requests");
  CHECK(notice(ErrorCode::queue_wait).status == 429);
  CHECK(notice(ErrorCode::no_target).status == 503);
  CHECK(notice(ErrorCode::connect_refused).status == 503);
  CHECK(notice(ErrorCode::unauthorized).status == 401);
  CHECK(notice(ErrorCode::unauthorized).code == "unauthorized");
  CHECK(notice(ErrorCode::body_too_large).status == 413);
  CHECK(error_event(notice(ErrorCode::upstream_cut)) ==
        "data: {\"event\":\"error\",\"code\":\"bad_gateway\",\"message\":\"The service's answer broke "
        "off.\",\"status\":502}\n\n");
}

TEST_CASE("dify notices: what the cache has not left behind is said") {
  CHECK(
      error_body(minted_notice(IdKind::message)) ==
      R"({"code":"not_found","message":"This answer came from the cache: feedback, suggestions and history are not available for it.","status":404})");
  for (const IdKind kind : {IdKind::none, IdKind::task, IdKind::message, IdKind::conversation, IdKind::run}) {
    CHECK(minted_notice(kind).status == 404);
    CHECK(minted_notice(kind).message.find("cache") != std::string_view::npos);
  }
}

}  // namespace
}  // namespace outrigger::providers::dify
