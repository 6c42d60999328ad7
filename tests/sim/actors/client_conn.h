// ClientConn: one connection of a client. It sends requests, one after the other or pipelined, behaves as they say, and notes what
// it gets. Owned by the Crowd.
//
//   connecting ──► busy ⇄ idle ──► over (tells its owner once, last of all)
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "sim/actors/answer_wire.h"
#include "sim/history.h"
#include "sim/world/sim_world.h"

namespace outrigger::sim {

class ClientConn final : private io::StreamHandler {
 public:
  class Owner {
   public:
    virtual void on_idle(ClientConn& conn) = 0;
    // The owner may retire it.
    virtual void on_over(ClientConn& conn) = 0;

   protected:
    ~Owner() = default;
  };

  ClientConn(SimWorld& world, History& history, const io::Address& to, Owner& owner);
  ClientConn(const ClientConn&) = delete;
  ClientConn& operator=(const ClientConn&) = delete;

  // All of them in a row, without waiting for answers in between. Only while connecting or idle.
  void ask(std::vector<Request*> requests);
  // Leaves, whatever is under way.
  void leave();

 private:
  void on_data(std::string_view data) override;
  void on_eof() override;
  void on_error(Error error) override;
  void on_drained() override {}

  void on_connected(Result<std::unique_ptr<io::Stream>> stream);
  void send_next();
  void arm(const Request& request);
  void on_answered();
  void end(Request& request, Request::End how);
  void end_all(Request::End how);
  void over();

  // No answer of a healthy instance takes so long, whatever its provider does: above two total limits, stalls and clogs included.
  static constexpr Duration k_patience = 200s;

  SimWorld& world_;
  History& history_;
  Owner& owner_;
  std::unique_ptr<io::Pending> connecting_;
  std::unique_ptr<io::Stream> stream_;
  struct Piece {
    std::string text;
    Duration wait;
    Request* ends;  // whose last piece it is
  };
  std::deque<Piece> outbox_;
  std::deque<Request*> queue_;
  AnswerWire answer_;
  std::uint64_t heard_ = 0;  // bytes of the current answer
  MonoTime heard_at_{};      // the last of them; or when its turn came
  bool over_ = false;
  io::Timer send_timer_, read_timer_, leave_timer_, patience_timer_;
};

}  // namespace outrigger::sim
