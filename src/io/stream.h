// Stream: an open, ordered, two-way flow of bytes: a TCP or Unix socket, TLS over one, or a simulated link.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "core/bytes.h"
#include "core/error.h"

namespace outrigger::io {

// What the owner of a Stream hears. Any of these may destroy the Stream.
class StreamHandler {
 public:
  // New bytes; valid during the call only. Copy what must be kept.
  virtual void on_data(std::string_view data) = 0;
  // The other side will send no more. Writing is still possible. At most once.
  virtual void on_eof() = 0;
  // The stream is broken, for reading and writing. At most once, and nothing comes after it.
  virtual void on_error(Error error) = 0;
  // unsent() has fallen to zero after a write() had left something unsent.
  virtual void on_drained() = 0;

 protected:
  ~StreamHandler() = default;
};

// Owned by whoever reads it. Destroying it closes the connection at once; unsent bytes are lost.
// A new Stream does not read: set a handler, then call read(true).
class Stream {
 public:
  virtual ~Stream() = default;

  // `handler` must outlive the Stream or be replaced before it dies. Null while nobody listens: then reading must be off.
  virtual void set_handler(StreamHandler* handler) = 0;

  // Switches the delivery of on_data and on_eof on or off. Off is how back-pressure reaches the other side.
  virtual void read(bool on) = 0;

  // Sends `chunks` in order: what the kernel takes goes out at once, the rest is kept (shared, not copied) and sent as the
  // other side reads. Never fails here: a broken stream says so by on_error, later. Nothing bounds what is kept, so the
  // writer must look at unsent() and stop.
  virtual void write(std::span<const Bytes> chunks) = 0;
  void write(const Bytes& chunk) { write(std::span<const Bytes>(&chunk, 1)); }

  // Bytes accepted by write() that have not yet left.
  [[nodiscard]] virtual std::size_t unsent() const = 0;

  // No more writes: closes our direction after everything unsent has gone (TCP FIN, TLS close_notify).
  virtual void shutdown() = 0;

  // The other side's address as text, for the log: "203.0.113.7:4711".
  [[nodiscard]] virtual std::string peer() const = 0;
};

}  // namespace outrigger::io
