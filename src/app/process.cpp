#include "app/process.h"

#include <unistd.h>

#include <fstream>

#include <fmt/format.h>

namespace outrigger::app {

std::string open_files_warning(std::uint64_t open_files, std::uint64_t connections) {
  constexpr std::uint64_t k_spare = 64;  // log, Redis, admin, libraries
  const std::uint64_t wanted = 2 * connections + k_spare;
  if (open_files >= wanted) return {};
  return fmt::format(
      "only {} open files are allowed, but {} connections may need {}: raise the limit (ulimit -n, LimitNOFILE=) or lower "
      "[limits] connections",
      open_files, connections, wanted);
}

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace outrigger::app
