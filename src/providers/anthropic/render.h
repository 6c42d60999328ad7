// From the stored form to the wire: as a stream or as a body, whichever way the answer came.
#pragma once

#include <optional>
#include <string_view>

#include "providers/answer.h"

namespace outrigger::providers::anthropic {

// An answer that grows beyond this on the wire is not written: a million tiny pieces in a stored entry.
inline constexpr std::size_t k_rendered_size_max = std::size_t{64} << 20;

std::optional<Rendered> render(std::string_view encoded, const RenderOptions& options);

}  // namespace outrigger::providers::anthropic
