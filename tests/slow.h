// Under AddressSanitizer a test runs some ten times as long: whoever plays for long plays less there. What has to be true of the figures
// is checked in full by the other builds.
#pragma once

namespace outrigger {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool k_is_slow = true;
#else
inline constexpr bool k_is_slow = false;
#endif

}  // namespace outrigger
