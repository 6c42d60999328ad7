#include "obs/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/check.h"
#include "obs/utf8.h"

namespace outrigger::obs {
namespace {

// Label values come from outside: a model's name may be megabytes long.
constexpr std::size_t k_max_label_value = 128;

void append_label_value(std::string& out, std::string_view value) {
  value = utf8_prefix(value, k_max_label_value);
  while (!value.empty()) {
    const std::size_t length = utf8_length(value);
    if (length == 0) {
      out += "\xef\xbf\xbd";  // U+FFFD
    } else if (value.front() == '\\' || value.front() == '"') {
      out += '\\';
      out += value.front();
    } else if (value.front() == '\n') {
      out += "\\n";
    } else {
      out.append(value.substr(0, length));
    }
    value.remove_prefix(length == 0 ? 1 : length);
  }
}

// `model="gpt-4o",result="hit"`: what tells a series from the others, and how it is printed.
std::string label_text(Labels labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    if (!text.empty()) text += ',';
    text += name;
    text += "=\"";
    append_label_value(text, value);
    text += '"';
  }
  return text;
}

std::string other_text(Labels labels) {
  std::string text;
  for (const auto& label : labels) text += fmt::format("{}{}=\"other\"", text.empty() ? "" : ",", label.first);
  return text;
}

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  // Counts as people write them; the shortest form that reads back exactly for all else.
  if (value == std::floor(value) && std::fabs(value) < 1e15) return fmt::format("{:.0f}", value);
  return fmt::format("{}", value);
}

void append_sample(std::string& out, std::string_view name, std::string_view suffix, std::string_view labels,
                   std::string_view more_labels, const std::string& value) {
  out += name;
  out += suffix;
  if (!labels.empty() || !more_labels.empty()) {
    out += '{';
    out += labels;
    if (!labels.empty() && !more_labels.empty()) out += ',';
    out += more_labels;
    out += '}';
  }
  out += ' ';
  out += value;
  out += '\n';
}

