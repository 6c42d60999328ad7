#include "proxy/dify_uploads.h"

#include <utility>

namespace outrigger::proxy {
namespace {

std::string key_of(std::string_view digest, std::string_view upload_id) {
  return std::string(digest) + '\n' + std::string(upload_id);
}

// Dify does not look at Content-Encoding, but who sends it means other bytes than those that pass. Of two types neither counts.
std::string form_type(const http::Headers& request) {
  return request.get("content-encoding") ? std::string() : request.joined("content-type").value_or("");
}

}  // namespace

void DifyUploads::note(std::string_view digest, std::string_view upload_id, std::string hash) {
  const MonoTime now = loop_.now();
  std::string key = key_of(digest, upload_id);
  if (const auto found = by_key_.find(key); found != by_key_.end()) forget(found->second);
  while (known_.size() >= k_max || (!known_.empty() && now - known_.front().noted >= k_age_max)) forget(known_.begin());
  known_.push_back({std::move(key), std::move(hash), now});
  by_key_.emplace(known_.back().key, std::prev(known_.end()));
}

std::optional<std::string> DifyUploads::hash_of(std::string_view digest, std::string_view upload_id) const {
  const auto found = by_key_.find(key_of(digest, upload_id));
  if (found == by_key_.end() || loop_.now() - found->second->noted >= k_age_max) return std::nullopt;
  return found->second->hash;
}

void DifyUploads::forget(std::list<Known>::iterator known) {
  by_key_.erase(known->key);
  known_.erase(known);
}

DifyUploadWatch::DifyUploadWatch(DifyUploads& uploads, std::string digest, const http::Headers& request)
    : uploads_(uploads), digest_(std::move(digest)), reader_(form_type(request)) {}

void DifyUploadWatch::on_answer_body(std::string_view piece) {
  if (answer_.size() + piece.size() > k_answer_max) status_ = 0;
  if (status_ != 0) answer_.append(piece);
}

void DifyUploadWatch::on_answer_end() {
  const auto content = reader_.finish();
  if (!content) return;
  auto upload = providers::dify::read_upload(*content, status_, answer_);
  if (upload) uploads_.note(digest_, upload->id, std::move(upload->hash));
}

}  // namespace outrigger::proxy
