// Rerank: a query and documents, answered by the documents' places in order of relevance. Jina's wire and its kin: Cohere's (both
// versions), Voyage's (`data` in place of `results`), and that of text-embeddings-inference (`texts`; a bare list).
#pragma once

#include "providers/dialect.h"

namespace outrigger::providers::rerank {

const Dialect& dialect();

}  // namespace outrigger::providers::rerank
