#include "http/client.h"

#include <utility>

#include "http/client_call.h"

namespace outrigger::http {

class Client::Impl {
 public:
  Impl(io::World world, const ClientLimits& limits) : shared{world, limits, Pools(world.loop, limits), {}} {}
  ClientShared shared;
};

Client::Client(io::World world, ClientLimits limits) : impl_(std::make_unique<Impl>(world, limits)) {}

Client::~Client() = default;

std::unique_ptr<Call> Client::start(const Origin& origin, const RequestHead& head, CallOptions options,
                                    CallHandler& handler) {
  return std::make_unique<ClientCall>(impl_->shared, origin, head, std::move(options), handler);
}

void Client::close_idle() { impl_->shared.pools.close_idle(); }

std::size_t Client::idle() const { return impl_->shared.pools.idle(); }

}  // namespace outrigger::http
