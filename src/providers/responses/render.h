// A stored answer on the wire: a stream in its original events or in natural ones, a body as it was or the final object of a stream.
#pragma once

#include <optional>
#include <string_view>

#include "providers/answer.h"

namespace outrigger::providers::responses {

inline constexpr std::size_t k_rendered_size_max = std::size_t{64} << 20;

std::optional<Rendered> render(std::string_view encoded, const RenderOptions& options);

}  // namespace outrigger::providers::responses
