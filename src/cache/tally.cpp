#include "cache/tally.h"

#include <algorithm>
#include <charconv>

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

}  // namespace

Tally::Tally(io::World world, RedisSettings settings, std::string self, Duration timeout)
    : settings_(std::move(settings)), self_(std::move(self)), link_(world, settings_, timeout, *this) {}

Tally::~Tally() = default;

bool Tally::exchange(const std::vector<Line>& lines, Read done) {
  auto round = std::make_shared<Round>();
  round->done = std::move(done);
  bool is_sent = false;
  const std::size_t count = std::min(lines.size(), k_lines_max);
  round->others.resize(lines.size());
  for (std::size_t i = 0; i < count && round->is_good; ++i) {
    const std::string key = settings_.prefix + "spent:" + lines[i].name;
    const auto is_number = [](const Reply& reply) { return reply.kind == Reply::Kind::integer; };
    if (lines[i].own) {
      round->is_good = send({"HSET", key, self_, std::to_string(*lines[i].own)}, round, is_number) &&
                       send({"PEXPIRE", key, in_millis(lines[i].life)}, round, is_number);
    }
    const auto take = [this, round = round.get(), i](const Reply& reply) {
      if (reply.kind != Reply::Kind::array || reply.elements.size() % 2 != 0) return false;
      round->others[i] = sum_of_others(reply);
      return true;
    };
    round->is_good = round->is_good && send({"HGETALL", key}, round, take);
    is_sent = is_sent || round->open > 0;
  }
  return is_sent;
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

std::int64_t Tally::sum_of_others(const Reply& fields) const {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i + 1 < fields.elements.size(); i += 2) {
    if (fields.elements[i].text == self_) continue;
    sum = std::min(sum + number_in(fields.elements[i + 1].text), k_sum_max);
  }
  return sum;
}

}  // namespace outrigger::cache
