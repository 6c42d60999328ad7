#include "dify_sim/asks.h"

#include <fmt/format.h>

#include <charconv>

#include "sim/hash.h"

namespace outrigger::dify_sim {
namespace {

std::string_view app_of(Kind kind) {
  switch (kind) {
    case Kind::agent:
      return "agent-chat";
    case Kind::chatflow:
      return "advanced-chat";
    case Kind::completion:
      return "completion";
    case Kind::workflow:
      return "workflow";
    default:
      return "chat";
  }
}

// `fields`: whole lines.
std::string request(std::uint64_t mark, std::string_view line, std::string_view fields, std::string_view body) {
  return fmt::format("{} HTTP/1.1\r\nHost: dify.example\r\nX-Mark: {}\r\n{}{}\r\n{}", line, mark, fields,
                     body.empty() ? std::string() : fmt::format("Content-Length: {}\r\n", body.size()), body);
}

std::string bearer(Kind kind) { return fmt::format("Authorization: Bearer app-{}\r\n", app_of(kind)); }

std::string post(std::uint64_t mark, Kind kind, std::string_view path, std::string_view body) {
  return request(mark, fmt::format("POST {}", path), bearer(kind) + "Content-Type: application/json\r\n", body);
}

std::string_view mode(bool stream) { return stream ? "streaming" : "blocking"; }

Ask run(std::uint64_t mark, Kind kind, std::string user, bool stream) {
  return {.mark = mark,
          .kind = kind,
          .user = std::move(user),
          .is_run = true,
          .stream = stream,
          .wire = {},
          .marks = {mark},
          .expects = in_question(mark)};
}

Ask small(std::uint64_t mark, Kind kind, std::string wire, std::string expects) {
  return {.mark = mark, .kind = kind, .user = {}, .wire = std::move(wire), .marks = {}, .expects = std::move(expects)};
}

}  // namespace

std::string_view name(Kind kind) {
  static constexpr std::string_view k_names[] = {"chat", "agent",  "chatflow",  "completion", "workflow",
                                                 "stop", "upload", "about_app", "console",    "health"};
  return k_names[static_cast<std::size_t>(kind)];
}

std::string in_question(std::uint64_t mark) { return fmt::format("[[{}]]", mark); }

Ask turn(std::uint64_t mark, Kind kind, std::string user, bool stream, std::string_view conversation, std::uint64_t before) {
  Ask ask = run(mark, kind, std::move(user), stream);
  if (before != 0) ask.marks.push_back(before);
  ask.wire =
      post(mark, kind, "/v1/chat-messages",
           fmt::format(R"({{"inputs":{{}},"query":"{} what?","user":"{}","response_mode":"{}","conversation_id":"{}"}})",
                       in_question(mark), ask.user, mode(stream), conversation));
  return ask;
}

Ask inputs(std::uint64_t mark, Kind kind, std::string user, bool stream) {
  Ask ask = run(mark, kind, std::move(user), stream);
  ask.wire = post(mark, kind, kind == Kind::workflow ? "/v1/workflows/run" : "/v1/completion-messages",
                  fmt::format(R"({{"inputs":{{"query":"{} what?"}},"user":"{}","response_mode":"{}"}})", in_question(mark),
                              ask.user, mode(stream)));
  return ask;
}

Ask stop(std::uint64_t mark, Kind of, std::string user, std::string_view task) {
  const std::string path = of == Kind::workflow     ? fmt::format("/v1/workflows/tasks/{}/stop", task)
                           : of == Kind::completion ? fmt::format("/v1/completion-messages/{}/stop", task)
                                                    : fmt::format("/v1/chat-messages/{}/stop", task);
  Ask ask = small(mark, Kind::stop, post(mark, of, path, fmt::format(R"({{"user":"{}"}})", user)), R"("success")");
  ask.user = std::move(user);
  return ask;
}

Ask upload(std::uint64_t mark, std::string user, std::size_t size, bool chunked) {
  std::string file(size, ' ');
  for (std::size_t i = 0; i < size; ++i) file[i] = static_cast<char>('a' + (i * 7 + mark) % 26);
  const std::string body = fmt::format(
      "--x\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\n{}\r\n--x\r\nContent-Disposition: form-data; "
      "name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\n{}\r\n--x--\r\n",
      user, file);
  const std::string fields = bearer(Kind::chat) + "Content-Type: multipart/form-data; boundary=x\r\n";
  Ask ask = small(mark, Kind::upload, {}, sim_provider::sha256_hex(file));
  ask.user = std::move(user);
  if (!chunked) {
    ask.wire = request(mark, "POST /v1/files/upload", fields, body);
    return ask;
  }
  ask.wire = request(mark, "POST /v1/files/upload", fields + "Transfer-Encoding: chunked\r\n", {});
  constexpr std::size_t k_chunk = 5000;
  for (std::size_t at = 0; at < body.size(); at += k_chunk) {
    const std::string chunk = body.substr(at, k_chunk);
    ask.wire += fmt::format("{:x}\r\n{}\r\n", chunk.size(), chunk);
  }
  ask.wire += "0\r\n\r\n";
  return ask;
}

Ask about_app(std::uint64_t mark) {
  return small(mark, Kind::about_app, request(mark, "GET /v1/parameters?user=u", bearer(Kind::chat), {}), "{");
}

Ask console(std::uint64_t mark, bool changes) {
  std::string wire = changes ? request(mark, "POST /console/api/datasets/1/documents", "Cookie: access_token=a\r\n", "{}")
                             : request(mark, "GET /console/api/apps", "Cookie: access_token=a\r\n", {});
  return small(mark, Kind::console, std::move(wire), "{");
}

Ask health(std::uint64_t mark) { return small(mark, Kind::health, request(mark, "GET /health", {}, {}), R"("ok")"); }

std::string word_of(std::string_view json, std::string_view member) {
  const std::string name = fmt::format("\"{}\":\"", member);
  const std::size_t at = json.find(name);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = json.substr(at + name.size());
  return std::string(rest.substr(0, rest.find('"')));
}

std::string said_in(std::string_view body) {
  if (!body.starts_with("data:") && !body.starts_with("event:")) return std::string(body);
  std::string said;
  for (const std::string_view member : {R"("answer":")", R"("text":")"}) {
    for (std::size_t at = 0; (at = body.find(member, at)) != std::string_view::npos;) {
      at += member.size();
      std::size_t end = at;
      while (end < body.size() && body[end] != '"') end += body[end] == '\\' ? 2 : 1;
      said += body.substr(at, end - at);
    }
  }
  return said;
}

std::vector<std::uint64_t> marks_in(std::string_view text) {
  std::vector<std::uint64_t> marks;
  for (std::size_t at = 0; (at = text.find("[[", at)) != std::string_view::npos;) {
    at += 2;
    std::uint64_t mark = 0;
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), mark);
    if (error == std::errc() && text.substr(static_cast<std::size_t>(end - text.data())).starts_with("]]")) {
      marks.push_back(mark);
    }
  }
  return marks;
}

}  // namespace outrigger::dify_sim
