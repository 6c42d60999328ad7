// How the bodies of Anthropic's messages endpoint are understood: what of them is part of a key, and in which form.
#pragma once

#include "chat/shape.h"

namespace outrigger::providers::anthropic {

extern const chat::Shape k_messages_shape;

}  // namespace outrigger::providers::anthropic
