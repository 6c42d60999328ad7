// A door with two clients, one of them with limits.
#pragma once

#include "proxy/clients.h"
#include "unit/proxy/door_bench.h"

namespace outrigger::proxy::test {

// A token of the prompt costs nothing, one of the answer a dollar. bench answers have two.
inline std::string client_config(std::string_view limits, std::string_view cache = "") {
  return fmt::format(R"([cache]
{}
[[upstream]]
name = "main"
url = "http://provider:9000/v1"
keys = ["upstream-secret"]
[[model]]
name = "m"
price = {{ input = 0, output = 1e6 }}
retry = {{ attempts = 1 }}
[[model]]
name = "*"
retry = {{ attempts = 1 }}
[[client]]
name = "desk"
key = "k"
{}
[[client]]
name = "other"
key = "other-key"
)",
                     cache, limits);
}

class ClientBench : public DoorBench {
 public:
  explicit ClientBench(std::string_view limits, std::string_view cache = "") : DoorBench(client_config(limits, cache)) {
    // Half a day before the end of a month.
    world.loop.set_wall(std::chrono::sys_days(std::chrono::year(2026) / 11 / 30) + 12h);
  }
  ClientAccount& account(std::string_view name = "desk") {
    ClientAccount* found = nullptr;
    door.clients().each([&](ClientAccount& account) {
      if (account.name() == name) found = &account;
    });
    OR_CHECK(found != nullptr);
    return *found;
  }
  [[nodiscard]] double spent(resilience::Period period = resilience::Period::day) { return account().spent_usd(period); }
  // An answer of two tokens, of so many, or none.
  std::string pay(std::string_view text) { return exchange({.text = std::string(text)}, "answer"); }
};

inline int status(const std::string& answer) { return answer.size() < 12 ? 0 : std::stoi(answer.substr(9, 3)); }
inline bool says(const std::string& answer, std::string_view words) {
  return body_of(answer).find(words) != std::string::npos;
}

}  // namespace outrigger::proxy::test
