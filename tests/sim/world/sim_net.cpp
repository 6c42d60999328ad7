#include "sim/world/sim_net.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "sim/world/link.h"

namespace outrigger::sim {
namespace {

constexpr std::uint16_t k_first_chosen_port = 40'000;
constexpr std::uint32_t k_unix_port = 65'536;  // not a port: keeps Unix paths apart from host names

bool is_wildcard(const std::string& host) { return host.empty() || host == "0.0.0.0" || host == "::"; }

std::string text_of(const io::Address& address) {
  return address.is_unix ? "unix:" + address.host : address.host + ":" + std::to_string(address.port);
}

}  // namespace

// A place that listens. Connections under way look it up when they arrive.
struct SimNet::Door {
  io::Address bound;
  bool tls = false;
  std::move_only_function<void(std::unique_ptr<io::Stream>)> accepted;
};

class SimListener : public io::Listener {
 public:
  SimListener(SimNet& net, std::weak_ptr<int> alive, io::Address bound)
      : net_(net), net_alive_(std::move(alive)), bound_(std::move(bound)) {}
  ~SimListener() override {
    if (!net_alive_.expired()) net_.doors_.erase(SimNet::key_of(bound_));
  }
  SimListener(const SimListener&) = delete;
  SimListener& operator=(const SimListener&) = delete;
  [[nodiscard]] io::Address bound() const override { return bound_; }
  Result<void> set_tls(const std::optional<io::TlsServer>& tls) override {
    net_.doors_.at(SimNet::key_of(bound_))->tls = tls.has_value();
    return {};
  }

 private:
  SimNet& net_;
  std::weak_ptr<int> net_alive_;
  io::Address bound_;
};

// One connect() under way:  resolving --dns_delay--> travelling --one way--> (door accepts) --one way--> done
// The time limit runs beside it; whoever is first wins.
class SimNet::Connecting : public io::Pending {
 public:
  Connecting(SimNet& net, io::Address to, Duration timeout, io::ConnectDone done)
      : net_(net), to_(std::move(to)), site_(net.shared_site(to_)), rng_(net.rng_.fork()), done_(std::move(done)) {
    ++site_->connects_asked;
    if (site_->next_plans.empty()) {
      plan_ = site_->faults.draw(rng_);
    } else {
      plan_ = site_->next_plans.front();
      site_->next_plans.pop_front();
    }
    loop().digest().add(Event::connect_asked, loop().now());
    limit_ = loop().after(timeout, [this] { finish_with(ErrorCode::connect_timeout); });
    step_ = loop().after(site_->dns_delay, [this] { on_resolved(); });
  }
  ~Connecting() override {
    if (link_ != nullptr && done_) link_->destroy(Link::client);
  }
  Connecting(const Connecting&) = delete;
  Connecting& operator=(const Connecting&) = delete;

 private:
  SimLoop& loop() { return net_.loop_; }

  void on_resolved() {
    if (site_->dns_fails) return finish_with(ErrorCode::dns_failed);
    if (plan_.connect == ConnectFate::blackhole) return;
    step_ = loop().at(one_way(), [this] { on_arrived(); });
  }

  void on_arrived() {
    const std::shared_ptr<Door> door = net_.find_door(to_);
    if (door == nullptr || plan_.connect == ConnectFate::refused) {
      step_ = loop().at(one_way(), [this] { finish_with(ErrorCode::connect_refused); });
      return;
    }
    // 10.0.0.0/8 stands for "somewhere else"; the ephemeral ports of Linux begin at 32768.
    const std::uint32_t number = net_.next_client_++;
    const std::string from = "10.0.0.1:" + std::to_string(32'768 + number % 28'000);
    link_ = std::make_shared<Link>(loop(), rng_.fork(), site_, plan_, net_.open_streams_, from, text_of(to_));
    net_.remember(to_, link_);
    step_ = loop().at(link_->arrival(), [this] { on_done(); });
    if (door->tls) {
      link_->await_tls([waiting = std::weak_ptr<Door>(door), travelling = std::weak_ptr<Link>(link_)] {
        const std::shared_ptr<Link> link = travelling.lock();
        if (link == nullptr) return;
        const std::shared_ptr<Door> still_open = waiting.lock();
        if (still_open == nullptr) return link->cut();
        still_open->accepted(link->open(Link::server));
      });
      return;
    }
    loop().digest().add(Event::accepted, loop().now());
    // Last: the program may do anything now, also abandon this connect.
    door->accepted(link_->open(Link::server));
  }

  void on_done() {
    ++site_->connects_done;
    loop().digest().add(Event::connect_done, loop().now());
    finish(link_->open(Link::client));
  }

  void finish_with(ErrorCode code) {
    loop().digest().add(Event::connect_failed, loop().now(), static_cast<std::uint64_t>(code));
    if (link_ != nullptr) std::exchange(link_, nullptr)->destroy(Link::client);
    finish(fail(code, text_of(to_)));
  }

  void finish(Result<std::unique_ptr<io::Stream>> result) {
    step_.cancel();
    limit_.cancel();
    // The callback may destroy this object.
    io::ConnectDone done = std::exchange(done_, nullptr);
    done(std::move(result));
  }

  [[nodiscard]] MonoTime one_way() {
    const LinkShape& shape = site_->shape;
    const auto jitter = static_cast<std::uint64_t>(std::max<Duration::rep>(1, shape.jitter.count()));
    return std::max(loop().now(), site_->clogged_until) + shape.latency +
           Duration(static_cast<Duration::rep>(rng_.below(jitter)));
  }

