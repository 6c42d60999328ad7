// From the stored form to the wire: which objects an answer becomes, in either form.
#pragma once

#include <optional>
#include <string_view>

#include "providers/answer.h"
#include "providers/openai/pieces.h"

namespace outrigger::providers::openai {

// An answer that grows beyond this on the wire is not written: a million tiny pieces in a stored entry.
inline constexpr std::size_t k_rendered_size_max = std::size_t{64} << 20;

std::optional<Rendered> render(Form form, std::string_view encoded, const RenderOptions& options);

}  // namespace outrigger::providers::openai
