#include "cache/board.h"

#include <utility>

namespace outrigger::cache {
namespace {

std::string in_millis(Duration life) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(life).count());
}

bool fine(const Reply* reply) {
  return reply == nullptr || reply->kind == Reply::Kind::status || reply->kind == Reply::Kind::integer ||
         reply->kind == Reply::Kind::nil || reply->kind == Reply::Kind::error;
}

}  // namespace

Board::Board(io::World world, RedisSettings settings, std::string self, Duration timeout)
    : settings_(std::move(settings)),
      self_(std::move(self)),
      rng_(world.rng.fork()),
      link_(world, settings_, timeout, *this) {
  for (std::size_t i = 0; i < k_places; ++i) keys_.push_back(settings_.prefix + "fleet:" + std::to_string(i));
}

Board::~Board() = default;

bool Board::exchange(std::string_view text, Read done) {
  std::vector<std::string_view> ask{"MGET"};
  ask.insert(ask.end(), keys_.begin(), keys_.end());
  const bool sent = link_.send(ask, RedisLink::Use::other,
                               [this, done = std::move(done)](const Reply* reply) mutable { return on_notes(reply, done); });
  if (sent) put_up(text);
  return sent;
}

// After the question, so that its answer shows what was in our place before.
void Board::put_up(std::string_view text) {
  if (!place_ || text.size() > k_note_max) return;
  const std::string value = self_ + "\n" + std::string(text);
  const std::string life = in_millis(k_note_life);
  std::vector<std::string_view> command{"SET", keys_[*place_], value, "PX", life};
  if (!is_sure_) command.emplace_back("NX");
  // If it is not accepted, the next one says more.
  static_cast<void>(link_.send(command, RedisLink::Use::other, [](const Reply* reply) { return fine(reply); }));
}

bool Board::on_notes(const Reply* reply, Read& done) {
  const bool is_answer = reply != nullptr && reply->kind == Reply::Kind::array && reply->elements.size() == k_places;
  if (!is_answer) {
    done(std::nullopt);
    return reply == nullptr || reply->kind == Reply::Kind::error;
  }
  std::vector<Note> notes;
  for (const Reply& element : reply->elements) {
    const std::size_t end = element.text.find('\n');
    if (element.kind != Reply::Kind::string || end == std::string::npos) continue;
    if (element.text.size() > k_note_max + self_.size() + 1 || element.text.compare(0, end, self_) == 0) continue;
    notes.push_back({element.text.substr(0, end), element.text.substr(end + 1)});
  }
  find_place(reply->elements);
  done(std::move(notes));
  return true;
}

void Board::find_place(const std::vector<Reply>& places) {
  const auto holds = [&](std::size_t place) {
    if (places[place].kind == Reply::Kind::nil) return -1;
    return places[place].text.starts_with(self_ + "\n") ? 1 : 0;
  };
  if (place_) {
    const int found = holds(*place_);
    if (found == 1) is_sure_ = true;
    if (found == -1) is_sure_ = false;  // not written yet, or gone: with NX again
    if (found != 0) return;
    place_.reset();
  }
  is_sure_ = false;
  std::vector<std::size_t> free;
  for (std::size_t i = 0; i < k_places; ++i) {
    if (holds(i) == -1) free.push_back(i);
  }
  if (!free.empty()) place_ = free[rng_.below(free.size())];
}

std::string Board::lock_key(std::string_view name) const { return settings_.prefix + "probe:" + std::string(name); }

bool Board::lock(std::string_view name, Duration life, Locked done) {
  return link_.send({"SET", lock_key(name), self_, "NX", "PX", in_millis(life)}, RedisLink::Use::other,
                    [done = std::move(done)](const Reply* reply) mutable {
                      if (reply != nullptr && reply->is_ok()) {
                        done(Lock::mine);
                        return true;
                      }
                      const bool is_taken = reply != nullptr && reply->kind == Reply::Kind::nil;
                      done(is_taken ? Lock::taken : Lock::unknown);
                      return is_taken || reply == nullptr || reply->kind == Reply::Kind::error;
                    });
}

void Board::renew(std::string_view name, Duration life) {
  static_cast<void>(link_.send({"PEXPIRE", lock_key(name), in_millis(life)}, RedisLink::Use::other,
                               [](const Reply* r) { return fine(r); }));
}

void Board::unlock(std::string_view name) {
  static_cast<void>(link_.send({"DEL", lock_key(name)}, RedisLink::Use::other, [](const Reply* r) { return fine(r); }));
}

}  // namespace outrigger::cache
