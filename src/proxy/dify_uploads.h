// DifyUploads: what the files hold that runs refer to by upload id, so that a cache key can be made of their content.
//
// In memory only, and this replica's alone: what passed another replica, or this one before it was started, is not known, and neither
// is what was uploaded past the door. A run with a file that is not known goes past the cache, and nothing else comes of it. So it is
// not worth a place in Redis: whoever asks about a file has uploaded it a moment before, mostly over the same connection.
#pragma once

#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "http/message.h"
#include "io/loop.h"
#include "providers/dify/upload.h"

namespace outrigger::proxy {

class DifyUploads {
 public:
  static constexpr std::size_t k_max = 10'000;  // some 4 MB; the oldest makes place
  static constexpr Duration k_age_max = 24h;

  // `loop` must outlive it.
  explicit DifyUploads(const io::Loop& loop) : loop_(loop) {}
  DifyUploads(const DifyUploads&) = delete;
  DifyUploads& operator=(const DifyUploads&) = delete;

  // `digest`: of the app's key that uploaded it. A file is known to that app alone.
  void note(std::string_view digest, std::string_view upload_id, std::string hash);
  [[nodiscard]] std::optional<std::string> hash_of(std::string_view digest, std::string_view upload_id) const;
  [[nodiscard]] std::size_t size() const { return known_.size(); }

 private:
  struct Known {
    std::string key;
    std::string hash;
    MonoTime noted;
  };
  void forget(std::list<Known>::iterator known);

  const io::Loop& loop_;
  std::list<Known> known_;  // the oldest first
  std::unordered_map<std::string_view, std::list<Known>::iterator> by_key_;
};

// One upload that passes the door: what comes and goes is shown to it in this order, and at its end the file is known if all went as
// it should. Changes and delays nothing; may be dropped at any time.
class DifyUploadWatch {
 public:
  // A longer answer is none that Dify gives.
  static constexpr std::size_t k_answer_max = 16 * 1024;

  // `uploads` must outlive it. `digest`: of the app's key. `request`: the head's fields, as the client sent them.
  DifyUploadWatch(DifyUploads& uploads, std::string digest, const http::Headers& request);

  void on_body(std::string_view piece) { reader_.feed(piece); }
  void on_answer(int status) { status_ = status; }
  void on_answer_body(std::string_view piece);
  void on_answer_end();

 private:
  DifyUploads& uploads_;
  std::string digest_;
  providers::dify::UploadReader reader_;
  int status_ = 0;
  std::string answer_;
};

}  // namespace outrigger::proxy
