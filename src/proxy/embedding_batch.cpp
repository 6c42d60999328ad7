#include "proxy/embedding_batch.h"

#include <algorithm>
#include <set>

namespace outrigger::proxy {

std::vector<std::size_t> EmbeddingBatch::unknown() const {
  std::vector<std::size_t> indices;
  std::set<chat::Key> seen;
  for (std::size_t i = 0; i < elements_.size(); ++i) {
    if (elements_[i].entry == nullptr && seen.insert(elements_[i].key).second) indices.push_back(i);
  }
  return indices;
}

std::uint64_t EmbeddingBatch::unknown_tokens() const {
  std::uint64_t sum = 0;
  for (const std::size_t i : unknown()) sum += elements_[i].tokens;
  return sum;
}

void EmbeddingBatch::learn(const std::vector<std::size_t>& indices, const std::vector<cache::EntryPtr>& entries) {
  for (std::size_t n = 0; n < indices.size(); ++n) {
    if (entries[n] == nullptr) continue;
    const chat::Key key = elements_[indices[n]].key;
    for (Element& element : elements_) {
      if (element.key == key) element.entry = entries[n];
    }
  }
}

void EmbeddingBatch::keep_stale(const std::vector<std::size_t>& indices, const std::vector<cache::EntryPtr>& entries) {
  for (std::size_t n = 0; n < indices.size(); ++n) {
    if (entries[n] == nullptr) continue;
    const chat::Key key = elements_[indices[n]].key;
    for (Element& element : elements_) {
      if (element.entry == nullptr && element.key == key) element.stale = entries[n];
    }
  }
}

void EmbeddingBatch::drop_stale() {
  for (Element& element : elements_) element.stale = nullptr;
}

bool EmbeddingBatch::stand_in(WallTime now) {
  const bool is_all_there = std::ranges::all_of(elements_, [now](const Element& element) {
    return element.entry != nullptr || (element.stale != nullptr && element.stale->usable_if_error(now));
  });
  if (!is_all_there) return false;
  for (Element& element : elements_) {
    if (element.entry == nullptr) element.entry = element.stale;
  }
  return true;
}

std::string EmbeddingBatch::request_body(const std::vector<std::size_t>& indices) const {
  return is_whole(indices) ? body_ : chat::with_inputs(body_, indices);
}

std::expected<std::vector<cache::EntryPtr>, chat::NoStoreReason> EmbeddingBatch::accept(
    std::string_view answer, const std::vector<std::size_t>& indices, const cache::Meta& meta) {
  const auto read = providers::read_embeddings(answer, indices.size());
  if (!read) return std::unexpected(read.error());
  std::uint64_t estimated = 0;
  for (const std::size_t i : indices) estimated += elements_[i].tokens;
  std::vector<cache::EntryPtr> entries;
  for (std::size_t n = 0; n < indices.size(); ++n) {
    const Element& element = elements_[indices[n]];
    cache::Meta own = meta;
    // The provider counts the batch as a whole; each text gets its share by the estimate, or that where nobody counted.
    const std::uint64_t counted = read->prompt_tokens > 0 ? read->prompt_tokens : estimated;
    own.prompt_tokens = estimated == 0 ? 0 : (counted * element.tokens + estimated / 2) / estimated;
    own.completion_tokens = 0;
    entries.push_back(
        std::make_shared<cache::Entry>(element.key, element.identity, std::move(own), Bytes::copy(read->embeddings[n])));
  }
  learn(indices, entries);
  return entries;
}

std::string EmbeddingBatch::render(UsagePolicy usage, std::string_view model) const {
  providers::EmbeddingsAnswer answer;
  answer.model = model;
  for (const Element& element : elements_) answer.embeddings.emplace_back(element.entry->payload().view());
  answer.prompt_tokens = usage == UsagePolicy::zero ? 0 : tokens();
  return providers::render_embeddings(answer);
}

const cache::Entry& EmbeddingBatch::oldest() const {
  const cache::Entry* oldest = elements_.front().entry.get();
  for (const Element& element : elements_) {
    if (element.entry->meta().stored_at < oldest->meta().stored_at) oldest = element.entry.get();
  }
  return *oldest;
}

std::uint64_t EmbeddingBatch::tokens() const {
  std::uint64_t sum = 0;
  for (const Element& element : elements_) sum += element.entry->meta().prompt_tokens;
  return sum;
}

}  // namespace outrigger::proxy
