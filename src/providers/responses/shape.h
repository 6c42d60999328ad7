// How requests to /v1/responses are understood: their key, what they need, and what the cache must not answer.
#pragma once

#include "chat/shape.h"

namespace outrigger::providers::responses {

extern const chat::Shape k_shape;

}  // namespace outrigger::providers::responses
