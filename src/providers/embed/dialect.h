// Embeddings that are kept whole: Cohere's embed in both versions, and what comes for OpenAI's path and must not be cut into
// elements (objects, late chunking; see Reading::keep_whole), which is Jina's wire.
#pragma once

#include "providers/dialect.h"

namespace outrigger::providers::embed {

const Dialect& dialect();
const Dialect& dialect_v2();

}  // namespace outrigger::providers::embed
