#include "proxy/fleet_note.h"

#include <fmt/format.h>

#include <charconv>

namespace outrigger::proxy {
namespace {

constexpr std::string_view k_head = "outrigger-fleet 1 ";
constexpr std::size_t k_id_max = 64;
// No length of time that is told is longer, and no number of what was sent within a minute or so is higher; what is has been damaged.
constexpr std::uint64_t k_millis_max = 3'600'000;
constexpr std::uint64_t k_count_max = 1'000'000'000'000;

// The words of one line.
class Words {
 public:
  explicit Words(std::string_view line) : rest_(line) {}

  std::string_view word() {
    const std::size_t end = std::min(rest_.find(' '), rest_.size());
    const std::string_view word = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    return word;
  }
  template <typename Number>
  Number number(Number least, Number most) {
    const std::string_view text = word();
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) good_ = false;
    return value;
  }
  std::uint64_t any() { return number<std::uint64_t>(0, UINT64_MAX); }
  std::uint64_t count() { return number<std::uint64_t>(0, k_count_max); }
  std::int64_t total() {
    // Far from overflow whatever is subtracted.
    return number<std::int64_t>(-(INT64_MAX >> 2), INT64_MAX >> 2);
  }
  std::chrono::milliseconds millis() { return std::chrono::milliseconds(number<std::uint64_t>(0, k_millis_max)); }
  std::string id() {
    const std::string_view text = word();
    if (text.empty() || text.size() > k_id_max) good_ = false;
    return std::string(text);
  }
  [[nodiscard]] bool good() const { return good_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool good_ = true;
};

}  // namespace

std::string write(const FleetNote& note) {
  std::string text = fmt::format("{}{}\n", k_head, note.number);
  for (const FleetNote::Account& a : note.accounts) {
    text += fmt::format("a {} {} {} {} {} {} {} {} {}\n", a.id, a.life, a.requests, a.tokens, a.minute_requests,
                        a.minute_tokens, a.over.count(), a.rejections, a.closed_for.count());
  }
  for (const FleetNote::Target& t : note.targets) {
    text += fmt::format("t {} {} {} {}\n", t.id, t.trips, t.rest.count(), t.recoveries);
  }
  return text;
}

std::optional<FleetNote> read_fleet_note(std::string_view text) {
  if (!text.starts_with(k_head) || !text.ends_with('\n')) return std::nullopt;
  text.remove_prefix(k_head.size());
  FleetNote note;
  for (bool is_first = true; !text.empty(); is_first = false) {
    const std::size_t end = text.find('\n');
    Words words(text.substr(0, end));
    text.remove_prefix(end + 1);
    if (is_first) {
      note.number = words.any();
    } else if (const std::string_view kind = words.word(); kind == "a") {
      FleetNote::Account& a = note.accounts.emplace_back();
      a.id = words.id();
      a.life = words.any();
      a.requests = words.total();
      a.tokens = words.total();
      a.minute_requests = words.count();
      a.minute_tokens = words.count();
      a.over = words.millis();
      a.rejections = words.any();
      a.closed_for = words.millis();
    } else if (kind == "t") {
      FleetNote::Target& t = note.targets.emplace_back();
      t.id = words.id();
      t.trips = words.any();
      t.rest = words.millis();
      t.recoveries = words.any();
    } else {
      return std::nullopt;
    }
    if (!words.good()) return std::nullopt;
  }
  if (note.accounts.size() > FleetNote::k_entries_max || note.targets.size() > FleetNote::k_entries_max) return std::nullopt;
  return note;
}

}  // namespace outrigger::proxy
