#include "sim/actors/client_conn.h"

#include <charconv>

#include "core/check.h"

namespace outrigger::sim {

ClientConn::ClientConn(SimWorld& world, History& history, const io::Address& to, Owner& owner)
    : world_(world), history_(history), owner_(owner) {
  connecting_ =
      world_.net.connect(to, 5s, [this](Result<std::unique_ptr<io::Stream>> stream) { on_connected(std::move(stream)); });
}

void ClientConn::ask(std::vector<Request*> requests) {
  OR_CHECK(queue_.empty() && !over_ && !requests.empty());
  for (Request* request : requests) {
    request->began = world_.loop.now();
    std::size_t from = 0;
    for (const std::size_t cut : request->cuts) {
      outbox_.push_back(
          {request->wire.substr(from, cut - from), 1ms * static_cast<std::int64_t>(world_.rng.below(400)), nullptr});
      from = cut;
    }
    outbox_.push_back({request->wire.substr(from), 0ms, request});
    queue_.push_back(request);
  }
  answer_ = AnswerWire();
  heard_ = 0;
  arm(*queue_.front());
  if (stream_ != nullptr) send_next();
}

void ClientConn::arm(const Request& request) {
  heard_at_ = world_.loop.now();
  patience_timer_ = world_.loop.after(k_patience, [this] {
    end(*queue_.front(), Request::End::impatient);
    queue_.pop_front();
    // What it had sent behind that one.
    end_all(Request::End::left);
    over();
  });
  leave_timer_.cancel();
  if (request.leaves_in) leave_timer_ = world_.loop.after(*request.leaves_in, [this] { leave(); });
}

void ClientConn::on_connected(Result<std::unique_ptr<io::Stream>> stream) {
  connecting_.reset();
  if (!stream) {
    end_all(Request::End::not_connected);
    over();
    return;
  }
  stream_ = std::move(*stream);
  stream_->set_handler(this);
  stream_->read(true);
  send_next();
}

void ClientConn::send_next() {
  while (!outbox_.empty()) {
    const Piece piece = std::move(outbox_.front());
    outbox_.pop_front();
    if (!piece.text.empty()) stream_->write(Bytes::copy(piece.text));
    if (piece.ends != nullptr) {
      piece.ends->sent = world_.loop.now();
      piece.ends->wire.clear();
      piece.ends->wire.shrink_to_fit();
    }
    if (piece.wait > 0s) {
      send_timer_ = world_.loop.after(piece.wait, [this] { send_next(); });
      return;
    }
  }
}

void ClientConn::on_data(std::string_view data) {
  while (!data.empty() && !over_) {
    if (queue_.empty()) {
      history_.complain("bytes came after the last answer had ended: " + std::string(data.substr(0, 60)));
      return leave();
    }
    Request& request = *queue_.front();
    if (request.first_byte == MonoTime{}) request.first_byte = world_.loop.now();
    request.silence = std::max(request.silence, world_.loop.now() - heard_at_);
    heard_at_ = world_.loop.now();
    const std::size_t taken = answer_.feed(data);
    heard_ += taken;
    data.remove_prefix(taken);
    if (request.leaves_after && heard_ > *request.leaves_after) return leave();
    if (answer_.done()) {
      on_answered();
    } else if (!answer_.problem().empty()) {
      history_.complain("request " + std::to_string(request.id) + ": " + answer_.problem());
      return leave();
    }
  }
  if (over_ || queue_.empty() || queue_.front()->read_pause == 0s) return;
  stream_->read(false);
  read_timer_ = world_.loop.after(queue_.front()->read_pause, [this] { stream_->read(true); });
}

void ClientConn::on_answered() {
  Request& request = *queue_.front();
  queue_.pop_front();
  const bool keeps_open = answer_.keeps_open();
  end(request, Request::End::whole);
  answer_ = AnswerWire();
  heard_ = 0;
  if (!keeps_open) {
    // Pipelined requests that came after it are not answered; nobody promised that they would be.
    end_all(Request::End::broken);
    return over();
  }
  if (!queue_.empty()) return arm(*queue_.front());
  leave_timer_.cancel();
  patience_timer_.cancel();
  // An early answer: what has not been sent will not be.
  if (!outbox_.empty()) return over();
  owner_.on_idle(*this);
}

void ClientConn::on_eof() {
  answer_.end();
  if (!queue_.empty() && answer_.done()) {
    end(*queue_.front(), Request::End::whole);
    queue_.pop_front();
  }
  end_all(Request::End::broken);
  over();
}

void ClientConn::on_error(Error) {
  end_all(Request::End::broken);
  over();
}

void ClientConn::leave() {
  end_all(Request::End::left);
  over();
}

void ClientConn::end_all(Request::End how) {
  for (Request* request : queue_) {
    end(*request, how);
    answer_ = AnswerWire();
  }
  queue_.clear();
}

void ClientConn::end(Request& request, Request::End how) {
  request.end = how;
  request.ended = world_.loop.now();
  if (!queue_.empty() && &request == queue_.front())
    request.silence = std::max(request.silence, request.ended - std::max(heard_at_, request.sent));
  request.wire.clear();
  request.status = answer_.status();
  request.cache = answer_.header("x-outrigger-cache");
  request.served_by = answer_.header("x-outrigger-served-by");
  request.request_id = answer_.header("x-outrigger-request-id");
  request.attempts = answer_.header("x-outrigger-attempts");
  request.content_type = answer_.header("content-type");
  if (const std::string_view age = answer_.header("age"); !age.empty()) {
    std::uint64_t seconds = 0;
    std::from_chars(age.data(), age.data() + age.size(), seconds);
    request.age = seconds;
  }
  request.wire_problem = answer_.problem();
  const std::string& body = answer_.body();
  request.body_size = body.size();
  request.body_hash = hash_of(body);
  if (request.status >= 400) request.body = body.substr(0, 2000);  // one that breaks off on the way is words all the same
  if (request.kind == Kind::embeddings) {
    request.told = told_by_embeddings(body);
    return;
  }
  if (request.kind != Kind::chat && request.kind != Kind::completion) {
    request.body = body.substr(0, 2000);
    return;
  }
  const bool streamed = request.content_type.starts_with("text/event-stream");
  request.told = streamed ? told_by_stream(body) : told_by_body(body);
  request.number = number_in(request.told.text);
  if (request.number == 0) request.number = number_in(request.told.calls);
  if (request.number == 0 && !streamed) request.number = number_in(body);
}

void ClientConn::over() {
  if (over_) return;
  over_ = true;
  connecting_.reset();
  stream_.reset();
  for (io::Timer* timer : {&send_timer_, &read_timer_, &leave_timer_, &patience_timer_}) timer->cancel();
  owner_.on_over(*this);
}

}  // namespace outrigger::sim