// OpenMetrics wants quotation marks escaped as well.
void append_help(std::string& out, std::string_view help, bool is_open) {
  for (const char c : help) {
    if (c == '\\' || (is_open && c == '"')) {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
}

// A bucket's bound: OpenMetrics has whole numbers with a fraction, too ("canonical numbers").
std::string bound(double value, bool is_open) {
  std::string text = number(value);
  if (is_open && text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
  return text;
}

constexpr std::string_view k_total = "_total";

// "# UNIT" of a family whose name ends with one.
void append_unit(std::string& out, std::string_view name) {
  for (const std::string_view unit : {"seconds", "bytes"}) {
    if (name.ends_with(unit)) out += fmt::format("# UNIT {} {}\n", name, unit);
  }
}

}  // namespace

void Histogram::observe(double value, const Exemplar& exemplar) {
  if (std::isnan(value)) return;  // would make the sum useless for ever
  const auto bucket = std::lower_bound(bounds_->begin(), bounds_->end(), value) - bounds_->begin();
  ++counts_[static_cast<std::size_t>(bucket)];
  ++count_;
  sum_ += value;
  if (!exemplar.trace.is_valid()) return;
  if (kept_.empty()) kept_.resize(counts_.size());
  kept_[static_cast<std::size_t>(bucket)] = {exemplar, value};
}

double Histogram::quantile(double q) const {
  if (count_ == 0 || bounds_->empty()) return 0;
  const double rank = std::clamp(q, 0.0, 1.0) * static_cast<double>(count_);
  double below = 0;
  for (std::size_t i = 0; i < bounds_->size(); ++i) {
    const auto inside = static_cast<double>(counts_[i]);
    if (inside > 0 && below + inside >= rank) {
      const double low = i == 0 ? std::min(0.0, (*bounds_)[0]) : (*bounds_)[i - 1];
      return low + ((*bounds_)[i] - low) * (rank - below) / inside;
    }
    below += inside;
  }
  return bounds_->back();  // beyond the last bound nothing more is known
}

struct Registry::Impl {
  enum class Type : unsigned char { counter, gauge, histogram };

  struct Series {
    Counter counter;
    Gauge gauge;
    std::optional<Histogram> histogram;
  };

  struct Family {
    std::string name, help;
    Type type = Type::counter;
    std::vector<double> bounds;
    std::map<std::string, Series, std::less<>> series;  // by their printed labels
  };

  std::deque<Family> families;  // in the order of declaration; elements do not move
  std::map<std::string, Family*, std::less<>> by_name;
  std::vector<std::function<void()>> hooks;

  void declare(std::string_view name, std::string_view help, Type type, std::vector<double> bounds) {
    const auto known = by_name.find(name);
    if (known != by_name.end()) {
      OR_CHECK(known->second->type == type);
      return;
    }
    OR_CHECK(std::is_sorted(bounds.begin(), bounds.end()));
    Family& family = families.emplace_back();
    family.name = name;
    family.help = help;
    family.type = type;
    family.bounds = std::move(bounds);
    by_name.emplace(family.name, &family);
  }

  Series& series(std::string_view name, Type type, Labels labels) {
    const auto known = by_name.find(name);
    OR_CHECK(known != by_name.end());
    Family& family = *known->second;
    OR_CHECK(family.type == type);
    std::string text = label_text(labels);
    auto found = family.series.find(text);
    if (found != family.series.end()) return found->second;
    // The last place is for "other".
    if (family.series.size() + 1 >= k_max_series) text = other_text(labels);
    Series& series = family.series.try_emplace(std::move(text)).first->second;
    if (type == Type::histogram && !series.histogram) series.histogram.emplace(family.bounds);
    return series;
  }
};

Registry::Registry() : impl_(std::make_unique<Impl>()) {}
Registry::~Registry() = default;

void Registry::declare_counter(std::string_view family, std::string_view help) {
  impl_->declare(family, help, Impl::Type::counter, {});
}

void Registry::declare_gauge(std::string_view family, std::string_view help) {
  impl_->declare(family, help, Impl::Type::gauge, {});
}

void Registry::declare_histogram(std::string_view family, std::string_view help, std::vector<double> bounds) {
  impl_->declare(family, help, Impl::Type::histogram, std::move(bounds));
}

Counter& Registry::counter(std::string_view family, Labels labels) {
  return impl_->series(family, Impl::Type::counter, labels).counter;
}

Gauge& Registry::gauge(std::string_view family, Labels labels) {
  return impl_->series(family, Impl::Type::gauge, labels).gauge;
}

Histogram& Registry::histogram(std::string_view family, Labels labels) {
  return *impl_->series(family, Impl::Type::histogram, labels).histogram;
}

void Registry::drop_gauge(std::string_view family, Labels labels) {
  const auto known = impl_->by_name.find(family);
  OR_CHECK(known != impl_->by_name.end() && known->second->type == Impl::Type::gauge);
  known->second->series.erase(label_text(labels));
}

void Registry::before_scrape(std::function<void()> hook) { impl_->hooks.push_back(std::move(hook)); }

std::string Registry::expose() { return expose_as(Format::prometheus); }

std::string Registry::expose_open_metrics() { return expose_as(Format::open_metrics) + "# EOF\n"; }

std::string Registry::expose_as(Format format) {
  constexpr std::string_view types[] = {"counter", "gauge", "histogram"};
  const bool is_open = format == Format::open_metrics;
  for (const auto& hook : impl_->hooks) hook();
  std::string out;
  for (const Impl::Family& family : impl_->families) {
    // There a counter's family has a name without the suffix that its samples have.
    std::string_view name = family.name;
    if (is_open && family.type == Impl::Type::counter && name.ends_with(k_total)) name.remove_suffix(k_total.size());
    out += fmt::format("# HELP {} ", name);
    append_help(out, family.help, is_open);
    out += fmt::format("\n# TYPE {} {}\n", name, types[static_cast<std::size_t>(family.type)]);
    if (is_open) append_unit(out, name);
    for (const auto& [labels, series] : family.series) {
      if (family.type == Impl::Type::counter) {
        append_sample(out, name, is_open ? k_total : "", labels, "", number(series.counter.value()));
      } else if (family.type == Impl::Type::gauge) {
        append_sample(out, name, "", labels, "", number(series.gauge.value()));
      } else {
        append_histogram(out, name, labels, *series.histogram, format);
      }
    }
  }
  return out;
}

void Registry::append_histogram(std::string& out, std::string_view name, std::string_view labels, const Histogram& histogram,
                                Format format) {
  const bool is_open = format == Format::open_metrics;
  const auto append_bucket = [&](std::size_t i, std::string_view le, std::uint64_t count) {
    std::string value = fmt::format("{}", count);
    if (is_open && i < histogram.kept_.size() && histogram.kept_[i].exemplar.trace.is_valid()) {
      const auto& [exemplar, seen] = histogram.kept_[i];
      value += fmt::format(" # {{trace_id=\"{}\"}} {} {:.3f}", hex(exemplar.trace), number(seen),
                           static_cast<double>(unix_millis(exemplar.time)) / 1000);
    }
    append_sample(out, name, "_bucket", labels, fmt::format("le=\"{}\"", le), value);
  };
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < histogram.bounds_->size(); ++i) {
    below += histogram.counts_[i];
    append_bucket(i, bound((*histogram.bounds_)[i], is_open), below);
  }
  append_bucket(histogram.bounds_->size(), "+Inf", histogram.count_);
  append_sample(out, name, "_sum", labels, "", number(histogram.sum_));
  append_sample(out, name, "_count", labels, "", fmt::format("{}", histogram.count_));
}

}  // namespace outrigger::obs
