// AdminFlow: one request at the admin door.
#pragma once

#include <memory>
#include <string>

#include "admin/admin_door.h"
#include "admin/explain.h"

namespace outrigger::admin {

class AdminFlow final : public http::ExchangeHandler {
 public:
  AdminFlow(AdminDoor& door, http::Exchange& exchange) : door_(door), exchange_(exchange) {}

  void on_body(std::string_view data) override { body_.append(data); }
  void on_body_end() override;
  void on_drained() override {}
  void on_client_gone() override;

 private:
  void get(std::string_view path);
  void post(const http::Target& target);
  void explain(std::string_view query);
  void purge();
  void steer_target(std::string_view rest);
  void answer(int status, std::string_view content_type, std::string_view body);
  void answer_json(int status, std::string_view body) { answer(status, "application/json", body); }
  void refuse(ErrorCode code, std::string_view message);

  AdminDoor& door_;
  http::Exchange& exchange_;
  std::string body_;
  std::string explained_target_;
  std::unique_ptr<io::Pending> lookup_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for a purge, which goes on when its client leaves
};

}  // namespace outrigger::admin
