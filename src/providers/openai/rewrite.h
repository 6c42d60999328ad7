// The request body for another target: the same bytes but for the top-level members that the target wants otherwise. Works on
// the spans of the members, so the order, unknown members, the text of numbers and every blank stay as the client wrote them.
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace outrigger::providers::openai {

struct RequestRewrite {
  struct Rename {
    std::string from;
    std::string to;
  };
  // Applied in this order. Names are compared as what they mean ("\u006dodel" is "model").
  std::vector<std::string> drop = {};
  // In their order. A member that is there already, and not null, is never overwritten: then `from` goes, since the target
  // would refuse it. A null counts as absent and makes room.
  std::vector<Rename> rename = {};
  std::optional<std::uint64_t> max_output = std::nullopt;  // larger values of max_tokens and its other names come down to it
  // Set, and added if absent. Without a stream `stream_options` goes too, which providers refuse alone.
  std::optional<bool> stream = std::nullopt;
  // A stream shall tell its usage: set in `stream_options`, whose other members stay. What is there and no object is left alone.
  bool include_usage = false;
  std::optional<std::string> model = std::nullopt;  // set, and added if absent
};

// Nothing when `body` is not a JSON object. With an empty rewrite the result is `body`.
std::optional<std::string> rewrite_request(std::string_view body, const RequestRewrite& rewrite);

}  // namespace outrigger::providers::openai
