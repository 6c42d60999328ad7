#include "obs/access_log.h"

#include <charconv>
#include <chrono>
#include <cmath>

#include "obs/json_text.h"

namespace outrigger::obs {
namespace {

void append_digits(std::string& out, std::uint64_t value, std::size_t width) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  const auto length = static_cast<std::size_t>(end - digits);
  if (length < width) out.append(width - length, '0');
  out.append(digits, length);
}

// One JSON object, written member by member.
class Line {
 public:
  Line(std::string& out, std::size_t max_field) : out_(out), max_field_(max_field) { out_ += '{'; }
  void text(std::string_view key, std::string_view value) {
    if (value.empty()) return;
    name(key);
    out_ += '"';
    append_json_text(out_, value, max_field_);
    out_ += '"';
  }
  void time(std::string_view key, WallTime value) {
    name(key);
    out_ += '"';
    append_time(out_, value);
    out_ += '"';
  }
  void count(std::string_view key, std::uint64_t value) {
    if (value == 0) return;
    name(key);
    append_digits(out_, value, 1);
  }
  // Milliseconds with three places: what people compare, as finely as anybody needs.
  void duration(std::string_view key, Duration value) {
    const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(value).count();
    if (micros <= 0) return;
    name(key);
    append_digits(out_, static_cast<std::uint64_t>(micros) / 1000, 1);
    out_ += '.';
    append_digits(out_, static_cast<std::uint64_t>(micros) % 1000, 3);
  }
  void number(std::string_view key, double value) {
    if (value == 0 || !std::isfinite(value)) return;
    name(key);
    char digits[40];
    const auto end = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::general, 9).ptr;
    out_.append(digits, end);
  }
  void yes(std::string_view key, bool value) {
    if (!value) return;
    name(key);
    out_ += "true";
  }
  void tried(std::string_view key, const std::vector<AccessRecord::Tried>& all) {
    if (all.empty()) return;
    name(key);
    out_ += '[';
    for (const AccessRecord::Tried& one : all) {
      if (out_.back() != '[') out_ += ',';
      Line line(out_, max_field_);
      line.text("target", one.target);
      line.text("outcome", one.outcome);
      line.duration("ms", one.took);
      line.close();
    }
    out_ += ']';
  }
  void words(std::string_view key, const std::vector<std::string_view>& all) {
    if (all.empty()) return;
    name(key);
    out_ += '[';
    for (const std::string_view word : all) {
      if (out_.back() != '[') out_ += ',';
      out_ += '"';
      append_json_text(out_, word, max_field_);
      out_ += '"';
    }
    out_ += ']';
  }
  void close() { out_ += '}'; }

 private:
  void name(std::string_view key) {
    out_ += first_ ? "\"" : ",\"";
    first_ = false;
    out_ += key;
    out_ += "\":";
  }
  std::string& out_;
  std::size_t max_field_;
  bool first_ = true;
};

}  // namespace

void append_time(std::string& out, WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const auto millis = static_cast<std::uint64_t>((time - day).count());
  append_digits(out, static_cast<std::uint64_t>(static_cast<int>(date.year())), 4);
  out += '-';
  append_digits(out, static_cast<unsigned>(date.month()), 2);
  out += '-';
  append_digits(out, static_cast<unsigned>(date.day()), 2);
  out += 'T';
  append_digits(out, millis / 3'600'000, 2);
  out += ':';
  append_digits(out, millis / 60'000 % 60, 2);
  out += ':';
  append_digits(out, millis / 1000 % 60, 2);
  out += '.';
  append_digits(out, millis % 1000, 3);
  out += 'Z';
}

void write_json(const AccessRecord& record, std::string& out, std::size_t max_field) {
  Line line(out, max_field);
  line.time("time", record.time);
  line.text("request_id", record.request_id);
  line.text("trace_id", record.trace_id);
  line.text("door", record.door);
  line.text("client", record.client);
  line.text("peer", record.peer);
  line.text("method", record.method);
  line.text("path", record.path);
  line.text("route", record.route);
  line.text("app", record.app);
  line.text("kind", record.kind);
  line.text("model", record.model);
  line.text("upstream", record.upstream);
  line.text("served_by", record.served_by);
  line.text("cache", record.cache);
  line.text("cache_reason", record.cache_reason);
  line.text("error", record.error);
  line.count("status", static_cast<std::uint64_t>(record.status < 0 ? 0 : record.status));
  line.count("attempts", static_cast<std::uint64_t>(record.attempts < 0 ? 0 : record.attempts));
  // One that answered at once is told by served_by already.
  if (record.tried.size() > 1) line.tried("tried", record.tried);
  line.words("left_out", record.left_out);
  line.duration("queued_ms", record.queued);
  line.yes("stream", record.stream);
  line.count("request_bytes", record.request_bytes);
  line.count("response_bytes", record.response_bytes);
  line.count("prompt_tokens", record.prompt_tokens);
  line.count("completion_tokens", record.completion_tokens);
  line.number("price", record.price);
  line.text("currency", record.currency);
  line.number("saved_usd", record.saved_usd);
  line.number("spent_usd", record.spent_usd);
  if (record.prompt_tokens + record.completion_tokens == 0) {
    line.count("saved_tokens", record.saved_tokens);
    line.count("spent_tokens", record.spent_tokens);
  }
  line.duration("duration_ms", record.duration);
  line.duration("first_byte_ms", record.first_byte);
  line.duration("first_event_ms", record.first_event);
  line.close();
  out += '\n';
}

}  // namespace outrigger::obs
