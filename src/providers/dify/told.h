// The few members of Dify's bodies and events that say whether something went wrong. Pure; total.
#pragma once

#include <yyjson.h>

#include <string>
#include <string_view>

namespace outrigger::providers::dify {

struct Told {
  bool is_error = false;    // an `error` event, or the envelope {"code","message","status"}
  bool run_failed = false;  // workflow_finished, or a blocking answer of a workflow, with status `failed`
  int status = 0;           // as told, 400 to 599; 0: none
  std::string code;         // letters, digits and `_.:-`, at most Signal::k_code_max; else empty. Of errors, as the rest is
  std::string message;      // its beginning
};

// Of what is not JSON: nothing.
Told read_told(std::string_view json);
Told read_told(yyjson_val* root);

}  // namespace outrigger::providers::dify
