#include "providers/answer.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "providers/dialect.h"
#include "providers/openai/embeddings.h"

namespace outrigger::providers {
namespace {

// In OpenAI's shape where the dialect is not known: most clients read that.
const Dialect& speaking(chat::Endpoint endpoint) {
  const Dialect* dialect = dialect_of(endpoint);
  return dialect != nullptr ? *dialect : *dialect_of(chat::Endpoint::chat_completions);
}

ErrorSaid said(ErrorCode code, std::string_view message = {}) {
  const ErrorTraits& error = traits(code);
  return {error.status, std::string(error.type), std::string(error.name),
          std::string(message.empty() ? error.message : message)};
}

constexpr std::string_view k_letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
static_assert(k_letters.size() == 62);
constexpr std::size_t k_letters_of_word = 12;  // 62^11 > 2^64: eleven tell all words apart, the twelfth only fills
static_assert(2 * k_letters_of_word == k_id_size);

void write_word(char* to, std::uint64_t word) {
  const std::uint64_t fill = word ^ (word >> 32);
  for (std::size_t i = 0; i + 1 < k_letters_of_word; ++i, word /= 62) to[i] = k_letters[word % 62];
  to[k_letters_of_word - 1] = k_letters[fill % 62];
}

// The years 2001 to 2286: what ten digits hold without a leading zero, which JSON does not know.
constexpr std::int64_t k_created_min = 1'000'000'000;
constexpr std::int64_t k_created_max = 9'999'999'999;
constexpr std::size_t k_created_size = 10;

std::array<char, k_created_size> created_digits(std::int64_t created) {
  std::array<char, k_created_size> digits{};
  std::int64_t left = std::clamp(created, k_created_min, k_created_max);
  for (std::size_t i = digits.size(); i-- > 0; left /= 10) digits[i] = static_cast<char>('0' + left % 10);
  return digits;
}

}  // namespace

std::unique_ptr<AnswerReader> make_answer_reader(chat::Endpoint endpoint, bool streamed) {
  const Dialect* dialect = dialect_of(endpoint);
  return dialect != nullptr ? dialect->make_reader(streamed) : nullptr;
}

std::string id_text(std::uint64_t high, std::uint64_t low) {
  std::string id(k_id_size, '\0');
  write_word(id.data(), high);
  write_word(id.data() + k_letters_of_word, low);
  return id;
}

Bytes personalise(const Rendered& rendered, std::uint64_t id_high, std::uint64_t id_low, std::int64_t created) {
  std::array<char, k_id_size> id{};
  write_word(id.data(), id_high);
  write_word(id.data() + k_letters_of_word, id_low);
  const std::array<char, k_created_size> digits = created_digits(created);
  return Bytes::make(rendered.text.size(), [&](char* to) {
    std::memcpy(to, rendered.text.data(), rendered.text.size());
    for (const std::uint32_t offset : rendered.ids) std::memcpy(to + offset, id.data(), id.size());
    for (const std::uint32_t offset : rendered.createds) std::memcpy(to + offset, digits.data(), digits.size());
  });
}

std::optional<Rendered> render(chat::Endpoint endpoint, std::string_view encoded, const RenderOptions& options) {
  const Dialect* dialect = dialect_of(endpoint);
  return dialect != nullptr ? dialect->render(encoded, options) : std::nullopt;
}

bool has_optional_usage(chat::Endpoint endpoint) {
  const Dialect* dialect = dialect_of(endpoint);
  return dialect != nullptr && dialect->has_optional_usage();
}

std::string usage_event(chat::Endpoint endpoint, std::string_view like, const Usage& usage) {
  return speaking(endpoint).usage_event(like, usage);
}

std::optional<Answer> fixed_answer(chat::Endpoint endpoint, std::string_view model, std::string_view text) {
  const Dialect* dialect = dialect_of(endpoint);
  return dialect != nullptr ? dialect->fixed_answer(model, text) : std::nullopt;
}

std::string error_body(chat::Endpoint endpoint, ErrorCode code, std::string_view message) {
  return speaking(endpoint).error_body(said(code, message));
}
std::string error_event(chat::Endpoint endpoint, ErrorCode code, std::size_t events) {
  return speaking(endpoint).error_event(said(code), events);
}

std::expected<EmbeddingsAnswer, chat::NoStoreReason> read_embeddings(std::string_view body, std::size_t expected_count) {
  return openai::read_embeddings(body, expected_count);
}
std::string render_embeddings(const EmbeddingsAnswer& answer) { return openai::render_embeddings(answer); }

}  // namespace outrigger::providers
