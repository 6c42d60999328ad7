// The JSON objects of OpenAI's wire, written piece by piece into one buffer. Knows how objects look; render.cpp knows which.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "providers/openai/merged.h"
#include "providers/openai/pieces.h"

namespace outrigger::providers::openai {

// What an answer reports as its usage.
struct UsageShown {
  std::uint64_t prompt_tokens = 0;
  std::uint64_t completion_tokens = 0;
  std::uint64_t total_tokens = 0;
  const UsageTold* details = nullptr;  // whose further members are shown; may be null
};

void append_usage(std::string& to, const UsageShown& usage);

class Wire {
 public:
  Wire(Form form, bool stream, std::string_view model);

  // Streams: one event each.
  void chunk(const Piece& piece);
  void usage_chunk(const UsageShown& usage);
  void done();
  // Blocking: the whole body.
  void body(const Merged& answer, const UsageShown& usage);

  [[nodiscard]] std::size_t size() const { return text_.size(); }
  [[nodiscard]] Rendered rendered() &&;

 private:
  void begin();  // up to the model
  void choice(const ChoicePiece& piece);
  void delta(const ChoicePiece& piece);
  void message(const MergedChoice& choice);

  Form form_;
  bool stream_;
  std::string head_;             // the beginning of every object, `data: ` included
  std::uint32_t id_offset_ = 0;  // in head_
  std::uint32_t created_offset_ = 0;
  std::string text_;
  Rendered out_;
};

}  // namespace outrigger::providers::openai
