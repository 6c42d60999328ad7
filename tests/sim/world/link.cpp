#include "sim/world/link.h"

#include <algorithm>
#include <utility>

#include "core/check.h"

namespace outrigger::sim {
namespace {

// What one read takes at most, as libuv's usual buffer does.
constexpr std::size_t k_read_max = 64 * 1024;
// With chunking, a read sometimes comes this much later than its bytes, so that they merge with later ones.
constexpr std::uint64_t k_merge_delay_max_ns = 500'000;

Duration random_span(Rng& rng, Duration most) {
  return most.count() <= 0 ? Duration{}
                           : Duration(static_cast<Duration::rep>(rng.below(static_cast<std::uint64_t>(most.count()))));
}

}  // namespace

Link::Link(SimLoop& loop, Rng rng, std::shared_ptr<Site> site, LinkPlan plan, std::shared_ptr<std::size_t> open_streams,
           std::string client_name, std::string server_name)
    : loop_(loop),
      rng_(rng),
      site_(std::move(site)),
      shape_(site_->shape),
      plan_(plan),
      open_streams_(std::move(open_streams)),
      names_{std::move(client_name), std::move(server_name)} {
  OR_CHECK(shape_.window > 0);
  Pipe& down = pipe_from(server);
  down.reset_after = plan.reset_down_after;
  down.stall_after = plan.stall_down_after;
  down.drip_every = plan.drip_every;
  pipe_from(client).reset_after = plan.reset_up_after;
}

std::unique_ptr<io::Stream> Link::open(Side side) {
  End& end = ends_[side];
  OR_CHECK(!end.open && !end.closed);
  end.open = true;
  ++*open_streams_;
  return std::make_unique<SimStream>(shared_from_this(), side);
}

void Link::set_handler(Side side, io::StreamHandler* handler) {
  ends_[side].handler = handler;
  if (handler != nullptr) tell_if_broken(side);
}

void Link::read(Side side, bool on) {
  ends_[side].reading = on;
  if (!on) {
    pipe_from(other(side)).delivering.cancel();
    return;
  }
  OR_CHECK(ends_[side].handler != nullptr);
  arm_delivery(side);
  tell_if_broken(side);
}

void Link::write(Side side, std::span<const Bytes> chunks) {
  End& end = ends_[side];
  if (end.broken) {
    end.noticed = true;
    tell_if_broken(side);
    return;
  }
  Pipe& pipe = pipe_from(side);
  OR_CHECK(!pipe.fin_asked);  // a write after shutdown() is the program's mistake
  for (const Bytes& chunk : chunks) {
    if (chunk.empty()) continue;
    pipe.unsent += chunk.size();
    pipe.kept.push_back(chunk);
  }
  loop_.digest().add(Event::written, loop_.now(), pipe.unsent);
  pump(side);
  if (pipe.unsent > 0) pipe.owes_drained = true;
}

void Link::shutdown(Side side) {
  if (ends_[side].broken) return;
  pipe_from(side).fin_asked = true;
  pump(side);
}

void Link::destroy(Side side) {
  End& end = ends_[side];
  if (end.closed) return;
  const std::shared_ptr<Link> self = shared_from_this();
  Pipe& in = pipe_from(other(side));
  Pipe& out = pipe_from(side);
  loop_.digest().add(Event::closed, loop_.now(), out.unsent);
  if (end.open) --*open_streams_;
  end.open = false;
  end.closed = true;
  end.reading = false;
  end.handler = nullptr;
  end.telling.cancel();
  in.delivering.cancel();
  if (!end.broken) {
    if (in.inbox_bytes > 0 || out.unsent > 0) {
      send_reset(other(side));
    } else {
      out.fin_asked = true;
      pump(side);
    }
  }
  in.inbox.clear();
  in.inbox_bytes = 0;
}

void Link::cut() {
  const std::shared_ptr<Link> self = shared_from_this();
  for (const Side side : {client, server}) {
    pipe_from(side).wire.clear();
    End& end = ends_[side];
    if (!end.closed && !end.broken) end.breaking = loop_.after({}, [this, side] { break_end(side); });
  }
}

MonoTime Link::arrival() {
  return std::max(loop_.now(), site_->clogged_until) + shape_.latency + random_span(rng_, shape_.jitter);
}

// Moves what fits from the writer's memory onto the wire.
void Link::pump(Side writer) {
  Pipe& pipe = pipe_from(writer);
  const Duration jitter = pipe.kept.empty() ? Duration{} : random_span(rng_, shape_.jitter);
  while (!pipe.kept.empty() && pipe.held < shape_.window) {
    Bytes& front = pipe.kept.front();
    const std::size_t size = std::min(front.size(), shape_.window - pipe.held);
    put_on_wire(pipe, Segment{Segment::Kind::data, {}, front.slice(0, size)}, jitter);
    pipe.held += size;
    pipe.unsent -= size;
    if (size == front.size()) {
      pipe.kept.pop_front();
    } else {
      front = front.slice(size, front.size() - size);
    }
  }
  if (pipe.fin_asked && !pipe.fin_sent && pipe.kept.empty()) {
    pipe.fin_sent = true;
    put_on_wire(pipe, Segment{Segment::Kind::fin, {}, {}}, {});
  }
  arm_arrival(writer);
}

void Link::put_on_wire(Pipe& pipe, Segment segment, Duration jitter) {
  MonoTime leaves = loop_.now();
  if (shape_.bytes_per_second > 0) {
    const auto nanos = segment.bytes.size() * std::uint64_t{1'000'000'000} / shape_.bytes_per_second;
    leaves = std::max(leaves, pipe.wire_free_at) + Duration(static_cast<Duration::rep>(nanos));
    pipe.wire_free_at = leaves;
  }
  // It may be due before the one ahead of it, which it cannot overtake.
  segment.arrives = leaves + shape_.latency + jitter;
  pipe.wire.push_back(std::move(segment));
}

void Link::arm_arrival(Side writer) {
  Pipe& pipe = pipe_from(writer);
  if (pipe.wire.empty() || pipe.arriving.pending()) return;
  const MonoTime when = std::max(pipe.wire.front().arrives, site_->clogged_until);
  pipe.arriving = loop_.at(when, [this, writer] { on_arrival(writer); });
}

void Link::on_arrival(Side writer) {
  const std::shared_ptr<Link> self = shared_from_this();
  Pipe& pipe = pipe_from(writer);
  const Side reader = other(writer);
  End& end = ends_[reader];
  while (!pipe.wire.empty() && pipe.wire.front().arrives <= loop_.now() && site_->clogged_until <= loop_.now()) {
    const Segment segment = std::move(pipe.wire.front());
    pipe.wire.pop_front();
    if (segment.kind == Segment::Kind::fin) {
      pipe.eof_arrived = true;
    } else if (end.closed || (!end.open && accept_tls_)) {
      send_reset(writer);
    } else {
      pipe.inbox_bytes += segment.bytes.size();
      pipe.inbox.push_back(segment.bytes);
    }
  }
  arm_delivery(reader);
  arm_arrival(writer);
}

void Link::arm_delivery(Side reader) {
  const End& end = ends_[reader];
  Pipe& pipe = pipe_from(other(reader));
  if (!end.open || !end.reading || end.error_told || pipe.delivering.pending()) return;
  if (pipe.inbox_bytes == 0 && (!pipe.eof_arrived || pipe.eof_told || end.broken)) return;
  MonoTime when = std::max({loop_.now(), pipe.stalled_until, pipe.next_drip});
  if (shape_.chunking && rng_.chance(0.25)) when += Duration(static_cast<Duration::rep>(rng_.below(k_merge_delay_max_ns)));
  pipe.delivering = loop_.at(when, [this, reader] { on_delivery(reader); });
}

void Link::on_delivery(Side reader) {
  const std::shared_ptr<Link> self = shared_from_this();
  Pipe& pipe = pipe_from(other(reader));
  OR_CHECK(ends_[reader].handler != nullptr);  // reading must be off while nobody listens
  if (pipe.inbox_bytes == 0) {
    pipe.eof_told = true;
    loop_.digest().add(Event::eof, loop_.now(), reader);
    ends_[reader].handler->on_eof();
    return;
  }
  if (pipe.reset_after && pipe.delivered >= *pipe.reset_after) {
    pipe.inbox.clear();
    pipe.inbox_bytes = 0;
    cut();
    return;
  }
  if (pipe.stall_after && pipe.delivered >= *pipe.stall_after) {
    pipe.stall_after.reset();
    pipe.stalled_until = loop_.now() + plan_.stall_for;
    arm_delivery(reader);
    return;
  }
  deliver(reader, pipe, delivery_size(pipe));
}

std::size_t Link::delivery_size(const Pipe& pipe) {
  std::size_t size = std::min(pipe.inbox_bytes, k_read_max);
  if (shape_.chunking) {
    // Half of the reads take all there is, a quarter a few bytes, a quarter anything.
    const std::uint64_t dice = rng_.below(4);
    if (dice == 0) size = std::min(size, 1 + static_cast<std::size_t>(rng_.below(16)));
    if (dice == 1) size = 1 + static_cast<std::size_t>(rng_.below(size));
  }
  if (pipe.drip_every > Duration{}) size = 1;
  for (const std::optional<std::uint64_t>& edge : {pipe.reset_after, pipe.stall_after}) {
    if (edge) size = static_cast<std::size_t>(std::min<std::uint64_t>(size, *edge - pipe.delivered));
  }
  return size;
}

void Link::deliver(Side reader, Pipe& pipe, std::size_t size) {
  // A buffer of exactly this size that dies after the call, so that a reader that keeps the view is found out.
  std::string data;
  data.reserve(size);
  while (data.size() < size) {
    Bytes& front = pipe.inbox.front();
    const std::size_t part = std::min(front.size(), size - data.size());
    data.append(front.data(), part);
    if (part == front.size()) {
      pipe.inbox.pop_front();
    } else {
      front = front.slice(part, front.size() - part);
    }
  }
  pipe.inbox_bytes -= size;
  pipe.delivered += size;
  if (pipe.drip_every > Duration{}) pipe.next_drip = loop_.now() + pipe.drip_every;
  return_room(other(reader), size);
  loop_.digest().add(Event::delivered, loop_.now(), size);
  loop_.digest().add_text(data);
  ends_[reader].handler->on_data(data);
  arm_delivery(reader);
  tell_if_broken(reader);
}

void Link::return_room(Side writer, std::size_t bytes) {
  Pipe& pipe = pipe_from(writer);
  if (pipe.unsent == 0) {
    pipe.held -= bytes;
    return;
  }
  pipe.returning += bytes;
  if (!pipe.credit.pending()) pipe.credit = loop_.at(arrival(), [this, writer] { on_credit(writer); });
}

void Link::on_credit(Side writer) {
  const std::shared_ptr<Link> self = shared_from_this();
  Pipe& pipe = pipe_from(writer);
  pipe.held -= std::exchange(pipe.returning, 0);
  if (ends_[writer].broken || ends_[writer].closed) return;
  pump(writer);
  if (!pipe.owes_drained || pipe.unsent > 0) return;
  pipe.owes_drained = false;
  loop_.digest().add(Event::drained, loop_.now(), writer);
  if (ends_[writer].handler != nullptr) ends_[writer].handler->on_drained();
}

// What is on the wire towards `to` is lost; the news travels one way.
void Link::send_reset(Side to) {
  End& end = ends_[to];
  if (end.closed || end.broken || end.breaking.pending()) return;
  Pipe& in = pipe_from(other(to));
  in.wire.clear();
  in.arriving.cancel();
  end.breaking = loop_.at(arrival(), [this, to] { break_end(to); });
}

void Link::break_end(Side side) {
  const std::shared_ptr<Link> self = shared_from_this();
  ends_[side].broken = true;
  pipe_from(side).wire.clear();
  pipe_from(other(side)).wire.clear();
  tell_if_broken(side);
}

void Link::tell_if_broken(Side side) {
  End& end = ends_[side];
  if (!end.broken || end.error_told || !end.open || end.handler == nullptr || end.telling.pending()) return;
  const bool read_dry = end.reading && pipe_from(other(side)).inbox_bytes == 0;
  if (!read_dry && !end.noticed && pipe_from(side).unsent == 0) return;
  end.telling = loop_.after({}, [this, side] { tell_error(side); });
}

void Link::tell_error(Side side) {
  const std::shared_ptr<Link> self = shared_from_this();
  End& end = ends_[side];
  if (end.handler == nullptr) return;
  end.error_told = true;
  pipe_from(other(side)).delivering.cancel();
  loop_.digest().add(Event::reset, loop_.now(), side);
  end.handler->on_error(Error{ErrorCode::upstream_reset, "connection reset by peer"});
}

}  // namespace outrigger::sim
