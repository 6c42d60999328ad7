#include "net/uv_connect.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/check.h"
#include "net/uv_error.h"

namespace outrigger::net {
namespace {

// More addresses than this are not tried: what round-robin names return is rarely more than eight.
constexpr std::size_t k_addresses_max = 16;
// The kernel's default (two hours) outlives every NAT on the way; a dead idle connection shall show within minutes.
constexpr unsigned int k_keepalive_s = 60;

}  // namespace

struct UvConnect::Lookup {
  uv_getaddrinfo_t request{};
  UvConnect* owner = nullptr;
};

std::vector<SocketAddress> interleave(const std::vector<SocketAddress>& addresses) {
  std::vector<SocketAddress> first, second, mixed;
  for (const SocketAddress& address : addresses) {
    (address.family() == addresses.front().family() ? first : second).push_back(address);
  }
  for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    if (i < first.size()) mixed.push_back(first[i]);
    if (i < second.size()) mixed.push_back(second[i]);
  }
  return mixed;
}

UvConnect::UvConnect(UvLoop& loop, io::Address to, Duration timeout, io::ConnectDone done)
    : loop_(loop), to_(std::move(to)), timeout_(timeout), deadline_(loop.now() + timeout), done_(std::move(done)) {
  limit_ = loop_.at(deadline_, [this] { out_of_time(); });
  last_error_ = {ErrorCode::connect_failed, io::to_string(to_) + " is no address to connect to"};
  const std::optional<SocketAddress> known = to_.is_unix ? unix_address(to_.host) : literal_address(to_.host, to_.port);
  if (known) addresses_.push_back(*known);
  if (known || to_.is_unix) {
    try_next();
  } else {
    resolve();
  }
}

UvConnect::~UvConnect() {
  drop_attempt();
  if (lookup_ == nullptr) return;
  lookup_->owner = nullptr;
  uv_cancel(reinterpret_cast<uv_req_t*>(&lookup_->request));  // fails harmlessly when the pool has begun with it
}

std::string UvConnect::describe() const { return "connecting to " + io::to_string(to_); }

void UvConnect::resolve() {
  auto* lookup = new Lookup;
  lookup->owner = this;
  lookup->request.data = lookup;
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  const auto answered = [](uv_getaddrinfo_t* request, int status, addrinfo* found) {
    UvLoop::Turn turn(UvLoop::of(request->loop));
    const std::unique_ptr<Lookup> own(static_cast<Lookup*>(request->data));
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> list(found, uv_freeaddrinfo);
    if (own->owner == nullptr) return;
    own->owner->lookup_ = nullptr;
    own->owner->resolved(status, list.get());
  };
  const std::string port = std::to_string(to_.port);
  const int status = uv_getaddrinfo(loop_.raw(), &lookup->request, answered, to_.host.c_str(), port.c_str(), &hints);
  if (status == 0) {
    lookup_ = lookup;
    return;
  }
  delete lookup;
  step_ = loop_.after(0ns, [this, status] { resolved(status, nullptr); });
}

void UvConnect::resolved(int status, const addrinfo* found) {
  if (status != 0) return finish(std::unexpected(uv_failure(ErrorCode::dns_failed, "resolving " + to_.host, status)));
  std::vector<SocketAddress> all;
  for (const addrinfo* at = found; at != nullptr && all.size() < k_addresses_max; at = at->ai_next) {
    if (at->ai_family == AF_INET || at->ai_family == AF_INET6) all.push_back(copy_address(at->ai_addr, at->ai_addrlen));
  }
  if (all.empty()) return finish(fail(ErrorCode::dns_failed, "resolving " + to_.host + ": the name has no address"));
  addresses_ = interleave(all);
  try_next();
}

void UvConnect::try_next() {
  while (next_ < addresses_.size()) {
    const int status = attempt(addresses_[next_]);
    if (status == 0) {
      const auto left = static_cast<std::int64_t>(addresses_.size() - next_);
      if (left > 1) {
        const Duration share = (deadline_ - loop_.now()) / left;
        step_ = loop_.after(share, [this] { attempt_ended(UV_ETIMEDOUT); });
      }
      return;
    }
    last_error_ = uv_failure(connect_code(status), describe() + " (" + to_text(addresses_[next_]) + ")", status);
    ++next_;
  }
  // Through a timer, since the caller may still be inside Net::connect.
  step_ = loop_.after(0ns, [this] { finish(std::unexpected(last_error_)); });
}

int UvConnect::attempt(const SocketAddress& address) {
  auto* shell = new SocketShell;
  shell->connecting = this;
  shell->connect.data = shell;
  const auto connected = [](uv_connect_t* request, int status) {
    UvLoop::Turn turn(UvLoop::of(request->handle->loop));
    auto* own = static_cast<SocketShell*>(request->data);
    if (own->connecting != nullptr) own->connecting->attempt_ended(status);
  };
  int status = 0;
  if (to_.is_unix) {
    OR_CHECK(uv_pipe_init(loop_.raw(), &shell->pipe, 0) == 0);
    uv_pipe_connect(&shell->connect, &shell->pipe, to_.host.c_str(), connected);
  } else {
    status = uv_tcp_init_ex(loop_.raw(), &shell->tcp, static_cast<unsigned int>(address.family()));
    if (status != 0) {  // no such handle was made, so there is nothing to close
      delete shell;
      return status;
    }
    uv_tcp_nodelay(&shell->tcp, 1);
    uv_tcp_keepalive(&shell->tcp, 1, k_keepalive_s);
    status = uv_tcp_connect(&shell->connect, &shell->tcp, address.get(), connected);
  }
  shell->handle.data = static_cast<Shell*>(shell);
  shell_ = shell;
  if (status != 0) drop_attempt();
  return status;
}

void UvConnect::attempt_ended(int status) {
  step_.cancel();
  if (status == 0) {
    const std::string peer = to_text(addresses_[next_]);
    return finish(std::make_unique<UvStream>(loop_, std::exchange(shell_, nullptr), peer));
  }
  drop_attempt();
  last_error_ = uv_failure(connect_code(status), describe() + " (" + to_text(addresses_[next_]) + ")", status);
  ++next_;
  try_next();
}

void UvConnect::drop_attempt() {
  if (shell_ == nullptr) return;
  shell_->connecting = nullptr;
  release(&std::exchange(shell_, nullptr)->handle);
}

void UvConnect::out_of_time() {
  drop_attempt();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(timeout_).count();
  if (lookup_ != nullptr) {
    return finish(fail(ErrorCode::dns_failed, fmt::format("resolving {}: no answer within {} ms", to_.host, ms)));
  }
  finish(fail(ErrorCode::connect_timeout, fmt::format("{}: no answer within {} ms", describe(), ms)));
}

// The caller may destroy this operation inside `done`.
void UvConnect::finish(Result<std::unique_ptr<io::Stream>> result) {
  limit_.cancel();
  step_.cancel();
  io::ConnectDone done = std::move(done_);
  done(std::move(result));
}

}  // namespace outrigger::net
