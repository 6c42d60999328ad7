#include "support.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "providers/json_doc.h"

namespace outrigger::providers {
namespace {

std::string text(yyjson_val* value) { return std::string(string_of(value).value_or(std::string_view())); }

void take_tool(Told& told, yyjson_val* from, bool whole) {
  const std::string id = text(member(from, "id"));
  yyjson_val* function = member(from, "function");
  yyjson_val* custom = member(from, "custom");
  // Dify's rule: no id, the last call; a known id, that call; else a new one.
  auto tool = std::find_if(told.tools.begin(), told.tools.end(), [&](const ToldTool& known) { return known.id == id; });
  if (id.empty() && !told.tools.empty()) tool = std::prev(told.tools.end());
  if (whole || tool == told.tools.end()) {
    told.tools.push_back({id, "", ""});
    tool = std::prev(told.tools.end());
  }
  if (const std::string name = text(member(function != nullptr ? function : custom, "name")); !name.empty())
    tool->name = name;
  tool->arguments += function != nullptr ? text(member(function, "arguments")) : text(member(custom, "input"));
}

void take_message(Told& told, yyjson_val* from, bool whole) {
  if (const auto content = string_of(member(from, "content")))
    told.content = told.content.value_or("") + std::string(*content);
  told.reasoning_content += text(member(from, "reasoning_content"));
  told.reasoning += text(member(from, "reasoning"));
  told.refusal += text(member(from, "refusal"));
  told.function_name += text(member(member(from, "function_call"), "name"));
  told.function_arguments += text(member(member(from, "function_call"), "arguments"));
  yyjson_arr_iter iterator = yyjson_arr_iter_with(member(from, "tool_calls"));
  while (yyjson_val* tool = yyjson_arr_iter_next(&iterator)) take_tool(told, tool, whole);
}

void take_choice(Told& told, yyjson_val* choice, bool whole) {
  take_message(told, member(choice, whole ? "message" : "delta"), whole);
  // Dify's rule: `text` counts where there is no delta.
  const bool says = member(choice, whole ? "message" : "delta") != nullptr;
  if (const auto piece = string_of(member(choice, "text")); piece && !says)
    told.content = told.content.value_or("") + std::string(*piece);
  if (const auto reason = string_of(member(choice, "finish_reason"))) told.finish_reason = *reason;
  yyjson_arr_iter iterator = yyjson_arr_iter_with(member(member(choice, "logprobs"), "content"));
  while (yyjson_val* token = yyjson_arr_iter_next(&iterator)) told.logprob_tokens.push_back(text(member(token, "token")));
}

std::optional<std::array<std::uint64_t, 3>> usage_of(yyjson_val* usage) {
  if (!yyjson_is_obj(usage)) return std::nullopt;
  return std::array{whole_number_of(member(usage, "prompt_tokens")).value_or(0),
                    whole_number_of(member(usage, "completion_tokens")).value_or(0),
                    whole_number_of(member(usage, "total_tokens")).value_or(0)};
}

std::string_view strip(std::string_view block) {
  const std::size_t begin = block.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return block.substr(begin, block.find_last_not_of(" \t\r\n") - begin + 1);
}

// False: the loop ends.
bool take_block(Told& told, std::string_view block) {
  block = strip(block);
  if (block.empty() || block.starts_with(':')) return true;
  if (block.starts_with("data:")) block.remove_prefix(5);
  block = strip(block);
  if (block == "[DONE]") return true;
  const JsonDoc doc = JsonDoc::read(block);
  if (doc.root() == nullptr) {
    told.finish_reason = "Non-JSON encountered.";
    return false;
  }
  yyjson_val* choices = member(doc.root(), "choices");
  if (member(doc.root(), "error") != nullptr && choices == nullptr) {
    told.failure = "error: " + text_of(member(doc.root(), "error"));
    return false;
  }
  if (choices == nullptr) {
    told.failure = "KeyError('choices')";
    return false;
  }
  if (const auto usage = usage_of(member(doc.root(), "usage"))) told.usage = usage;
  told.model = text(member(doc.root(), "model"));
  ++told.chunks;
  if (yyjson_val* choice = yyjson_arr_get_first(choices)) take_choice(told, choice, false);
  return true;
}

void compare(yyjson_val* a, yyjson_val* b, const std::string& path, std::vector<std::string>& found) {
  if (yyjson_is_obj(a) && yyjson_is_obj(b)) {
    yyjson_obj_iter left = yyjson_obj_iter_with(a);
    while (yyjson_val* name = yyjson_obj_iter_next(&left)) {
      yyjson_val* other = yyjson_obj_get(b, yyjson_get_str(name));
      const std::string place = path + "/" + yyjson_get_str(name);
      if (other == nullptr) {
        found.push_back("-" + place);
      } else {
        compare(yyjson_obj_iter_get_val(name), other, place, found);
      }
    }
    yyjson_obj_iter right = yyjson_obj_iter_with(b);
    while (yyjson_val* name = yyjson_obj_iter_next(&right)) {
      if (yyjson_obj_get(a, yyjson_get_str(name)) == nullptr) found.push_back("+" + path + "/" + yyjson_get_str(name));
    }
  } else if (yyjson_is_arr(a) && yyjson_is_arr(b) && yyjson_arr_size(a) == yyjson_arr_size(b)) {
    for (std::size_t i = 0; i < yyjson_arr_size(a); ++i)
      compare(yyjson_arr_get(a, i), yyjson_arr_get(b, i), path + "/*", found);
  } else if (text_of(a) != text_of(b)) {
    found.push_back("~" + path);
  }
}

Exchange load(const std::filesystem::path& want_path) {
  const auto contents = [](const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    REQUIRE(file.good());
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  Exchange exchange;
  exchange.name = want_path.stem().string();
  exchange.body = contents(want_path.parent_path() / want_path.stem());
  const JsonDoc doc = JsonDoc::read(contents(want_path));
  INFO(want_path.string());
  REQUIRE(doc.root() != nullptr);
  yyjson_val* want = doc.root();
  if (text(member(want, "endpoint")) == "completions") exchange.endpoint = chat::Endpoint::completions;
  exchange.streamed = yyjson_is_true(member(want, "streamed"));
  exchange.verdict = text(member(want, "verdict"));
  if (const auto events = string_of(member(want, "events"))) exchange.events = *events;
  take_message(exchange.want, want, true);
  yyjson_arr_iter tools = yyjson_arr_iter_with(member(want, "tools"));
  while (yyjson_val* tool = yyjson_arr_iter_next(&tools)) {
    exchange.want.tools.push_back({text(member(tool, "id")), text(member(tool, "name")), text(member(tool, "arguments"))});
  }
  yyjson_arr_iter tokens = yyjson_arr_iter_with(member(want, "logprob_tokens"));
  while (yyjson_val* token = yyjson_arr_iter_next(&tokens)) exchange.want.logprob_tokens.push_back(text(token));
  exchange.want.finish_reason = text(member(want, "finish_reason"));
  exchange.want.model = text(member(want, "model"));
  yyjson_val* usage = member(want, "usage");
  exchange.has_usage = usage != nullptr;
  if (yyjson_is_arr(usage)) {
    const auto count = [&](std::size_t i) { return whole_number_of(yyjson_arr_get(usage, i)).value_or(0); };
    exchange.usage = {count(0), count(1), count(2)};
  }
  return exchange;
}

}  // namespace

Told told_to_dify(std::string_view stream, std::size_t read_size) {
  Told told;
  std::string pending;
  bool going = true;
  // iter_lines: the last part of each read waits for the next one, unless the read ended with the delimiter.
  for (std::size_t at = 0; going && at < stream.size(); at += read_size) {
    std::string chunk = pending + std::string(stream.substr(at, read_size));
    pending.clear();
    std::size_t begin = 0;
    for (std::size_t end = chunk.find("\n\n"); going && end != std::string::npos; end = chunk.find("\n\n", begin)) {
      going = take_block(told, std::string_view(chunk).substr(begin, end - begin));
      begin = end + 2;
    }
    pending = chunk.substr(begin);
  }
  if (going && !pending.empty()) take_block(told, pending);
  return told;
}

Told told_by_body(std::string_view body) {
  Told told;
  const JsonDoc doc = JsonDoc::read(body);
  yyjson_val* choice = yyjson_arr_get_first(member(doc.root(), "choices"));
  if (choice == nullptr) {
    told.failure = "no choices";
    return told;
  }
  take_choice(told, choice, true);
  told.model = text(member(doc.root(), "model"));
  told.usage = usage_of(member(doc.root(), "usage"));
  told.chunks = 1;
  return told;
}

const std::vector<Exchange>& golden_exchanges() {
  static const std::vector<Exchange> exchanges = [] {
    std::vector<std::filesystem::path> wants;
    for (const auto& entry : std::filesystem::directory_iterator(OUTRIGGER_SOURCE_DIR "/tests/golden/exchanges")) {
      if (entry.path().extension() == ".want") wants.push_back(entry.path());
    }
    std::sort(wants.begin(), wants.end());
    std::vector<Exchange> all;
    for (const auto& want : wants) all.push_back(load(want));
    return all;
  }();
  return exchanges;
}

const Exchange& golden_exchange(std::string_view name) {
  for (const Exchange& exchange : golden_exchanges()) {
    if (exchange.name == name) return exchange;
  }
  FAIL("there is no exchange " << name);
  return golden_exchanges().front();
}

std::unique_ptr<AnswerReader> read_whole(chat::Endpoint endpoint, bool streamed, std::string_view body,
                                         std::size_t piece_size) {
  std::unique_ptr<AnswerReader> reader = make_answer_reader(endpoint, streamed);
  REQUIRE(reader);
  while (!body.empty()) {
    reader->feed(body.substr(0, piece_size));
    body.remove_prefix(std::min(piece_size, body.size()));
  }
  return reader;
}

std::string verdict_of(const std::expected<Answer, chat::NoStoreReason>& answer) {
  return answer ? "stored" : std::string(chat::name(answer.error()));
}

Answer stored(chat::Endpoint endpoint, bool streamed, std::string_view body) {
  const auto answer = read_whole(endpoint, streamed, body)->finish();
  REQUIRE(verdict_of(answer) == "stored");
  return *answer;
}

std::string letters(const std::vector<Event>& events) {
  std::string text;
  for (const Event& event : events) text += "otued"[static_cast<std::size_t>(event.kind)];
  return text;
}

std::vector<std::string> differences(std::string_view json, std::string_view other) {
  const JsonDoc a = JsonDoc::read(json);
  const JsonDoc b = JsonDoc::read(other);
  REQUIRE(a.root() != nullptr);
  REQUIRE(b.root() != nullptr);
  std::vector<std::string> found;
  compare(a.root(), b.root(), "", found);
  return found;
}

std::string rendered(chat::Endpoint endpoint, const Answer& answer, const RenderOptions& options) {
  const auto out = render(endpoint, answer.encoded.view(), options);
  REQUIRE(out);
  return std::string(out->text.view());
}

}  // namespace outrigger::providers
