#include "admin/top_view.h"

#include <yyjson.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <span>

#include <fmt/format.h>
#include "admin/columns.h"

namespace outrigger::admin {
namespace {

// What was told, read without trust: whatever is missing or of another kind is empty or zero.
class Told {
 public:
  explicit Told(std::string_view text)
      : document_(yyjson_read(text.data(), text.size(), 0), [](yyjson_doc* document) { yyjson_doc_free(document); }),
        value_(yyjson_doc_get_root(document_.get())) {}
  [[nodiscard]] Told operator[](const char* name) const { return {document_, yyjson_obj_get(value_, name)}; }
  [[nodiscard]] bool exists() const { return value_ != nullptr; }
  [[nodiscard]] double number() const { return yyjson_is_num(value_) ? yyjson_get_num(value_) : 0; }
  [[nodiscard]] bool yes() const { return yyjson_is_true(value_); }
  [[nodiscard]] std::string_view text() const {
    return yyjson_is_str(value_) ? std::string_view(yyjson_get_str(value_), yyjson_get_len(value_)) : std::string_view();
  }
  [[nodiscard]] std::vector<Told> elements() const {
    std::vector<Told> all;
    yyjson_arr_iter iterator;
    if (!yyjson_arr_iter_init(value_, &iterator)) return all;
    while (yyjson_val* next = yyjson_arr_iter_next(&iterator)) all.push_back({document_, next});
    return all;
  }

 private:
  Told(std::shared_ptr<yyjson_doc> document, yyjson_val* value) : document_(std::move(document)), value_(value) {}
  std::shared_ptr<yyjson_doc> document_;
  yyjson_val* value_;
};

enum class Ink : unsigned char { plain, faint, strong, good, warning, bad };

// 1234567 → "1.2 M".
std::string amount(double value) {
  if (!(value >= 1000)) return fmt::format("{:.0f}", std::max(0.0, value));
  for (const auto& [unit, name] : {std::pair{1e9, 'G'}, std::pair{1e6, 'M'}, std::pair{1e3, 'k'}}) {
    if (value >= unit) return fmt::format("{:.{}f} {}", value / unit, value / unit < 10 ? 1 : 0, name);
  }
  return {};
}

std::string usd(double value) { return fmt::format("${:.{}f}", value, value == 0 || value >= 1 ? 2 : 4); }

std::string share(double part, double whole) {
  return whole > 0 ? fmt::format("{:.1f} %", part / whole * 100) : std::string("-");
}

std::string bytes(double value) {
  for (const auto& [unit, name] : {std::pair{30, "GiB"}, std::pair{20, "MiB"}, std::pair{10, "KiB"}}) {
    if (value >= std::ldexp(1.0, unit)) return fmt::format("{:.0f} {}", std::ldexp(value, -unit), name);
  }
  return fmt::format("{:.0f} B", value);
}

std::string span_of(double seconds) {
  if (!(seconds >= 60)) return fmt::format("{:.0f} s", std::max(0.0, seconds));
  if (seconds < 3600) return fmt::format("{:.0f} min", std::floor(seconds / 60));
  if (seconds < 2 * 86400)
    return fmt::format("{:.0f} h {:02.0f} min", std::floor(seconds / 3600), std::floor(std::fmod(seconds, 3600) / 60));
  return fmt::format("{:.0f} days", std::floor(seconds / 86400));
}

// 0.0123 s → "12 ms".
std::string took(double milliseconds) {
  if (milliseconds < 1) return "<1 ms";
  if (milliseconds < 10) return fmt::format("{:.1f} ms", milliseconds);
  return milliseconds < 1000 ? fmt::format("{:.0f} ms", milliseconds) : fmt::format("{:.1f} s", milliseconds / 1000);
}

class Picture {
 public:
  explicit Picture(const TopSize& size) : size_(size) {}

  [[nodiscard]] std::size_t room() const { return size_.height - std::min(size_.height, lines_.size()); }
  [[nodiscard]] std::size_t width() const { return size_.width; }
  // Pieces one after the other, as far as there is place.
  struct Piece {
    std::string text;
    Ink ink = Ink::plain;
  };
  void line(std::span<const Piece> pieces) {
    if (room() == 0) return;
    std::string line;
    std::size_t left = size_.width;
    for (const Piece& piece : pieces) {
      const std::string shown = cut(piece.text, left);
      left -= admin::width(shown);
      line += coloured(shown, piece.ink);
      if (left == 0) break;
    }
    lines_.push_back(std::move(line));
  }
  void line(std::initializer_list<Piece> pieces) { line(std::span(pieces.begin(), pieces.size())); }
  void blank() { line({}); }
  std::vector<std::string> lines() && { return std::move(lines_); }

