// EmbeddingBatch: an embeddings request as the set of texts that it is. Each text has a key and an entry of its own; only the
// texts that nobody has asked for before go upstream, each of them once, and the answer is put together in the order asked.
// Pure but for the clock that its caller passes.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "cache/entry.h"
#include "chat/request.h"

namespace outrigger::proxy {

class EmbeddingBatch {
 public:
  struct Element {
    chat::Key key{};  // only without an entry
    std::string identity;
    std::uint32_t tokens = 0;  // estimate
    cache::EntryPtr entry;     // known already
    cache::EntryPtr stale{};   // past its time: for when the upstream fails
  };

  // `body`: the request as it came.
  EmbeddingBatch(std::string body, std::vector<Element> elements) : body_(std::move(body)), elements_(std::move(elements)) {}

  [[nodiscard]] const std::vector<Element>& elements() const { return elements_; }
  // Indices of elements without an entry, each distinct text once.
  [[nodiscard]] std::vector<std::size_t> unknown() const;
  [[nodiscard]] std::uint64_t unknown_tokens() const;  // of their texts; estimate
  [[nodiscard]] bool complete() const { return unknown().empty(); }
  // For each element named by unknown(), in that order; null where nothing was found.
  void learn(const std::vector<std::size_t>& indices, const std::vector<cache::EntryPtr>& entries);

  // The same, of entries that are past their time.
  void keep_stale(const std::vector<std::size_t>& indices, const std::vector<cache::EntryPtr>& entries);
  // They were purged.
  void drop_stale();
  // Puts what is past its time in the place of all that is unknown. False: not all of it is there and may still be used; then nothing
  // has changed.
  [[nodiscard]] bool stand_in(WallTime now);

  // The body that asks for `indices` only; the original when that is all there is.
  [[nodiscard]] std::string request_body(const std::vector<std::size_t>& indices) const;
  [[nodiscard]] bool is_whole(const std::vector<std::size_t>& indices) const { return indices.size() == elements_.size(); }

  // Takes the upstream's answer to request_body(indices): the new entries, which are also learned. `meta` is the pattern for
  // theirs (stored_at set).
  std::expected<std::vector<cache::EntryPtr>, chat::NoStoreReason> accept(std::string_view answer,
                                                                          const std::vector<std::size_t>& indices,
                                                                          const cache::Meta& meta);
  // The whole answer; complete() must hold.
  [[nodiscard]] std::string render(UsagePolicy usage, std::string_view model) const;
  [[nodiscard]] std::uint64_t tokens() const;
  // The oldest of its entries; complete() must hold.
  [[nodiscard]] const cache::Entry& oldest() const;

 private:
  std::string body_;
  std::vector<Element> elements_;
};

}  // namespace outrigger::proxy
