// How Cohere's requests for embeddings are understood: texts, pictures, or inputs that mix them.
#pragma once

#include "chat/shape.h"

namespace outrigger::providers::embed {

extern const chat::Shape k_shape;
extern const chat::Shape k_shape_v2;

}  // namespace outrigger::providers::embed