 private:
  [[nodiscard]] std::string coloured(const std::string& text, Ink ink) const {
    static constexpr std::array<std::string_view, 6> k_codes{"", "2", "1", "32", "33", "31;1"};
    const std::string_view code = k_codes[static_cast<std::size_t>(ink)];
    return size_.is_coloured && !code.empty() && !text.empty() ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
  }

  TopSize size_;
  std::vector<std::string> lines_;
};

// A table whose least important columns give way when there is little place; the first takes what is left.
class Table {
 public:
  struct Column {
    std::string_view title;
    std::size_t width;  // the least of the first column, the whole of the others
    int rank;           // the higher, the earlier it is left out
    Side side = Side::left;
  };
  Table(std::vector<Column> columns, std::size_t width) : columns_(std::move(columns)), is_shown_(columns_.size(), true) {
    while (needed() > width) {
      std::size_t least = 0;
      for (std::size_t i = 1; i < columns_.size(); ++i) {
        if (is_shown_[i] && (least == 0 || columns_[i].rank > columns_[least].rank)) least = i;
      }
      if (least == 0) break;
      is_shown_[least] = false;
    }
    constexpr std::size_t k_widest = 48;
    columns_[0].width = std::min(k_widest, columns_[0].width + (width - std::min(width, needed())));
  }
  void head(Picture& picture) const {
    std::vector<Picture::Piece> pieces;
    for (const Column& column : columns_) pieces.push_back({std::string(column.title)});
    row(picture, std::move(pieces), Ink::faint);
  }
  // `ink` of those that have none.
  void row(Picture& picture, std::vector<Picture::Piece> cells, Ink ink = Ink::plain) const {
    std::vector<Picture::Piece> pieces;
    for (std::size_t i = 0; i < columns_.size() && i < cells.size(); ++i) {
      if (!is_shown_[i]) continue;
      const Ink own = cells[i].ink == Ink::plain ? ink : cells[i].ink;
      if (!pieces.empty()) pieces.push_back({"  "});
      pieces.push_back({fitted(cells[i].text, columns_[i].width, columns_[i].side), own});
    }
    while (!pieces.empty()) {
      std::string& last = pieces.back().text;
      last.erase(last.find_last_not_of(' ') + 1);
      if (!last.empty()) break;
      pieces.pop_back();
    }
    picture.line(pieces);
  }

