// What a target is called: its identity among Lanes, and its name in metrics, log, traces and status. Models may be called anything in
// any script, and clients make names up, so two targets never share a name and no name holds what could do harm. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace outrigger::proxy {

// In bytes; as long as a metric's label may be.
inline constexpr std::size_t k_target_name_max = 128;

// "upstream:model", or "upstream" where there is no model. Valid UTF-8 without control characters: what is none stands there
// percent-encoded. Of a long name the end is a digest of the whole.
std::string target_name(std::string_view upstream, std::string_view model);

// Such a name for a header, where visible ASCII may stand and nothing else: all other bytes are percent-encoded. Decoded it is the name
// as it came, unless that was cut.
void append_header_safe(std::string& to, std::string_view name);

}  // namespace outrigger::proxy
