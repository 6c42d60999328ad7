// DifyAdmission: how one run at the dify door comes to a backend. It needs a permit of each of up to three lanes, taken in this
// order and held from then on: its user's, its app's, and the backend's.
//
//   choosing ──all permits──► admitted ──► (the backend could not be reached, or has too many of the app's runs) ──► choosing
//      │   ▲
//      ▼   └─ its turn ─ waiting: in the first lane that has no room, until the deadline
//   refused
//
// A backend that is only busy is waited for, never left for another installation: its users' conversations are there. Of replicas any
// will do. One that rests, is shut or cannot be reached is passed over. Which of the rest is taken, or waited for, is
// resilience/plan's.
//
// Owned by its flow. Dropping it gives all permits back.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "proxy/lane.h"

namespace outrigger::proxy {

enum class DifyRole : unsigned char { user, app, backend };
inline constexpr std::size_t k_dify_roles = 3;

using DifyLanes = std::array<std::shared_ptr<Lane>, k_dify_roles>;  // null: no such limit
using DifyPermits = std::array<std::optional<Permit>, k_dify_roles>;

// Either may destroy the admission.
class DifyAdmissionHandler {
 public:
  virtual void on_admitted(std::size_t step, DifyPermits permits) = 0;
  // Nothing will come of it. `failure`: why the last backend could not be reached, if one was tried.
  struct Refusal {
    ErrorCode code = ErrorCode::no_target;
    Duration retry_after{};
    const char* reason = "";  // of static storage
  };
  virtual void on_refused(const Refusal& refusal) = 0;

 protected:
  ~DifyAdmissionHandler() = default;
};

class DifyAdmission final : private Waiter {
 public:
  struct Order {
    std::vector<DifyLanes> steps;  // best first; not empty; the last lane of each is there
    std::size_t equals = 1;        // so many of the first are replicas of one another
    resilience::Ticket ticket;     // its flow: whose turn it is at a backend, so apps have equal shares
    std::uint64_t user_flow = 0;   // whose turn it is within an app
    MonoTime deadline{};
  };
  // Tries of the first backend that could not be reached; each fallback adds one.
  static constexpr std::size_t k_tries = 4;

  DifyAdmission(io::World world, Order order, DifyAdmissionHandler& handler);
  ~DifyAdmission();
  DifyAdmission(const DifyAdmission&) = delete;
  DifyAdmission& operator=(const DifyAdmission&) = delete;

  // Chooses, and tells the handler at once if there is no need to wait.
  void next();
  // The permits of `step` came to nothing: no connection. Chooses again.
  void note_unreachable(std::size_t step, ErrorCode why);
  // The backend said that the app has too many runs there. Waits for a while (`told`: at least as long as it said), and chooses
  // again.
  void note_too_many(std::size_t step, std::optional<Duration> told);

  [[nodiscard]] Duration waited() const { return waited_; }

 private:
  using Role = DifyRole;
  void on_turn(Turn turn) override;
  [[nodiscard]] MonoTime now() const { return world_.loop.now(); }
  [[nodiscard]] bool has_turn(std::size_t step, std::size_t role) const;
  [[nodiscard]] resilience::Ticket ticket_for(std::size_t role, MonoTime until) const;
  [[nodiscard]] resilience::Look look_at(std::size_t step) const;
  [[nodiscard]] resilience::Choice choose() const;
  // True: all are held. Else it waits for one of them, or was turned away.
  bool take(std::size_t step, MonoTime until);
  [[nodiscard]] bool retry_later();
  void refuse(DifyAdmissionHandler::Refusal refusal);
  void drop();
  void stop_waiting();

  struct Step {
    DifyLanes lanes;
    bool is_spent = false;
    bool was_turned_away = false;
    bool is_unreachable = false;
  };
  io::World world_;
  std::vector<Step> steps_;
  std::size_t equals_;
  resilience::Ticket ticket_;
  std::uint64_t user_flow_;
  MonoTime deadline_;
  DifyAdmissionHandler& handler_;
  std::size_t tries_ = 0;
  std::uint32_t retries_ = 0;
  std::uint32_t too_many_ = 0;
  std::optional<DifyAdmissionHandler::Refusal> refusal_;  // the first reason
  std::size_t held_step_ = 0;
  DifyPermits held_;
  Lane* waiting_at_ = nullptr;
  std::size_t waiting_role_ = 0;
  std::uint64_t place_ = 0;
  MonoTime waiting_since_{};
  bool has_turn_ = false;
  Duration waited_{};
  io::Timer timer_;
};

}  // namespace outrigger::proxy
