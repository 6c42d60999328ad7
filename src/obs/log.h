// The operator's log: one line a fact, on standard error. For people first: time, level, words.
#pragma once

#include <memory>
#include <string_view>

#include "core/error.h"
#include "core/time.h"
#include "obs/access_log.h"

namespace outrigger::obs {

class Log {
 public:
  virtual ~Log() = default;
  virtual void line(LogLevel level, std::string_view text) = 0;
  void info(std::string_view text) { line(LogLevel::info, text); }
  void warning(std::string_view text) { line(LogLevel::warning, text); }
  void error(std::string_view text) { line(LogLevel::error, text); }
};

}  // namespace outrigger::obs
