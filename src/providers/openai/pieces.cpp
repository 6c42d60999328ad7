#include "providers/openai/pieces.h"

#include <array>
#include <cstring>

namespace outrigger::providers::openai {
namespace {

constexpr std::string_view k_magic = "ORA\x01";
constexpr std::size_t k_checksum_size = 8;

constexpr std::array k_choice_texts{
    &ChoicePiece::role,         &ChoicePiece::content,       &ChoicePiece::reasoning_content,  &ChoicePiece::reasoning,
    &ChoicePiece::refusal,      &ChoicePiece::function_name, &ChoicePiece::function_arguments, &ChoicePiece::logprobs,
    &ChoicePiece::finish_reason};
constexpr std::array k_tool_texts{&ToolPiece::id, &ToolPiece::type, &ToolPiece::name, &ToolPiece::arguments};

// Flags. Those of choices and tools stand after one bit per text.
constexpr std::uint64_t k_choice_tools = 1 << 9;
constexpr std::uint64_t k_choice_delta_extras = 1 << 10;
constexpr std::uint64_t k_choice_extras = 1 << 11;
constexpr std::uint64_t k_choice_flags_max = (1 << 12) - 1;
constexpr std::uint64_t k_tool_index = 1 << 4;
constexpr std::uint64_t k_tool_custom = 1 << 5;
constexpr std::uint64_t k_tool_extras = 1 << 6;
constexpr std::uint64_t k_tool_flags_max = (1 << 7) - 1;
constexpr std::uint64_t k_piece_same_extras = 1;
constexpr std::uint64_t k_piece_flags_max = 1;
constexpr std::uint64_t k_head_streamed = 1;
constexpr std::uint64_t k_head_usage = 2;
constexpr std::uint64_t k_head_flags_max = 3;

void put(std::string& to, std::uint64_t number) {
  for (; number >= 0x80; number >>= 7) to += static_cast<char>(number | 0x80);
  to += static_cast<char>(number);
}

void put(std::string& to, std::string_view text) {
  put(to, text.size());
  to += text;
}

void put(std::string& to, const Extras& extras) {
  put(to, extras.size());
  for (const Extra& extra : extras) {
    put(to, extra.name);
    put(to, extra.json);
  }
}

template <class Struct, std::size_t N>
std::uint64_t bits_of(const Struct& from, const std::array<Text Struct::*, N>& texts) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < N; ++i) bits |= static_cast<std::uint64_t>((from.*texts[i]).has_value()) << i;
  return bits;
}

template <class Struct, std::size_t N>
void put_texts(std::string& to, const Struct& from, const std::array<Text Struct::*, N>& texts) {
  for (const auto text : texts) {
    if (const Text& value = from.*text) put(to, *value);
  }
}

void put(std::string& to, const ToolPiece& tool) {
  std::uint64_t bits = bits_of(tool, k_tool_texts);
  if (tool.index) bits |= k_tool_index;
  if (tool.custom) bits |= k_tool_custom;
  if (!tool.extras.empty()) bits |= k_tool_extras;
  put(to, bits);
  if (tool.index) put(to, *tool.index);
  put_texts(to, tool, k_tool_texts);
  if (!tool.extras.empty()) put(to, tool.extras);
}

void put(std::string& to, const ChoicePiece& choice) {
  std::uint64_t bits = bits_of(choice, k_choice_texts);
  if (!choice.tools.empty()) bits |= k_choice_tools;
  if (!choice.delta_extras.empty()) bits |= k_choice_delta_extras;
  if (!choice.extras.empty()) bits |= k_choice_extras;
  put(to, choice.index);
  put(to, bits);
  put_texts(to, choice, k_choice_texts);
  if (!choice.tools.empty()) put(to, choice.tools.size());
  for (const ToolPiece& tool : choice.tools) put(to, tool);
  if (!choice.delta_extras.empty()) put(to, choice.delta_extras);
  if (!choice.extras.empty()) put(to, choice.extras);
}

// Takes values off the front; after the first that cannot be, `ok` is false and everything else reads as empty.
struct Taker {
  std::string_view& rest;
  bool ok = true;