  SimNet& net_;
  io::Address to_;
  std::shared_ptr<Site> site_;
  Rng rng_;
  LinkPlan plan_;
  io::ConnectDone done_;
  std::shared_ptr<Link> link_;
  io::Timer step_, limit_;
};

// One start_tls() under way: one way to the door, which accepts now, and one way back.
class SimNet::Handshaking : public io::Pending {
 public:
  Handshaking(SimLoop& loop, std::unique_ptr<io::Stream> stream, std::string name, Duration timeout, io::ConnectDone done)
      : loop_(loop), stream_(std::move(stream)), name_(std::move(name)), done_(std::move(done)) {
    const auto* ours = dynamic_cast<const SimStream*>(stream_.get());
    if (ours != nullptr) link_ = ours->link();
    limit_ = loop_.after(timeout, [this] { finish(fail(ErrorCode::connect_timeout, "TLS handshake with " + name_)); });
    step_ = loop_.at(arrival(), [this] { on_arrived(); });
  }

 private:
  [[nodiscard]] MonoTime arrival() { return link_ != nullptr ? link_->arrival() : loop_.now(); }

  void on_arrived() {
    step_ = loop_.at(arrival(), [this] { on_done(); });
    // Last: the program may do anything now.
    if (link_ != nullptr && !link_->plan().tls_fails) link_->begin_tls();
  }

  void on_done() {
    if (link_ != nullptr && (link_->plan().tls_fails || link_->broken(Link::client))) {
      finish(fail(ErrorCode::tls_failed, "TLS handshake with " + name_));
      return;
    }
    loop_.digest().add(Event::tls_done, loop_.now());
    finish(std::move(stream_));
  }

  void finish(Result<std::unique_ptr<io::Stream>> result) {
    step_.cancel();
    limit_.cancel();
    if (!result) stream_.reset();
    io::ConnectDone done = std::move(done_);
    done(std::move(result));
  }

  SimLoop& loop_;
  std::unique_ptr<io::Stream> stream_;
  std::shared_ptr<Link> link_;
  std::string name_;
  io::ConnectDone done_;
  io::Timer step_, limit_;
};

SimNet::SimNet(SimLoop& loop, std::uint64_t seed)
    : loop_(loop),
      rng_(seed),
      open_streams_(std::make_shared<std::size_t>(0)),
      next_port_(k_first_chosen_port),
      alive_(std::make_shared<int>(0)) {}

SimNet::~SimNet() = default;

std::unique_ptr<io::Pending> SimNet::connect(const io::Address& to, Duration timeout, io::ConnectDone done) {
  return std::make_unique<Connecting>(*this, to, timeout, std::move(done));
}

std::unique_ptr<io::Pending> SimNet::start_tls(std::unique_ptr<io::Stream> stream, const io::TlsClient& tls,
                                               Duration timeout, io::ConnectDone done) {
  tls_names_.push_back(tls.server_name);
  return std::make_unique<Handshaking>(loop_, std::move(stream), tls.server_name, timeout, std::move(done));
}

Result<std::unique_ptr<io::Listener>> SimNet::listen(const io::Address& at, const std::optional<io::TlsServer>& tls,
                                                     std::move_only_function<void(std::unique_ptr<io::Stream>)> accepted) {
  io::Address bound = at;
  while (!bound.is_unix && bound.port == 0) {
    io::Address candidate = at;
    candidate.port = next_port_++;
    if (!doors_.contains(key_of(candidate))) bound = candidate;
  }
  if (doors_.contains(key_of(bound))) return fail(ErrorCode::io_failed, "address in use");
  doors_[key_of(bound)] = std::make_shared<Door>(bound, tls.has_value(), std::move(accepted));
  return std::make_unique<SimListener>(*this, alive_, bound);
}

Site& SimNet::site(const io::Address& at) { return *shared_site(at); }

void SimNet::clog(const io::Address& at, Duration span) {
  Site& clogged = site(at);
  clogged.clogged_until = std::max(clogged.clogged_until, loop_.now() + span);
}

void SimNet::cut(const io::Address& at) {
  for (const std::weak_ptr<Link>& link : links_[key_of(at)]) {
    if (const std::shared_ptr<Link> alive = link.lock()) alive->cut();
  }
}

std::size_t SimNet::open_streams() const { return *open_streams_; }

SimNet::Key SimNet::key_of(const io::Address& address) {
  return {is_wildcard(address.host) ? std::string() : address.host, address.is_unix ? k_unix_port : address.port};
}

std::shared_ptr<Site> SimNet::shared_site(const io::Address& at) {
  std::shared_ptr<Site>& site = sites_[key_of(at)];
  if (site == nullptr) {
    site = std::make_shared<Site>();
    site->shape = default_shape;
  }
  return site;
}

std::shared_ptr<SimNet::Door> SimNet::find_door(const io::Address& to) const {
  auto found = doors_.find(key_of(to));
  // Who listens on every interface is found under any name.
  if (found == doors_.end() && !to.is_unix) found = doors_.find(Key{std::string(), to.port});
  return found == doors_.end() ? nullptr : found->second;
}

void SimNet::remember(const io::Address& to, const std::shared_ptr<Link>& link) {
  std::vector<std::weak_ptr<Link>>& links = links_[key_of(to)];
  std::erase_if(links, [](const std::weak_ptr<Link>& old) { return old.expired(); });
  links.push_back(link);
}

}  // namespace outrigger::sim
