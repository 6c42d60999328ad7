// Metrics: counters, gauges and histograms with bounded label sets, and their Prometheus text form.
//
// A handle (Counter&, ...) stays valid as long as its Registry; hot paths look it up once and keep it. The exception is a gauge
// that is dropped. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/time.h"
#include "obs/trace_context.h"

namespace outrigger::obs {

using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

class Counter {
 public:
  void add(double amount = 1) { value_ += amount; }
  [[nodiscard]] double value() const { return value_; }

 private:
  double value_ = 0;
};

class Gauge {
 public:
  void set(double value) { value_ = value; }
  void add(double amount) { value_ += amount; }
  [[nodiscard]] double value() const { return value_; }

 private:
  double value_ = 0;
};

// The trace that an observation was made in; without a valid id: none.
struct Exemplar {
  TraceId trace{};
  WallTime time{};
};

class Histogram {
 public:
  explicit Histogram(const std::vector<double>& bounds) : bounds_(&bounds), counts_(bounds.size() + 1) {}
  // Of each bucket the last exemplar is kept.
  void observe(double value, const Exemplar& exemplar = {});
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] double sum() const { return sum_; }
  // An estimate by interpolation inside the bucket; 0 without observations.
  [[nodiscard]] double quantile(double q) const;

 private:
  friend class Registry;
  const std::vector<double>* bounds_;
  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  double sum_ = 0;
  struct Kept {
    Exemplar exemplar;
    double value = 0;
  };
  std::vector<Kept> kept_;  // one for each bucket; empty: there was never an exemplar
};

// Families are declared with their help text; series come to be when first asked for. A family holds at most
// `k_max_series`: label values come from outside (a model's name is whatever a client wrote), so later combinations fall
// together into one series whose labels are all "other".
class Registry {
 public:
  static constexpr std::size_t k_max_series = 2000;

  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  void declare_counter(std::string_view family, std::string_view help);
  void declare_gauge(std::string_view family, std::string_view help);
  void declare_histogram(std::string_view family, std::string_view help, std::vector<double> bounds);

  // The family must have been declared as that type.
  Counter& counter(std::string_view family, Labels labels = {});
  Gauge& gauge(std::string_view family, Labels labels = {});
  Histogram& histogram(std::string_view family, Labels labels = {});
  // What it told of is no more: takes it out of the exposition, and its handle is gone. Nothing happens if it never was.
  void drop_gauge(std::string_view family, Labels labels);

  // Runs before each exposition, to bring gauges up to date.
  void before_scrape(std::function<void()> hook);
  // Prometheus text format 0.0.4. Families in the order of their declaration, series in the order of their labels.
  [[nodiscard]] std::string expose();
  // The same as OpenMetrics 1.0, with exemplars.
  [[nodiscard]] std::string expose_open_metrics();

 private:
  struct Impl;
  enum class Format : unsigned char { prometheus, open_metrics };
  std::string expose_as(Format format);
  static void append_histogram(std::string& out, std::string_view name, std::string_view labels, const Histogram& histogram,
                               Format format);
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger::obs
