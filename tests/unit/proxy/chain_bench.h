// A door with a chain of two targets.
#pragma once

#include <string>

#include "unit/proxy/door_bench.h"

namespace outrigger::proxy::test {

// Two upstreams, the second with a key of its own and another model.
inline const std::string k_upstreams = R"(
[[upstream]]
name = "main"
url = "http://provider:9000/v1"
[[upstream]]
name = "relay"
url = "http://relay:9000/v1"
keys = ["relay-key"]
)";
inline const std::string k_model = R"(
[[model]]
name = "m"
fallback = ["relay:m-small"]
)";

struct ChainBench : DoorBench {
  explicit ChainBench(const std::string& model = k_model, const std::string& more = "")
      : DoorBench(more + k_upstreams + model) {
    add_upstream("relay");
  }
  // Whom the requests went to so far.
  [[nodiscard]] std::string hosts() const {
    std::string all;
    for (const Asked& one : asked) all += one.host == "relay" ? 'r' : 'm';
    return all;
  }
};

inline const std::string k_error = R"({"error":{"message":"it hurts","type":"server_error","code":"sick"}})";

inline void answer_stream(const Asked& asked, std::string_view text) {
  asked.begin_stream();
  asked.chunk(event(text));
  asked.chunk(k_stop);
  asked.chunk(k_done);
  asked.end_stream();
}

}  // namespace outrigger::proxy::test
