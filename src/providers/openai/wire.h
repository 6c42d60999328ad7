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

// `usage` members that chunks tell besides their choices.
enum class UsageInChunks : unsigned char {
  as_told,
  null,  // the reader asked for a usage chunk: there it is told, and once
  zero,
};

class Wire {
 public:
  Wire(const Head& head, const RenderOptions& options);

  // Streams: one event each.
  void chunk(const Piece& piece);
  void usage_chunk(const Piece& piece, const UsageShown& usage);
  void done();
  // Blocking: the whole body, as it was or put together.
  void body(const Piece& answer, const UsageShown& usage);
  void body(const Merged& answer, const UsageShown& usage);
  // The model that the answer names, for what no chunk of the provider stood for; as JSON text.
  [[nodiscard]] std::string_view model() const { return model_; }

  [[nodiscard]] std::size_t size() const { return text_.size(); }
  [[nodiscard]] Rendered rendered() &&;

 private:
  void begin(const Text& object, const Text& model);  // up to the model
  void choices(const Piece& piece);
  void choice(const ChoicePiece& piece);
  void message(const ChoicePiece& piece);  // or a delta
  void message(const MergedChoice& choice);
  template <class Extras>
  void root_extras(const Extras& extras);

  Form form_;
  bool stream_;
  UsageInChunks usage_in_chunks_ = UsageInChunks::as_told;
  bool zero_usage_;
  std::string model_;
  std::string text_;
  Rendered out_;
};

}  // namespace outrigger::providers::openai
