// How rerank requests are understood.
#pragma once

#include "chat/shape.h"

namespace outrigger::providers::rerank {

// Of the texts only the query is normalised, at most `safe`. Documents stay byte for byte: many servers repeat them in the answer,
// and they come from a store that writes them in one way anyhow. Their order counts, for the answer speaks of their places.
// The fixed question by which Dify checks credentials is a ping.
extern const chat::Shape k_shape;

}  // namespace outrigger::providers::rerank