 private:
  [[nodiscard]] std::size_t needed() const {
    std::size_t columns = 0;
    for (std::size_t i = 0; i < columns_.size(); ++i) columns += is_shown_[i] ? columns_[i].width + 2 : 0;
    return columns - 2;
  }
  std::vector<Column> columns_;
  std::vector<bool> is_shown_;
};

struct Sums {
  double requests = 0, hit = 0, coalesced = 0, stale = 0, miss = 0, bypass = 0, errors = 0;
  double saved_usd = 0, spent_usd = 0, saved_tokens = 0, spent_tokens = 0;
};

// Of the points from the end, the one that still grows left out if there are others.
Sums sum(const std::vector<Told>& points, std::size_t steps) {
  Sums sums;
  const std::size_t end = steps < points.size() ? points.size() - 1 : points.size();
  for (std::size_t i = end - std::min(end, steps); i < end; ++i) {
    sums.requests += points[i]["requests"].number();
    sums.hit += points[i]["hit"].number();
    sums.coalesced += points[i]["coalesced"].number();
    sums.stale += points[i]["stale"].number();
    sums.miss += points[i]["miss"].number();
    sums.bypass += points[i]["bypass"].number();
    sums.errors += points[i]["errors"].number();
    sums.saved_usd += points[i]["saved_usd"].number();
    sums.spent_usd += points[i]["spent_usd"].number();
    sums.saved_tokens += points[i]["saved_tokens"].number();
    sums.spent_tokens += points[i]["spent_tokens"].number();
  }
  return sums;
}

Ink ink_of(std::string_view level) {
  if (level == "ok") return Ink::good;
  return level == "bad" ? Ink::bad : Ink::warning;
}

void show_health(Picture& picture, const TopFacts& facts, const Told& status) {
  const Told health = status["health"];
  const std::string_view state = health["state"].text();
  picture.line({{"Outrigger ", Ink::strong},
                {std::string(status["version"].text())},
                {"  "},
                {state == "ok" ? "all is well" : std::string(state), ink_of(state)},
                {fmt::format("  up {}  {}", span_of(status["uptime_seconds"].number()), facts.where), Ink::faint}});
  if (!facts.problem.empty()) picture.line({{fmt::format("No news: {}", facts.problem), Ink::bad}});
  constexpr std::size_t k_reasons = 4;
  const std::vector<Told> reasons = health["reasons"].elements();
  for (std::size_t i = 0; i < reasons.size() && i < k_reasons; ++i) {
    const std::string_view level = reasons[i]["level"].text();
    picture.line({{level == "bad" ? "  ! " : "  - ", ink_of(level)}, {std::string(reasons[i]["text"].text())}});
  }
  if (reasons.size() > k_reasons) picture.line({{fmt::format("  and {} more", reasons.size() - k_reasons), Ink::faint}});
}

void show_sums(Picture& picture, const Told& status, const Told& history) {
  const std::vector<Told> points = history["points"].elements();
  const double step = std::max(1.0, history["step_seconds"].number());
  const auto minute = static_cast<std::size_t>(std::ceil(60 / step));
  const Sums lately = sum(points, minute);
  const Sums hour = sum(points, points.size());
  const double free = hour.hit + hour.coalesced + hour.stale;
  const double asked = free + hour.miss + hour.bypass;
  picture.line({{"Requests  ", Ink::faint},
                {fmt::format("{:.1f}/s", lately.requests / (static_cast<double>(minute) * step)), Ink::strong},
                {fmt::format("  {} in the last hour, {} of them failed", amount(hour.requests), amount(hour.errors))}});
  picture.line({{"Cache     ", Ink::faint},
                {share(free, asked), Ink::strong},
                {fmt::format("  hit {}, coalesced {}, stale {}, miss {}, bypass {}", amount(hour.hit),
                             amount(hour.coalesced), amount(hour.stale), amount(hour.miss), amount(hour.bypass))}});
  const Told saved = status["savings"];
  const Told spent = status["spending"];
  const auto tokens = [](const Told& of) { return of["prompt_tokens"].number() + of["completion_tokens"].number(); };
  picture.line({{"Saved     ", Ink::faint},
                {usd(hour.saved_usd), Ink::strong},
                {fmt::format(", {} tokens in the last hour; {}, {} since the start", amount(hour.saved_tokens),
                             usd(saved["usd"].number()), amount(tokens(saved)))}});
  picture.line({{"Spent     ", Ink::faint},
                {usd(hour.spent_usd), Ink::strong},
                {fmt::format(", {} tokens in the last hour; {}, {} since the start", amount(hour.spent_tokens),
                             usd(spent["usd"].number()), amount(tokens(spent)))}});
  const Told memory = status["cache"]["memory"];
  const Told redis = status["cache"]["redis"];
  std::string words = fmt::format("{} answers, {} of {}", amount(memory["entries"].number()),
                                  bytes(memory["bytes"].number()), bytes(memory["capacity"].number()));
  if (redis["configured"].yes()) words += redis["up"].yes() ? ", Redis is up" : ", Redis is down";
  const double replicas = status["fleet"]["replicas"].number();
  if (replicas > 1) words += fmt::format(", {:.0f} replicas", replicas);
  picture.line({{"Memory    ", Ink::faint}, {words}});
}

std::string first_token(const Told& target, const char* quantile) {
  const Told value = target["first_token_seconds"][quantile];
  return value.exists() ? took(value.number() * 1000) : "-";
}

void show_targets(Picture& picture, const Told& status, std::size_t most) {
  const Table table({{"TARGET", 16, 0},
                     {"BREAKER", 10, 1},
                     {"GATE", 6, 3, Side::right},
                     {"IN FLIGHT", 9, 5, Side::right},
                     {"QUEUE", 7, 2, Side::right},
                     {"P50", 7, 4, Side::right},
                     {"P95", 7, 6, Side::right}},
                    picture.width());
  table.head(picture);
  std::vector<Told> targets = status["targets"].elements();
  // Those with trouble or work first.
  std::ranges::stable_sort(targets, std::greater{}, [](const Told& target) {
    return std::pair{target["breaker"].text() != "closed",
                     target["in_flight"].number() + target["queue"]["waiting"].number()};
  });
  for (std::size_t i = 0; i < targets.size() && i < most; ++i) {
    const Told& target = targets[i];
    const std::string_view breaker = target["breaker"].text();
    double closed = 0;
    for (const Told& key : target["keys"].elements()) closed = std::max(closed, key["gate_closed_seconds"].number());
    std::string in_flight = fmt::format("{:.0f}", target["in_flight"].number());
    if (target["concurrency"].exists()) in_flight += fmt::format("/{:.0f}", target["concurrency"].number());
    const double waiting = target["queue"]["waiting"].number();
    table.row(
        picture,
        {{std::string(target["name"].text())},
         {std::string(target["by_hand"].yes() ? "by hand" : breaker), breaker == "closed" ? Ink::plain
                                                                      : breaker == "open" ? Ink::bad
                                                                                          : Ink::warning},
         {closed > 0 ? fmt::format("{:.0f} s", std::ceil(closed)) : "open", closed > 0 ? Ink::warning : Ink::plain},
         {in_flight},
         {fmt::format("{:.0f}/{:.0f}", waiting, target["queue"]["depth"].number()), waiting > 0 ? Ink::warning : Ink::plain},
         {first_token(target, "p50")},
         {first_token(target, "p95")}});
  }
  if (targets.empty()) picture.line({{"  No target has been asked yet."}});
  if (targets.size() > most) picture.line({{fmt::format("  and {} more", targets.size() - most), Ink::faint}});
}

void show_requests(Picture& picture, const Told& requests) {
  const Table table({{"MODEL OR APP", 12, 0},
                     {"UTC", 8, 3},
                     {"STATUS", 6, 1, Side::right},
                     {"CACHE", 9, 2},
                     {"TOOK", 7, 4, Side::right},
                     {"TRIES", 5, 6, Side::right},
                     {"WHY", 16, 5}},
                    picture.width());
  table.head(picture);
  const std::vector<Told> all = requests["requests"].elements();
  if (all.empty()) picture.line({{"  No requests yet. Give clients the llm door as their base URL."}});
  for (const Told& one : all) {
    if (picture.room() == 0) return;
    const double status = one["status"].number();
    const std::string_view time = one["time"].text();
    const std::string_view model = one["model"].text();
    const std::string_view error = one["error"].text();
    const std::string_view name = !model.empty()               ? model
                                  : !one["app"].text().empty() ? one["app"].text()
                                                               : one["path"].text();
    const std::string_view cache = one["cache"].text();
    table.row(picture,
              {{std::string(name)},
               {std::string(time.size() > 19 ? time.substr(11, 8) : std::string_view())},
               {fmt::format("{:.0f}", status), status >= 500   ? Ink::bad
                                               : status >= 400 ? Ink::warning
                                                               : Ink::plain},
               {std::string(cache), cache == "hit" || cache == "coalesced" || cache == "stale" ? Ink::good : Ink::plain},
               {took(one["duration_ms"].number())},
               {fmt::format("{:.0f}", one["attempts"].number())},
               {std::string(!error.empty() ? error : one["cache_reason"].text())}});
  }
}

}  // namespace

std::vector<std::string> top_view(const TopFacts& facts, const TopSize& size) {
  Picture picture(size);
  const Told status(facts.status);
  if (!status["version"].exists()) {
    picture.line({{"Outrigger ", Ink::strong}, {std::string(facts.where), Ink::faint}});
    picture.line({{facts.problem.empty() ? "Asking ..." : std::string(facts.problem)}});
    return std::move(picture).lines();
  }
  const Told history(facts.history);
  const Told requests(facts.requests);
  show_health(picture, facts, status);
  show_sums(picture, status, history);
  picture.blank();
  // Half of what is left is for targets, with a title and a word on those that are left out.
  const std::size_t half = picture.room() / 2;
  show_targets(picture, status, half > 4 ? half - 3 : 1);
  picture.blank();
  show_requests(picture, requests);
  return std::move(picture).lines();
}

}  // namespace outrigger::admin
