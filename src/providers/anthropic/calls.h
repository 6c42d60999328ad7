// Tools and their calls, as this wire has them: ids of a certain alphabet, inputs that are objects, and tools of Anthropic's own.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace outrigger::providers::anthropic {

// Of the tools that have a dated name ("bash_20250124"), the client runs these; the others run at the provider.
bool runs_at_client(std::string_view tool_type);

// Ids must match ^[A-Za-z0-9_-]+$.
bool is_valid_id(std::string_view id);

// Gives each call of a request an id of its own that is valid, and its result the same. Ids that are so already stay as they are.
class CallIds {
 public:
  std::string of_call(std::string_view id);
  // Where several calls had one id, their results come in the order of the calls.
  std::string of_result(std::string_view id);

 private:
  struct Given {
    std::vector<std::string> ids;  // in the order of the calls
    std::size_t answered = 0;
  };
  std::map<std::string, Given, std::less<>> given_;  // trees, because ids come from outside
  std::set<std::string, std::less<>> used_;
  std::size_t next_ = 1;
};

// With what is not allowed replaced; not empty.
std::string valid_id(std::string_view id);

// The arguments of a call as the JSON text of an object. Nothing is an empty one; what is no object stands in one, and `changed`
// becomes true.
std::string input_of(std::string_view arguments, bool& changed);

}  // namespace outrigger::providers::anthropic
