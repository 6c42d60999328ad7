// SimNet: io::Net in virtual time. Connections are links between two ends (link.h) with latency, a bounded window and, where a
// test asks for it, faults.
//
// An address that nobody listens on refuses after one round trip. Host names are names: nothing is resolved, but a site can be
// told to fail like DNS does. All randomness comes from the seed.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/rng.h"
#include "io/net.h"
#include "sim/world/link_plan.h"
#include "sim/world/sim_loop.h"

namespace outrigger::sim {

class Link;

// What connections to one address meet. Changes count for connections made afterwards, except clogged_until.
struct Site {
  LinkShape shape;
  LinkFaults faults;
  std::deque<LinkPlan> next_plans;  // for the next connections, one each, before `faults` are asked
  bool dns_fails = false;
  Duration dns_delay{};
  // Until then nothing moves in either direction, handshakes included: for connections that exist, too.
  MonoTime clogged_until{};
  // Counters, for tests.
  std::uint64_t connects_asked = 0;
  std::uint64_t connects_done = 0;
};

class SimNet : public io::Net {
 public:
  SimNet(SimLoop& loop, std::uint64_t seed);
  ~SimNet() override;
  SimNet(const SimNet&) = delete;
  SimNet& operator=(const SimNet&) = delete;

  [[nodiscard]] std::unique_ptr<io::Pending> connect(const io::Address& to, Duration timeout, io::ConnectDone done) override;
  // A marker: the same stream comes back after one round trip, and server_name is noted. A stream that is not of this net comes
  // back too.
  [[nodiscard]] std::unique_ptr<io::Pending> start_tls(std::unique_ptr<io::Stream> stream, const io::TlsClient& tls,
                                                       Duration timeout, io::ConnectDone done) override;
  // With `tls`, a connection is accepted when its client has called start_tls; bytes before that break it.
  [[nodiscard]] Result<std::unique_ptr<io::Listener>> listen(
      const io::Address& at, const std::optional<io::TlsServer>& tls,
      std::move_only_function<void(std::unique_ptr<io::Stream>)> accepted) override;

  // The site of an address; made with the shape `default_shape` when it is first named.
  [[nodiscard]] Site& site(const io::Address& at);
  LinkShape default_shape;

  // Nothing moves on any link of `at` for `span`.
  void clog(const io::Address& at, Duration span);
  // Breaks every connection that was made to `at`, from the middle: both ends hear upstream_reset.
  void cut(const io::Address& at);

  // Ends of links that some Stream still holds: zero when everything was closed.
  [[nodiscard]] std::size_t open_streams() const;
  // The server names of all TLS handshakes begun, in order.
  [[nodiscard]] const std::vector<std::string>& tls_names() const { return tls_names_; }

 private:
  friend class SimListener;
  class Connecting;
  class Handshaking;
  struct Door;
  using Key = std::pair<std::string, std::uint32_t>;

  static Key key_of(const io::Address& address);
  [[nodiscard]] std::shared_ptr<Site> shared_site(const io::Address& at);
  [[nodiscard]] std::shared_ptr<Door> find_door(const io::Address& to) const;
  void remember(const io::Address& to, const std::shared_ptr<Link>& link);

  SimLoop& loop_;
  Rng rng_;
  std::map<Key, std::shared_ptr<Site>> sites_;
  std::map<Key, std::shared_ptr<Door>> doors_;
  std::map<Key, std::vector<std::weak_ptr<Link>>> links_;
  std::shared_ptr<std::size_t> open_streams_;
  std::vector<std::string> tls_names_;
  std::uint16_t next_port_;
  std::uint32_t next_client_ = 0;
  std::shared_ptr<int> alive_;  // tells a Listener that outlives the net so
};

}  // namespace outrigger::sim
