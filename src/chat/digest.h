// SHA-256 of what operators may write down as a digest (client keys), and of what is too large to be kept (files).
#pragma once

#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace outrigger::chat {

// 64 lower-case hex digits.
std::string sha256_hex(std::string_view text);

// The same of a text that comes in pieces.
class Sha256 {
 public:
  Sha256();

  void update(std::string_view piece);
  // Of all pieces. Once, as the last call.
  [[nodiscard]] std::string finish_hex();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace outrigger::chat
