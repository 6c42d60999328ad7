#include "cache/tally.h"

#include <algorithm>
#include <charconv>
#include <set>

namespace outrigger::cache {
namespace {

std::string in_millis(Duration life) {
  return std::to_string(std::max<std::int64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(life).count(), 1));
}

std::int64_t number_in(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_good = error == std::errc() && end == text.data() + text.size() && value >= 0 && value <= Tally::k_sum_max;
  return is_good ? value : 0;
}

bool is_number(const Reply& reply) { return reply.kind == Reply::Kind::integer; }

}  // namespace

Tally::Tally(io::World world, RedisSettings settings, std::string self, Duration timeout)
    : settings_(std::move(settings)), self_(std::move(self)), link_(world, settings_, timeout, *this) {}

Tally::~Tally() = default;

bool Tally::exchange(const std::vector<Line>& lines, Read done) {
  auto round = std::make_shared<Round>();
  round->done = std::move(done);
  bool is_sent = false;
  const std::size_t count = std::min(lines.size(), k_lines_max);
  std::size_t restored = 0;
  round->others.resize(lines.size());
  for (std::size_t i = 0; i < count && round->is_good; ++i) {
    const Line& line = lines[i];
    const std::string key = settings_.prefix + "spent:" + line.name;
    Known& known = known_[line.name];
    const std::size_t lost = std::min(known.lost.size(), k_restored_max - restored);
    restored += lost;
    round->is_good = restore(key, known, lost, round);
    if (line.own) round->is_good = round->is_good && send({"HSET", key, self_, std::to_string(*line.own)}, round, is_number);
    if (line.own || lost > 0) {
      round->is_good = round->is_good && send({"PEXPIRE", key, in_millis(line.life)}, round, is_number);
    }
    const auto take = [this, round = round.get(), i, name = line.name](const Reply& reply) {
      if (reply.kind != Reply::Kind::array || reply.elements.size() % 2 != 0) return false;
      round->others[i] = sum_of_others(reply, known_[name]);
      return true;
    };
    round->is_good = round->is_good && send({"HGETALL", key}, round, take);
    is_sent = is_sent || round->open > 0;
  }
  return is_sent;
}

// The first so many of what was lost; what is read next says whether it is there again.
bool Tally::restore(const std::string& key, Known& known, std::size_t count, const std::shared_ptr<Round>& round) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto life = known.lives.find(known.lost[i]);
    if (!send({"HSETNX", key, life->first, std::to_string(life->second)}, round, is_number)) return false;
  }
  return true;
}

// A round is over when its last reply has come, or will not come; it is good when all were what they should be.
bool Tally::send(std::initializer_list<std::string_view> command, const std::shared_ptr<Round>& round,
                 std::move_only_function<bool(const Reply&)> take) {
  const bool is_sent =
      link_.send(command, RedisLink::Use::other, [round, take = std::move(take)](const Reply* reply) mutable {
        const bool is_error = reply == nullptr || reply->kind == Reply::Kind::error;
        const bool is_taken = !is_error && take(*reply);
        round->is_good = round->is_good && is_taken;
        if (--round->open == 0) {
          round->done(round->is_good ? std::optional(std::move(round->others)) : std::nullopt);
        }
        return is_taken || is_error;
      });
  if (is_sent) ++round->open;
  return is_sent;
}

std::int64_t Tally::sum_of_others(const Reply& fields, Known& known) const {
  std::int64_t sum = 0;
  std::set<std::string_view> read;
  const auto add = [&sum](std::int64_t value) { sum = std::min(sum + value, k_sum_max); };
  for (std::size_t i = 0; i + 1 < fields.elements.size(); i += 2) {
    const std::string_view life = fields.elements[i].text;
    if (life == self_) continue;
    read.insert(life);
    std::int64_t value = number_in(fields.elements[i + 1].text);
    if (const auto before = known.lives.find(life); before != known.lives.end()) {
      value = before->second = std::max(before->second, value);
    } else if (value > 0 && life.size() <= k_life_max && known.lives.size() < k_lives_max) {
      known.lives.emplace(life, value);
    }
    add(value);
  }
  known.lost.clear();
  for (const auto& [life, value] : known.lives) {
    if (read.contains(life)) continue;
    known.lost.push_back(life);
    add(value);
  }
  return sum;
}

void Tally::keep_only(const std::vector<Line>& lines) {
  std::set<std::string_view> names;
  for (const Line& line : lines) names.insert(line.name);
  std::erase_if(known_, [&names](const auto& known) { return !names.contains(known.first); });
}

}  // namespace outrigger::cache
