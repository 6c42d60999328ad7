#include "http/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstring>

#include "core/check.h"

namespace outrigger::http {
namespace {

// The end of a head: at most Content-Length (38 bytes), Connection (24), Upgrade (20), Date (37) and the empty line (2).
class Tail {
 public:
  Tail(const Framing& framing, std::string_view date) {
    if (framing.content_length) {
      append("Content-Length: ");
      append_number(*framing.content_length);
      append("\r\n");
    } else if (framing.chunked) {
      append("Transfer-Encoding: chunked\r\n");
    }
    if (!framing.connection.empty()) {
      append("Connection: ");
      append(framing.connection);
      append("\r\n");
    }
    if (!framing.upgrade.empty()) {
      append("Upgrade: ");
      append(framing.upgrade);
      append("\r\n");
    }
    append(date);
    append("\r\n");
  }
  [[nodiscard]] std::string_view view() const { return {text_.data(), size_}; }

 private:
  void append(std::string_view part) {
    OR_CHECK(part.size() <= text_.size() - size_);
    std::copy(part.begin(), part.end(), text_.data() + size_);
    size_ += part.size();
  }
  void append_number(std::uint64_t number) {
    char* const end = text_.data() + text_.size();
    size_ = static_cast<std::size_t>(std::to_chars(text_.data() + size_, end, number).ptr - text_.data());
  }

  std::array<char, 128> text_;
  std::size_t size_ = 0;
};

enum class Skip : unsigned char { nothing_more, date, expect };

// True when a Date was among the fields written.
bool write_fields(std::string& to, const Headers& headers, Skip skip) {
  const HopByHop is_hop_by_hop(headers);
  bool has_date = false;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    const auto [name, value] = headers[i];
    if (is_hop_by_hop(name) || equal_ignoring_case(name, "content-length")) continue;
    if (skip == Skip::expect && equal_ignoring_case(name, "expect")) continue;
    if (equal_ignoring_case(name, "date")) {
      if (skip == Skip::date) continue;
      has_date = true;
    }
    if (!is_token(name) || !is_field_value(value)) continue;
    to.append(name).append(": ").append(value).append("\r\n");
  }
  return has_date;
}

void write_status_line(std::string& to, const ResponseHead& head) {
  OR_CHECK(head.status >= 100 && head.status <= 999);
  const bool use_own = !head.reason.empty() && is_field_value(head.reason);
  to.append("HTTP/1.1 ");
  std::array<char, 4> digits{};
  to.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), head.status).ptr);
  to.append(" ").append(use_own ? std::string_view(head.reason) : standard_reason(head.status)).append("\r\n");
}

}  // namespace

std::string_view DateLine::at(WallTime now) {
  const std::int64_t second = unix_seconds(now);
  if (second == second_) return line_;
  second_ = second;
  static constexpr std::array<std::string_view, 7> k_days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<std::string_view, 12> k_months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                             "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(now);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(now - day));
  line_ = fmt::format("Date: {}, {:02} {} {:04} {:02}:{:02}:{:02} GMT\r\n", k_days[std::chrono::weekday(day).c_encoding()],
                      static_cast<unsigned>(date.day()), k_months[static_cast<unsigned>(date.month()) - 1],
                      static_cast<int>(date.year()), time.hours().count(), time.minutes().count(), time.seconds().count());
  return line_;
}

void write_response_head(std::string& to, const ResponseHead& head, const Framing& framing, std::string_view date) {
  write_status_line(to, head);
  const bool has_date = write_fields(to, head.headers, Skip::nothing_more);
  to.append(Tail(framing, has_date ? std::string_view{} : date).view());
}

std::string render_head(const ResponseHead& head) {
  std::string text;
  text.reserve(head.headers.text_size() + 4 * head.headers.size() + 64);
  write_status_line(text, head);
  write_fields(text, head.headers, Skip::date);
  return text;
}

Bytes complete_head(std::string_view rendered, const Framing& framing, std::string_view date) {
  const Tail tail(framing, date);
  return Bytes::make(rendered.size() + tail.view().size(), [&](char* to) {
    std::memcpy(to, rendered.data(), rendered.size());
    std::memcpy(to + rendered.size(), tail.view().data(), tail.view().size());
  });
}

int rendered_status(std::string_view rendered) {
  int status = 0;
  if (rendered.size() >= 12) std::from_chars(rendered.data() + 9, rendered.data() + 12, status);
  return status;
}

bool write_request_head(std::string& to, const RequestHead& head, const Framing& framing) {
  const bool sound = !head.target.empty() && std::all_of(head.target.begin(), head.target.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte != 0x7f;
  });
  if (!is_token(head.method) || !sound) return false;
  to.append(head.method).append(" ").append(head.target).append(" HTTP/1.1\r\n");
  write_fields(to, head.headers, Skip::expect);
  to.append(Tail(framing, {}).view());
  return true;
}

Bytes chunk_head(std::size_t size) {
  std::array<char, 20> line{};
  char* end = std::to_chars(line.data(), line.data() + line.size(), size, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  return Bytes::copy({line.data(), static_cast<std::size_t>(end - line.data())});
}

}  // namespace outrigger::http
