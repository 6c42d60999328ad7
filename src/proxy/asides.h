// Asides: small calls of our own to a backend, for which no client waits. Each has some seconds and a connection of its own, and is
// made once; of too many at once the rest is left out.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/client.h"
#include "proxy/snapshot.h"

namespace outrigger::proxy {

class Asides {
 public:
  static constexpr Duration k_limit = 10s;
  static constexpr std::size_t k_body_max = 64 * 1024;  // of an answer; more is a failure

  struct Result {
    std::string_view outcome;  // "ok" (2xx), "refused", "failed" or "timeout"; of static storage
    std::string body;          // of "ok"
  };
  // Called once, never from start(), and not at all when the Asides go first.
  using Done = std::function<void(const Result& result)>;

  // `client` must outlive it.
  Asides(io::World world, http::Client& client, std::size_t at_once_max);
  Asides(const Asides&) = delete;
  Asides& operator=(const Asides&) = delete;
  ~Asides();

  [[nodiscard]] bool has_place() const { return running_.size() < at_once_max_; }
  [[nodiscard]] std::size_t size() const { return running_.size(); }
  // `head` as it is to be sent; only while has_place().
  void start(const Target& target, const http::RequestHead& head, std::optional<Bytes> body, Done done);

 private:
  class Aside;
  void end(std::uint64_t id, const Result& result);

  io::World world_;
  http::Client& client_;
  std::size_t at_once_max_;
  std::uint64_t next_id_ = 0;
  std::map<std::uint64_t, std::unique_ptr<Aside>> running_;
};

}  // namespace outrigger::proxy
