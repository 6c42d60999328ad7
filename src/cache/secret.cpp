#include "cache/secret.h"

#include <utility>

namespace outrigger::cache {
namespace {

// Every key has a life, this one too: a deployment that is gone leaves nothing behind.
constexpr std::string_view k_life_ms = "2592000000";  // 30 days
// Often, because a full Redis with allkeys-lru lets go what was not read for longest. Read once a day, the secret would be the
// first, and the next replica to come would begin with another and share nothing. Also when Redis took neither ours nor told its
// own (full, read-only).
constexpr Duration k_renew = 60s;
// What is shorter can be guessed, what is longer was not put there by us or an operator.
constexpr std::size_t k_size_min = 16;
constexpr std::size_t k_size_max = 4096;

}  // namespace

SecretKeeper::SecretKeeper(io::Loop& loop, Plan plan, Tell ready, Tell changed)
    : loop_(loop), plan_(std::move(plan)), ready_(std::move(ready)), changed_(std::move(changed)) {
  const Duration patience = plan_.link == nullptr ? Duration{} : plan_.timeout;
  ready_timer_ = loop_.after(patience, [this] { settle(plan_.secret); });
}

void SecretKeeper::on_link_up() {
  if (plan_.link != nullptr) agree();
}

void SecretKeeper::agree() {
  agree_timer_ = loop_.after(k_renew, [this] { agree(); });
  const auto ignored = [](const Reply*) { return true; };
  const std::string_view key = plan_.redis_key;
  RedisLink& link = *plan_.link;
  if (!link.send({"SET", key, plan_.secret, "NX", "PX", k_life_ms}, RedisLink::Use::other, ignored)) return;
  if (!link.send({"GET", key}, RedisLink::Use::other, [this](const Reply* reply) { return on_secret(reply); })) return;
  // If this is not accepted, the next round renews.
  static_cast<void>(link.send({"PEXPIRE", key, k_life_ms}, RedisLink::Use::other, ignored));
}

bool SecretKeeper::on_secret(const Reply* reply) {
  if (reply == nullptr || reply->kind == Reply::Kind::error || reply->kind == Reply::Kind::nil) return true;
  if (reply->kind != Reply::Kind::string) return false;
  if (reply->text.size() < k_size_min || reply->text.size() > k_size_max) return true;
  settle(reply->text);
  return true;
}

void SecretKeeper::settle(std::string secret) {
  ready_timer_.cancel();
  const bool is_new = secret != plan_.secret;
  plan_.secret = secret;
  if (Tell ready = std::exchange(ready_, nullptr)) {
    ready(std::move(secret));
  } else if (is_new) {
    changed_(std::move(secret));
  }
}

}  // namespace outrigger::cache
