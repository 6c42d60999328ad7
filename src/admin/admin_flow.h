// AdminFlow: one request at the admin door.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "admin/admin_door.h"
#include "admin/explain.h"

namespace outrigger::admin {

class AdminFlow final : public http::ExchangeHandler {
 public:
  AdminFlow(AdminDoor& door, http::Exchange& exchange) : door_(door), exchange_(exchange) {}

  // The head has come: who may not come in, or announces too long a body, is told before it is sent.
  void begin();
  void on_body(std::string_view data) override;
  void on_body_end() override;
  void on_drained() override {
    if (listener_ != nullptr) listener_->on_drained();
  }
  void on_client_gone() override;

 private:
  [[nodiscard]] bool enter(std::string_view path);
  void refuse_body();
  void get(const http::Target& target);
  void show_page();
  void show_history(std::string_view query);
  void show_requests(std::string_view query);
  void listen();
  void metrics();
  void post(const http::Target& target);
  void explain(std::string_view query);
  void purge();
  void steer_target(std::string_view rest);
  // Of the request that is to be explained.
  [[nodiscard]] http::Headers explained_headers() const;
  void answer(int status, std::string_view content_type, std::string_view body, http::Headers more = {});
  void answer_json(int status, std::string_view body) { answer(status, "application/json", body); }
  void refuse(ErrorCode code, std::string_view message, http::Headers more = {});

  AdminDoor& door_;
  http::Exchange& exchange_;
  std::string body_;
  std::uint64_t body_max_ = 0;  // besides [limits] body, which the Server sees to
  std::string explained_target_;
  std::unique_ptr<io::Pending> lookup_;
  std::unique_ptr<Events::Listener> listener_;                  // of the live stream
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for a purge, which goes on when its client leaves
};

}  // namespace outrigger::admin
