// What clients of Dify ask, as text. Pure.
//
// Each request has a mark, a number of its own. It travels in X-Mark, so that it is known again at the Dify, and stands in the
// question ("[[17]]"), which the simulated Dify repeats in its answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/time.h"

namespace outrigger::dify_sim {

enum class Kind : unsigned char { chat, agent, chatflow, completion, workflow, stop, upload, about_app, console, health };
[[nodiscard]] std::string_view name(Kind kind);

struct Ask {
  std::uint64_t mark = 0;
  Kind kind = Kind::chat;
  std::string user{};
  bool is_run = false;
  bool stream = false;
  std::string wire{};                  // the request, whole
  std::vector<std::uint64_t> marks{};  // of the questions that its answer may repeat
  std::string expects{};               // what a good answer holds

  // How the client behaves.
  std::optional<Duration> leaves_in{};
  std::optional<std::uint64_t> leaves_after{};  // bytes of the body
  std::vector<std::size_t> cuts{};              // the request is sent in pieces that end here, with pauses
  Duration read_pause{};                        // between two reads, for the first k_slow_reads of them
  bool reads = true;
  bool calm = false;  // nothing was wrong with the world: it must be answered well
};

[[nodiscard]] std::string in_question(std::uint64_t mark);

// A first turn of the app of that kind (chat, agent, chatflow), or another one of `conversation`; `before`: what was asked first.
[[nodiscard]] Ask turn(std::uint64_t mark, Kind kind, std::string user, bool stream, std::string_view conversation = {},
                       std::uint64_t before = 0);
// Of an app with inputs (completion, workflow).
[[nodiscard]] Ask inputs(std::uint64_t mark, Kind kind, std::string user, bool stream);
// `of`: the run's kind.
[[nodiscard]] Ask stop(std::uint64_t mark, Kind of, std::string user, std::string_view task);
// A file of `size` bytes, under a length or in chunks.
[[nodiscard]] Ask upload(std::uint64_t mark, std::string user, std::size_t size, bool chunked);
[[nodiscard]] Ask about_app(std::uint64_t mark);
[[nodiscard]] Ask console(std::uint64_t mark, bool changes);
[[nodiscard]] Ask health(std::uint64_t mark);

// The text of a member of a JSON text, or of events, where it stands first; letters, digits and '-' only.
[[nodiscard]] std::string word_of(std::string_view json, std::string_view member);
// What an answer says: the pieces of a stream put together, or else the text itself. As JSON writes it.
[[nodiscard]] std::string said_in(std::string_view body);
// All marks of questions in a text.
[[nodiscard]] std::vector<std::uint64_t> marks_in(std::string_view text);

}  // namespace outrigger::dify_sim
