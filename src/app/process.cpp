#include "app/process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>

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

std::string memory_warning(std::uint64_t limit, std::uint64_t cache_bytes) {
  // Measured: 64 MB with a thousand live streams, besides the cache.
  constexpr std::uint64_t k_beside = 64ull << 20;
  if (limit >= cache_bytes + k_beside) return {};
  constexpr std::uint64_t k_mib = 1ull << 20;
  return fmt::format(
      "only {} MiB of memory are allowed, but a full cache ([cache] memory = {} MiB) and a thousand streams need {}: the "
      "process "
      "may be killed. Raise the limit (container, MemoryMax=) or lower [cache] memory",
      limit / k_mib, cache_bytes / k_mib, (cache_bytes + k_beside) / k_mib);
}

std::optional<std::uint64_t> cgroup_limit(std::string_view self,
                                          const std::function<std::optional<std::uint64_t>(const std::string&)>& limit_at) {
  std::optional<std::uint64_t> least;
  const auto look_at = [&](const std::string& group) {
    const auto limit = limit_at(group);
    if (limit && (!least || *limit < *least)) least = limit;
  };
  look_at("");
  while (!self.empty()) {
    const std::string_view line = self.substr(0, self.find('\n'));
    self.remove_prefix(std::min(line.size() + 1, self.size()));
    // Version 2 has one line, "0::/a/b"; of version 1 the root alone is asked.
    if (!line.starts_with("0::/")) continue;
    std::string group(line.substr(3));
    while (group.size() > 1) {
      look_at(group);
      group.resize(group.rfind('/'));
    }
  }
  return least;
}

std::uint64_t memory_limit() {
  const auto limit_at = [](const std::string& group) -> std::optional<std::uint64_t> {
    for (const std::string& path :
         {"/sys/fs/cgroup" + group + "/memory.max", "/sys/fs/cgroup/memory" + group + "/memory.limit_in_bytes"}) {
      std::uint64_t limit = 0;
      if (std::ifstream(path) >> limit) return limit;  // "max" is no number
    }
    return std::nullopt;
  };
  const std::uint64_t pages = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES));
  std::uint64_t least = pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  std::ifstream file("/proc/self/cgroup");
  const std::string self{std::istreambuf_iterator<char>(file), {}};
  if (const auto limit = cgroup_limit(self, limit_at)) least = std::min(least, *limit);
  rlimit address_space{};
  if (getrlimit(RLIMIT_AS, &address_space) == 0 && address_space.rlim_cur != RLIM_INFINITY) {
    least = std::min<std::uint64_t>(least, address_space.rlim_cur);
  }
  return least;
}

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace outrigger::app
