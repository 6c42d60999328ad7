#include "sim/provider.h"

#include <utility>

#include "http/server.h"
#include "sim/errors.h"
#include "sim/fault_stream.h"
#include "sim/session.h"

namespace outrigger::sim_provider {
namespace {

// Beyond it a new connection is closed at once; four times what Outrigger's own door takes.
constexpr std::size_t k_max_connections = 16'384;

http::ServerLimits limits_for(const Settings& settings) {
  http::ServerLimits limits;
  limits.body_bytes = settings.max_body;
  return limits;
}

}  // namespace

class Provider::Connection final : public http::Acceptor {
 public:
  Connection(Provider& provider, std::uint64_t id, std::unique_ptr<io::Stream> stream)
      : provider_(provider), server_(provider.world_, limits_for(provider.desk_.settings()), *this) {
    server_.accept(std::make_unique<FaultStream>(provider.world_.loop, std::move(stream), &stream_));
    server_.when_idle([this, id] { provider_.ended(id); });
  }

  std::unique_ptr<http::ExchangeHandler> on_request(http::Exchange& exchange) override {
    return std::make_unique<Session>(provider_.world_.loop, provider_.desk_, provider_.fast_, exchange, stream_);
  }
  ErrorBody on_refused(ErrorCode code) override {
    const ErrorTraits& error = traits(code);
    return {"application/json", error_body(error.message, error.type, {}, error.name)};
  }

 private:
  Provider& provider_;
  FaultStream* stream_ = nullptr;  // before server_, which owns it and empties this when it goes
  http::Server server_;
};

Provider::Provider(io::World world, Settings settings)
    : world_(world), desk_(std::move(settings), world.rng.fork(), world.loop.now()), fast_(desk_.settings()) {}

Provider::~Provider() = default;

Result<io::Address> Provider::listen() {
  auto address = io::parse_address(desk_.settings().listen);
  if (!address) return std::unexpected(std::move(address.error()));
  auto listener =
      world_.net.listen(*address, std::nullopt, [this](std::unique_ptr<io::Stream> stream) { accept(std::move(stream)); });
  if (!listener) return std::unexpected(std::move(listener.error()));
  listener_ = std::move(*listener);
  return listener_->bound();
}

void Provider::accept(std::unique_ptr<io::Stream> stream) {
  if (desk_.refuses(world_.loop.now()) || connections_.size() >= k_max_connections) return;
  ++desk_.ledger().connections;
  const std::uint64_t id = next_id_++;
  connections_.emplace(id, std::make_unique<Connection>(*this, id, std::move(stream)));
}

void Provider::ended(std::uint64_t id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  world_.loop.retire(std::move(found->second));
  connections_.erase(found);
}

}  // namespace outrigger::sim_provider
