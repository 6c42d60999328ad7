// Local files: read whole at start and at a reload, watched in between.
#pragma once

#include <cstddef>
#include <string>

#include "core/result.h"
#include "net/uv_loop.h"

namespace outrigger::net {

// Blocks; for start and reload only. Errors (io_failed) name the path and the reason.
Result<std::string> read_file(const std::string& path, std::size_t max_bytes);

// Calls back when the file's content may have changed: it was written, replaced, or is there again after it was not.
// It asks for the file's state every two seconds, since events do not come through the symbolic links of a mounted
// ConfigMap or Secret.
class FileWatch {
 public:
  FileWatch(UvLoop& loop, const std::string& path, io::Callback changed, Duration interval = 2s);
  ~FileWatch();
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

 private:
  struct Poll;
  Poll* poll_;
};

}  // namespace outrigger::net
