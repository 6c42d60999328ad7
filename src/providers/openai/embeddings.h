// Embeddings answers: taken apart into one JSON text per vector, and put together again. A vector's numbers are never read as
// numbers: they stay the characters that the provider sent.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

#include "chat/reasons.h"
#include "providers/answer.h"

namespace outrigger::providers::openai {

std::expected<EmbeddingsAnswer, chat::NoStoreReason> read_embeddings(std::string_view body, std::size_t expected_count);
std::string render_embeddings(const EmbeddingsAnswer& answer);

}  // namespace outrigger::providers::openai