  std::uint64_t number(std::uint64_t limit) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; ok && shift < 64; shift += 7) {
      if (rest.empty()) break;
      const auto byte = static_cast<unsigned char>(rest.front());
      rest.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value <= limit ? value : fail();
    }
    return fail();
  }
  std::uint64_t fail() {
    ok = false;
    return 0;
  }
  std::string_view text() {
    const auto size = static_cast<std::size_t>(number(rest.size()));
    if (size > rest.size()) fail();
    if (!ok) return {};
    const std::string_view value = rest.substr(0, size);
    rest.remove_prefix(size);
    return value;
  }
  void extras(Extras& to) {
    for (std::uint64_t left = number(k_extras_max); ok && left > 0; --left) {
      const std::string_view name = text();
      to.push_back({name, text()});
    }
  }
  template <class Struct, std::size_t N>
  void texts(Struct& to, std::uint64_t bits, const std::array<Text Struct::*, N>& texts) {
    for (std::size_t i = 0; i < N; ++i) {
      if ((bits >> i & 1) != 0) to.*texts[i] = text();
    }
  }
  void tool(ToolPiece& to) {
    const std::uint64_t bits = number(k_tool_flags_max);
    if ((bits & k_tool_index) != 0) to.index = static_cast<std::uint32_t>(number(UINT32_MAX));
    to.custom = (bits & k_tool_custom) != 0;
    texts(to, bits, k_tool_texts);
    if ((bits & k_tool_extras) != 0) extras(to.extras);
  }
  void choice(ChoicePiece& to) {
    to.index = static_cast<std::uint32_t>(number(k_choices_max - 1));
    const std::uint64_t bits = number(k_choice_flags_max);
    texts(to, bits, k_choice_texts);
    if ((bits & k_choice_tools) != 0) {
      for (std::uint64_t left = number(k_tools_max); ok && left > 0; --left) tool(to.tools.emplace_back());
    }
    if ((bits & k_choice_delta_extras) != 0) extras(to.delta_extras);
    if ((bits & k_choice_extras) != 0) extras(to.extras);
  }
  void head(Head& to) {
    const std::uint64_t form = number(static_cast<std::uint64_t>(Form::text));
    if (form == 0) fail();
    to.form = static_cast<Form>(form);
    const std::uint64_t bits = number(k_head_flags_max);
    to.streamed = (bits & k_head_streamed) != 0;
    to.model = text();
    to.estimated_completion_tokens = number(UINT64_MAX);
    if ((bits & k_head_usage) == 0) return;
    UsageTold& told = to.usage.emplace();
    told.usage.prompt_tokens = number(UINT64_MAX);
    told.usage.completion_tokens = number(UINT64_MAX);
    told.total_tokens = number(UINT64_MAX);
    Extras details;
    extras(details);
    for (const Extra& detail : details) told.details.emplace_back(detail.name, detail.json);
  }
};

// FNV-1a. It guards against rubbish and bit rot, not against somebody who may write to Redis.
std::uint64_t checksum(std::string_view text) {
  std::uint64_t sum = 0xcbf29ce484222325ULL;
  for (const char c : text) sum = (sum ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return sum;
}

void put_head(std::string& to, const Head& head) {
  put(to, static_cast<std::uint64_t>(head.form));
  put(to, (head.streamed ? k_head_streamed : 0) | (head.usage ? k_head_usage : 0));
  put(to, head.model);
  put(to, head.estimated_completion_tokens);
  if (!head.usage) return;
  put(to, head.usage->usage.prompt_tokens);
  put(to, head.usage->usage.completion_tokens);
  put(to, head.usage->total_tokens);
  put(to, head.usage->details.size());
  for (const auto& [name, json] : head.usage->details) {
    put(to, std::string_view(name));
    put(to, std::string_view(json));
  }
}

}  // namespace

void PieceWriter::add(const Piece& piece) {
  extras_.clear();
  put(extras_, piece.extras);
  const bool same = extras_ == last_extras_;
  put(pieces_, same ? k_piece_same_extras : std::uint64_t{0});
  if (!same) pieces_ += extras_;
  last_extras_.swap(extras_);
  put(pieces_, piece.choices.size());
  for (const ChoicePiece& choice : piece.choices) put(pieces_, choice);
}

Bytes encode(const Head& head, std::string_view pieces) {
  std::string text;
  put_head(text, head);
  text += pieces;
  const std::uint64_t sum = checksum(text);
  return Bytes::make(k_magic.size() + k_checksum_size + text.size(), [&](char* to) {
    std::memcpy(to, k_magic.data(), k_magic.size());
    to += k_magic.size();
    for (std::size_t i = 0; i < k_checksum_size; ++i) *to++ = static_cast<char>(sum >> (8 * i));
    std::memcpy(to, text.data(), text.size());
  });
}

std::optional<PieceReader> PieceReader::open(std::string_view encoded) {
  if (!encoded.starts_with(k_magic) || encoded.size() < k_magic.size() + k_checksum_size) return std::nullopt;
  encoded.remove_prefix(k_magic.size());
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < k_checksum_size; ++i) {
    sum |= static_cast<std::uint64_t>(static_cast<unsigned char>(encoded[i])) << (8 * i);
  }
  encoded.remove_prefix(k_checksum_size);
  if (checksum(encoded) != sum) return std::nullopt;
  PieceReader reader(encoded);
  Taker taker{reader.rest_};
  taker.head(reader.head_);
  if (!taker.ok) return std::nullopt;
  return reader;
}

bool PieceReader::next(Piece& piece) {
  piece.extras.clear();
  piece.choices.clear();
  if (broken_ || rest_.empty()) return false;
  Taker taker{rest_};
  const std::uint64_t bits = taker.number(k_piece_flags_max);
  if ((bits & k_piece_same_extras) == 0) {
    last_extras_.clear();
    taker.extras(last_extras_);
  }
  piece.extras = last_extras_;
  for (std::uint64_t left = taker.number(k_choices_max); taker.ok && left > 0; --left)
    taker.choice(piece.choices.emplace_back());
  broken_ = !taker.ok;
  return taker.ok;
}

}  // namespace outrigger::providers::openai
