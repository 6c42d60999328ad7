// What the answer to a run tells of the backend and of the app, however it arrives.
#include "proxy/dify_watch.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <tuple>

#include "unit/proxy/dify_bench.h"

namespace outrigger::proxy::test {
namespace {

using providers::dify::RunKind;

// A watch over lanes of its own.
class Watched {
 public:
  explicit Watched(RunKind kind = RunKind::chat, bool keep = false) {
    DifyPermits permits;
    permits[static_cast<std::size_t>(DifyRole::backend)].emplace(*backend->acquire({}, false));
    permits[static_cast<std::size_t>(DifyRole::app)].emplace(*app->acquire({}, false));
    watch.emplace(world.world(), metrics, DifyWatch::Subject{"new", true, kind, keep}, std::move(permits));
  }
  // spoken, failed, over, failures of backend and app, successes of the backend, task
  auto state() {
    const auto* reader = watch->reader();
    return std::tuple(watch->has_spoken(), watch->has_failed(), reader->is_over(), reader->at_boundary(),
                      backend->health().failures_in_a_row(), app->health().failures_in_a_row(),
                      backend->first_token().samples(), reader->ids().task);
  }

  sim::SimWorld world;
  obs::Registry registry;
  Metrics metrics{registry};
  Lane::Log silent;
  std::shared_ptr<Lane> backend = std::make_shared<Lane>(world.world(), "new", "", Lane::Settings{}, silent);
  std::shared_ptr<Lane> app = std::make_shared<Lane>(world.world(), "faq", "new", Lane::Settings{}, silent);
  std::optional<DifyWatch> watch;
};

const std::string k_error = dify_event("error", R"(,"code":"completion_request_error","status":400,"message":"m")");

TEST_CASE("a stream tells the same however it is cut") {
  const std::string message = dify_event("message", R"(,"answer":"hi")");
  const std::string end = dify_event("message_end", R"(,"metadata":{"usage":{"total_tokens":3}})");
  const std::string failed = dify_event("workflow_finished", R"(,"data":{"status":"failed","error":"e"})");
  const std::string bare = R"(data: {"code":"bad_gateway","status":502,"message":"m"})"
                           "\n\n";
  for (const std::string& stream :
       {k_ping + message + k_ping + end, message + k_error, k_ping + k_error, failed + k_error, bare, message + bare, k_ping,
        message + "data: {\"event\"", message + k_ping + "event: pi", "data: x\r\n\r\n" + k_error}) {
    INFO(stream);
    Watched whole;
    whole.watch->on_stream(stream);
    for (std::size_t cut = 1; cut < stream.size(); ++cut) {
      Watched parts;
      parts.watch->on_stream(std::string_view(stream).substr(0, cut));
      parts.watch->on_stream(std::string_view(stream).substr(cut));
      CHECK(parts.state() == whole.state());
    }
    Watched letters;
    for (const char c : stream) letters.watch->on_stream({&c, 1});
    CHECK(letters.state() == whole.state());
  }
}

TEST_CASE("the app's failure is no failure of its backend, and an error that was the first word is one like a status") {
  Watched first;
  first.watch->on_stream(k_error);
  CHECK(first.app->health().failures_in_a_row() == 1);
  CHECK(first.backend->health().failures_in_a_row() == 0);
  CHECK(first.backend->first_token().samples() == 1);
  Watched backend;
  backend.watch->on_stream("data: {\"code\":\"bad_gateway\",\"status\":502,\"message\":\"m\"}\n\n");
  CHECK(backend.backend->health().failures_in_a_row() == 1);
  CHECK(backend.backend->first_token().samples() == 0);
  CHECK(backend.app->health().failures_in_a_row() == 0);
}

TEST_CASE("what a run has cost is told in the same way by a stream and by a whole body") {
  const std::string usage =
      R"({"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"total_price":"0.0015","currency":"USD"}})";
  const bool keep = GENERATE(false, true);
  Watched streamed(RunKind::chat, keep);
  streamed.watch->on_stream(dify_event("message", R"(,"conversation_id":"c","answer":"hi")"));
  CHECK_FALSE(streamed.watch->reader()->spent());
  streamed.watch->on_stream(dify_event("message_end", R"(,"conversation_id":"c","metadata":)" + usage));
  Watched whole(RunKind::chat, keep);
  whole.watch->note_answer({}, R"({"task_id":"t","id":"m","conversation_id":"c","answer":"hi","metadata":)" + usage + "}");
  for (Watched* one : {&streamed, &whole}) {
    const auto answer = one->watch->finish();
    REQUIRE(answer);
    CHECK(answer->encoded.empty() == !keep);
    CHECK(one->watch->reader()->spent()->total_tokens == 15);
    CHECK(one->watch->reader()->spent()->price == 0.0015);
  }
}

TEST_CASE("without an answer there is nothing to keep") {
  Watched none(RunKind::chat, true);
  none.watch->note_cut(ErrorCode::upstream_reset);
  CHECK(none.watch->finish().error() == chat::NoStoreReason::cut);
  CHECK(none.backend->health().failures_in_a_row() == 1);
}

}  // namespace
}  // namespace outrigger::proxy::test
