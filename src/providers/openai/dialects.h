// OpenAI's three older endpoints, as dialects.
#pragma once

#include "providers/dialect.h"

namespace outrigger::providers::openai {

const Dialect& chat_dialect();
const Dialect& completions_dialect();
const Dialect& embeddings_dialect();

}  // namespace outrigger::providers::openai
