// What Redis' error replies mean, in words for operators. Redis' own text is not passed on: it may quote arguments.
#pragma once

#include <string>
#include <string_view>

namespace outrigger::cache {

// "OOM" of "OOM command not allowed ..."; empty when the text does not begin with a code.
[[nodiscard]] std::string_view error_code(std::string_view error);
[[nodiscard]] std::string explain(std::string_view error);
// Nothing that is asked on this connection will be answered: it is of no use until Redis has changed.
[[nodiscard]] bool ends_link(std::string_view error);
// AUTH was said to a Redis that wants no password.
[[nodiscard]] bool needs_no_password(std::string_view error);

}  // namespace outrigger::cache
