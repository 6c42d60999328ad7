#include "sim/actors/crowd.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"

namespace outrigger::sim {

Crowd::Crowd(SimWorld& world, History& history, std::vector<io::Address> instances, Rng rng)
    : world_(world), history_(history), instances_(std::move(instances)), rng_(rng), idle_(instances_.size()) {}

void Crowd::start(Plan plan) {
  plan_ = plan;
  schedule();
}

void Crowd::schedule() {
  const double wait = -std::log(1 - rng_.unit()) / plan_.per_second;
  next_ = world_.loop.after(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(wait)), [this] {
    arrive();
    schedule();
  });
}

void Crowd::arrive() {
  const std::size_t instance = rng_.below(instances_.size());
  Request first = draw_request(rng_, plan_.asking);
  if (rng_.chance(plan_.bursts)) {
    for (std::size_t n = rng_.below(plan_.burst_max); n > 0; --n) {
      send(draw_duplicate(rng_, first), rng_.chance(0.8) ? instance : rng_.below(instances_.size()));
    }
  }
  send(std::move(first), instance);
}

void Crowd::send(Request request, std::size_t instance) {
  std::vector<Request*> asked;
  // An odd request is the last of its connection.
  if (request.kind != Kind::odd_http && rng_.chance(0.04)) {
    for (std::size_t n = 1 + rng_.below(3); n > 0; --n) {
      Request before = draw_request(rng_, {.questions = plan_.asking.questions, .texts = plan_.asking.texts, .odd = 0});
      asked.push_back(keep(std::move(before), instance));
    }
  }
  asked.push_back(keep(std::move(request), instance));
  connection_to(instance).ask(std::move(asked));
}

Request* Crowd::keep(Request request, std::size_t instance) {
  draw_behaviour(rng_, request, plan_.steady);
  request.id = history_.requests.size() + 1;
  request.instance = instance;
  request.calm = plan_.calm;
  history_.requests.push_back(std::move(request));
  return &history_.requests.back();
}

ClientConn& Crowd::connection_to(std::size_t instance) {
  std::vector<ClientConn*>& idle = idle_[instance];
  if (!idle.empty() && rng_.chance(0.8)) {
    ClientConn* conn = idle.back();
    idle.pop_back();
    return *conn;
  }
  const std::uint64_t number = next_conn_++;
  auto conn = std::make_unique<ClientConn>(world_, history_, instances_[instance], static_cast<ClientConn::Owner&>(*this));
  ClientConn& made = *conn;
  known_[&made] = {number, instance};
  conns_.emplace(number, std::move(conn));
  return made;
}

void Crowd::on_idle(ClientConn& conn) { idle_[known_.at(&conn).second].push_back(&conn); }

void Crowd::on_over(ClientConn& conn) {
  const auto [number, instance] = known_.at(&conn);
  known_.erase(&conn);
  std::erase(idle_[instance], &conn);
  const auto found = conns_.find(number);
  world_.loop.retire(std::move(found->second));
  conns_.erase(found);
}

void Crowd::disperse() {
  stop();
  while (!conns_.empty()) conns_.begin()->second->leave();
}

void Crowd::close_idle() {
  for (std::vector<ClientConn*>& idle : idle_) {
    while (!idle.empty()) idle.back()->leave();
  }
}

std::size_t Crowd::idle_count() const {
  std::size_t count = 0;
  for (const auto& idle : idle_) count += idle.size();
  return count;
}

}  // namespace outrigger::sim
