// Answers of Dify's runs: read, judged, kept, and told again in either form.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <string>

#include "dify_support.h"
#include "providers/json_doc.h"
#include "providers/sealed.h"
#include "slow.h"
#include "support.h"

namespace outrigger::providers::dify_test {
namespace {

using dify::Fresh;
using dify::render_run;
using dify::uuid_of;

Fresh fresh(std::string_view user = "ben") {
  return {.task = uuid_of(1, 2),
          .message = uuid_of(3, 4),
          .conversation = uuid_of(5, 6),
          .run = uuid_of(7, 8),
          .user = user,
          .now = 1'755'780'090};
}

std::string text_of_id(const dify::Uuid& id) { return {id.data(), id.size()}; }

std::string told(const Golden& golden, bool stream, std::string_view user = "ben") {
  const auto out = render_run(golden.kind, stored(golden).encoded.view(), stream);
  REQUIRE(out);
  return std::string(personalise(*out, fresh(user)).view());
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

TEST_CASE("dify answers: golden exchanges get what stands beside them") {
  REQUIRE(goldens().size() == 44);
  for (const Golden& golden : goldens()) {
    INFO(golden.name);
    RunReader reader = read_whole(golden, golden.body);
    const auto answer = reader.finish();
    CHECK(verdict_of(answer) == golden.verdict);
    CHECK(reader.saw_error() == (golden.verdict == "error_in_answer"));
    CHECK(name(reader.signal().kind) == golden.signal);
    CHECK(reader.signal().code == golden.code);
    CHECK(reader.begun() == golden.begun);
    CHECK(letters(reader.events()) == golden.events.value_or(""));
    CHECK(reader.ids().run == golden.run);
    REQUIRE(reader.spent().has_value() == !golden.tokens.empty());
    if (reader.spent()) {
      CHECK(reader.spent()->prompt_tokens == golden.tokens[0]);
      CHECK(reader.spent()->completion_tokens == golden.tokens[1]);
      CHECK(reader.spent()->total_tokens == golden.tokens[2]);
      if (golden.price) CHECK(reader.spent()->price == 0.0013030);
      if (golden.price) CHECK(reader.spent()->currency == "USD");
    }
    if (!answer) continue;
    CHECK(reader.ended_well());
    CHECK(reader.ids().task == k_task);
    CHECK(reader.ids().message == (golden.kind == RunKind::workflow ? "" : k_message));
    CHECK(reader.ids().conversation == (golden.kind == RunKind::chat ? k_conversation : ""));
  }
}

TEST_CASE("dify answers: a task can be stopped as soon as its first event has come") {
  const Golden& golden = dify_test::golden("advanced.sse");
  RunReader reader(golden.kind, true, true);
  const std::size_t first = golden.body.find("\n\n") + 2;
  reader.feed(std::string_view(golden.body).substr(0, first - 1));
  CHECK_FALSE(reader.begun());
  reader.feed("\n");
  CHECK(reader.begun());
  CHECK(reader.ids().task == k_task);
  CHECK(reader.ids().run == k_run);
  CHECK_FALSE(reader.ended_well());
}

TEST_CASE("dify answers: what was stopped is not kept, although Dify ends it like any other") {
  const Golden& golden = dify_test::golden("chat.sse");
  RunReader reader = read_whole(golden, golden.body);
  reader.note_stop();
  CHECK_FALSE(reader.ended_well());
  CHECK(verdict_of(reader.finish()) == "unfinished");
}

TEST_CASE("dify answers: what is stored tells the same in either form, to somebody else") {
  for (const Golden& golden : goldens()) {
    if (golden.verdict != "stored") continue;
    INFO(golden.name);
    const std::string body = told(golden, false);
    INFO(body);
    const Told whole = told_by_body(body);
    const std::string stream = told(golden, true);
    INFO(stream);
    const Told streamed = told_by_stream(stream);
    for (const Told* one : {&whole, &streamed}) {
      CHECK(one->failure == "");
      CHECK(one->tokens == 0);
      CHECK(one->task == text_of_id(fresh().task));
      CHECK(one->message == (golden.kind == RunKind::workflow ? "" : text_of_id(fresh().message)));
      CHECK(one->conversation == (golden.kind == RunKind::chat ? text_of_id(fresh().conversation) : ""));
      if (golden.answer) CHECK(one->answer == *golden.answer);
    }
    CHECK(whole.mode == golden.mode);
    if (golden.kind == RunKind::workflow) {
      CHECK(whole.run == text_of_id(fresh().run));
      CHECK(streamed.run == whole.run);
      CHECK(streamed.outputs == whole.outputs);
    }
    for (const std::string& text : {body, stream}) {
      for (const std::string_view id : {k_task, k_message, k_conversation, k_run}) CHECK(text.find(id) == text.npos);
      CHECK(text.find("anna") == text.npos);
      CHECK(text.find("ping") == text.npos);
      CHECK(text.find("0.00") == text.npos);
      CHECK(text.find("1168") == text.npos);
      CHECK(std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\n'; }));
    }
  }
}

TEST_CASE("dify answers: a stream is replayed in its pieces, event by event") {
  for (const Golden& golden : goldens()) {
    if (golden.verdict != "stored" || !golden.streamed) continue;
    INFO(golden.name);
    std::string original = replaced(golden.body, "\r\n", "\n");
    if (!original.ends_with("\n\n")) original += "\n\n";
    original = replaced(original, "event: ping\n\n", "");
    const Told was = told_by_stream(original);
    const Told is = told_by_stream(told(golden, true));
    CHECK(is.types == was.types);
    CHECK(is.pieces == was.pieces);
  }
}

TEST_CASE("dify answers: only ids, times, usage and who asked are another's") {
  // What an app itself says is none of ours: numbers, times and words like `usage` in its outputs stay.
  const std::string flow = told(golden("workflow.sse"), true);
  CHECK(flow.find(R"("outputs":{"result":"Nothing is more natural.","created_at":1705407629,"run":")" +
                  text_of_id(fresh().run) + R"(","total_tokens":5,"usage":{"prompt_tokens":3,"total_price":"1"}})") !=
        flow.npos);
  CHECK(flow.find(R"("sys.user_id":"ben")") != flow.npos);
  CHECK(flow.find(R"("created_by":{"id":"00000000-0000-0000-0000-000000000000","user":"ben"})") != flow.npos);
  CHECK(flow.find(R"("created_at":1755780090,"finished_at":1755780090,"exceptions_count":0)") != flow.npos);
  CHECK(flow.find(R"("elapsed_time":2.27)") != flow.npos);
  CHECK(flow.find(R"("execution_metadata":{"total_tokens":0,"total_price":"0","currency":"USD"})") != flow.npos);
  const std::string chat = told(golden("chat.json"), false);
  CHECK(differences(golden("chat.json").body, chat) ==
        std::vector<std::string>{"~/task_id", "~/id", "~/message_id", "~/conversation_id", "~/metadata/usage/prompt_tokens",
                                 "~/metadata/usage/prompt_unit_price", "~/metadata/usage/prompt_price_unit",
                                 "~/metadata/usage/prompt_price", "~/metadata/usage/completion_tokens",
                                 "~/metadata/usage/completion_unit_price", "~/metadata/usage/completion_price_unit",
                                 "~/metadata/usage/completion_price", "~/metadata/usage/total_tokens",
                                 "~/metadata/usage/total_price", "~/metadata/usage/latency", "~/created_at"});
  const std::string run = told(golden("workflow_typed.json"), false);
  CHECK(differences(golden("workflow_typed.json").body, run) ==
        std::vector<std::string>{"~/task_id", "~/workflow_run_id", "~/data/id", "~/data/total_tokens", "~/data/created_at",
                                 "~/data/finished_at"});
  // Who asks may be called anything.
  const std::string odd = told(golden("workflow.sse"), true, "\"\n\\");
  CHECK(told_by_stream(odd).failure == "");
  CHECK(odd.find(R"("user":"\"\n\\")") != odd.npos);
}

TEST_CASE("dify answers: a blocking answer streams in natural pieces and in Dify's order") {
  using Texts = std::vector<std::string>;
  const Told chat = told_by_stream(told(golden("chat.json"), true));
  CHECK(chat.types == Texts{"message", "message", "message", "message_end"});
  const Told advanced = told_by_stream(told(golden("advanced.json"), true));
  CHECK(advanced.types == Texts{"workflow_started", "message", "message_end", "workflow_finished"});
  CHECK(advanced.run == text_of_id(fresh().run));
  const Told flow = told_by_stream(told(golden("workflow.json"), true));
  CHECK(flow.types == Texts{"workflow_started", "text_chunk", "text_chunk", "workflow_finished"});
  CHECK(flow.answer == "Nothing is more natural. It is so.");
  CHECK(told_by_stream(told(golden("workflow_typed.json"), true)).types == Texts{"workflow_started", "workflow_finished"});
}

TEST_CASE("dify answers: what is rendered can be read and stored again, and renders the same") {
  for (const Golden& golden : goldens()) {
    if (golden.verdict != "stored") continue;
    INFO(golden.name);
    for (const bool stream : {false, true}) {
      Golden again = golden;
      again.streamed = stream;
      again.body = told(golden, stream);
      INFO(again.body);
      CHECK(told(again, stream) == again.body);
      if (golden.mode != "agent-chat" || stream)
        CHECK(told_by_body(told(again, false)).answer == golden.answer.value_or(""));
      CHECK(told_by_body(told(again, false)).outputs == told_by_body(told(golden, false)).outputs);
      CHECK(told_by_body(told(again, false)).mode == golden.mode);
    }
  }
}

TEST_CASE("dify answers: any split gives the same") {
  for (const Golden& golden : goldens()) {
    INFO(golden.name);
    RunReader whole = read_whole(golden, golden.body);
    const auto answer = whole.finish();
    const auto compare = [&](RunReader& reader) {
      const auto other = reader.finish();
      REQUIRE(verdict_of(other) == verdict_of(answer));
      REQUIRE(letters(reader.events()) == letters(whole.events()));
      REQUIRE(std::ranges::equal(reader.events(), whole.events(), {}, &Event::end, &Event::end));
      REQUIRE(reader.signal().code == whole.signal().code);
      REQUIRE(reader.begun() == whole.begun());
      REQUIRE(reader.ids().task == whole.ids().task);
      if (answer) REQUIRE(other->encoded.view() == answer->encoded.view());
    };
    for (std::size_t cut = 1; cut < golden.body.size(); cut += k_is_slow ? 3 : 1) {
      INFO("cut after " << cut);
      RunReader reader(golden.kind, golden.streamed, true);
      reader.feed(std::string_view(golden.body).substr(0, cut));
      reader.feed(std::string_view(golden.body).substr(cut));
      compare(reader);
    }
    for (const std::size_t size : {1, 2, 7, 100}) {
      RunReader reader = read_whole(golden, golden.body, size);
      compare(reader);
    }
  }
}

TEST_CASE("dify answers: an answer cut anywhere is stored only if nothing of it is missing") {
  for (const Golden& golden : goldens()) {
    INFO(golden.name);
    for (std::size_t size = 0; size < golden.body.size(); ++size) {
      INFO("cut after " << size << " of " << golden.body.size());
      RunReader reader = read_whole(golden, std::string_view(golden.body).substr(0, size));
      const auto answer = reader.finish();
      if (!answer) continue;
      REQUIRE(golden.verdict == "stored");
      const auto out = render_run(golden.kind, answer->encoded.view(), false);
      REQUIRE(out);
      REQUIRE(personalise(*out, fresh()).view() == told(golden, false));
    }
  }
}

TEST_CASE("dify answers: what is only watched is not kept, and tells the same") {
  for (const Golden& golden : goldens()) {
    INFO(golden.name);
    RunReader kept = read_whole(golden, golden.body);
    RunReader reader(golden.kind, golden.streamed, false);
    for (const char byte : golden.body) reader.feed({&byte, 1});
    CHECK(reader.is_over() == kept.is_over());
    CHECK(reader.failed_at_once() == kept.failed_at_once());
    const auto answer = reader.finish();
    CHECK(verdict_of(answer) == golden.verdict);
    CHECK(reader.events().empty());
    CHECK(reader.spent().has_value() == !golden.tokens.empty());
    if (answer) CHECK(answer->encoded.empty());
  }
}

TEST_CASE("dify answers: a run is over when Dify says so, however it ended") {
  const auto over_after = [](std::string_view name, std::string_view event) {
    const std::string& body = golden(name).body;
    RunReader reader(golden(name).kind, true, false);
    const std::size_t at = body.find(event);
    REQUIRE(at != body.npos);
    reader.feed(std::string_view(body).substr(0, body.rfind("\n\n", at) + 2));
    CHECK_FALSE(reader.is_over());
    reader.feed(std::string_view(body).substr(body.rfind("\n\n", at) + 2));
    return reader.is_over();
  };
  CHECK(over_after("chat.sse", "message_end"));
  CHECK(over_after("workflow.sse", "workflow_finished"));
  CHECK(over_after("advanced_paused.sse", "human_input_required"));
  CHECK(over_after("chat_error.sse", "\"error\""));
  RunReader ping(RunKind::chat, true, false);
  ping.feed("data: {\"event\": \"ping\"}\n\n");
  CHECK_FALSE(ping.begun());
  RunReader first = read_whole(golden("chat_error_first.sse"), golden("chat_error_first.sse").body);
  CHECK(first.failed_at_once());
  RunReader later = read_whole(golden("chat_error.sse"), golden("chat_error.sse").body);
  CHECK_FALSE(later.failed_at_once());
}

TEST_CASE("dify answers: an answer beyond all limits is watched to its end") {
  RunReader reader(RunKind::chat, true, true);
  const std::string piece =
      R"(data: {"event":"message","task_id":"t","message_id":"m","answer":")" + std::string(1 << 20, 'a') + "\"}\n\n";
  for (int i = 0; i < 20; ++i) reader.feed(piece);
  reader.feed("data: {\"event\":\"message_end\",\"metadata\":{\"usage\":{\"total_tokens\":7}}}\n\n");
  CHECK(reader.ended_well());
  CHECK(reader.spent()->total_tokens == 7);
  CHECK(verdict_of(reader.finish()) == "too_large");
  RunReader blocking(RunKind::chat, false, true);
  for (int i = 0; i < 20; ++i) blocking.feed(piece);
  CHECK(verdict_of(blocking.finish()) == "too_large");
}

TEST_CASE("dify answers: what is told live is what would be replayed") {
  for (const Golden& golden : goldens()) {
    INFO(golden.name);
    if (!golden.name.ends_with(".sse")) continue;
    RunReader reader(golden.kind, true, true);
    dify::RunTeller teller;
    std::string live;
    constexpr std::size_t k_step = 7;
    for (std::size_t at = 0; at < golden.body.size(); at += k_step) {
      reader.feed(std::string_view(golden.body).substr(at, k_step));
      live += teller.next(reader, fresh()).view();
    }
    const auto answer = reader.finish();
    live += teller.next(reader, fresh()).view();
    CHECK(live.find(k_task) == std::string::npos);
    CHECK(live.find(k_message) == std::string::npos);
    CHECK(live.find("anna") == std::string::npos);
    if (answer) CHECK(live == told(golden, true));
    if (reader.saw_error() && reader.keeps_all()) CHECK((live.contains("failed") || live.contains("error")));
  }
}

TEST_CASE("dify answers: what a run has cost is known as long as it is kept") {
  const auto out = render_run(RunKind::chat, stored(dify_test::golden("chat.sse")).encoded.view(), false);
  REQUIRE(out);
  CHECK(out->usd == 0.001303);
}

TEST_CASE("dify answers: what is no stored run renders nothing") {
  const Bytes good = stored(golden("chat.sse")).encoded;
  CHECK_FALSE(render_run(RunKind::workflow, good.view(), true));
  CHECK_FALSE(render_run(RunKind::completion, good.view(), false));
  const std::string text(good.view());
  for (std::size_t size = 0; size < text.size(); ++size) CHECK_FALSE(render_run(RunKind::chat, text.substr(0, size), true));
  const std::string contents(*unseal("ORD\x02", good.view()));
  std::size_t rendered = 0;
  for (std::size_t at = 0; at < contents.size(); ++at) {
    std::string damaged = contents;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
    for (const bool stream : {false, true}) {
      if (const auto out = render_run(RunKind::chat, seal("ORD\x02", damaged).view(), stream)) {
        ++rendered;
        CHECK(personalise(*out, fresh()).size() > 0);
      }
    }
  }
  CHECK(rendered > 0);
}

TEST_CASE("dify answers: ids are UUIDs of version 4") {
  CHECK(text_of_id(uuid_of(0, 0)) == "00000000-0000-4000-8000-000000000000");
  CHECK(text_of_id(uuid_of(UINT64_MAX, UINT64_MAX)) == "ffffffff-ffff-4fff-bfff-ffffffffffff");
  CHECK(text_of_id(uuid_of(0x0123456789abcdef, 0x0123456789abcdef)) == "01234567-89ab-4def-8123-456789abcdef");
}

}  // namespace
}  // namespace outrigger::providers::dify_test
