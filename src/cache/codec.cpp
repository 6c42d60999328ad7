#include "cache/codec.h"

#include <zstd.h>

#include "cache/head.h"

namespace outrigger::cache {
namespace {

// Answers shrink to about three quarters at 300 MB/s; higher levels win little on texts this short (reference, section 3).
constexpr int k_level = 3;
// Working memory that a single large entry needed is given back.
constexpr std::size_t k_scratch_kept = 1u << 20;

}  // namespace

struct Codec::Contexts {
  ~Contexts() {
    ZSTD_freeCCtx(compress);
    ZSTD_freeDCtx(decompress);
  }
  ZSTD_CCtx* compress = nullptr;  // made when first needed: it weighs a megabyte
  ZSTD_DCtx* decompress = nullptr;
};

Codec::Codec() : contexts_(std::make_unique<Contexts>()) {}
Codec::~Codec() = default;

std::optional<std::string> Codec::encode(const Entry& entry) {
  const std::string_view identity = entry.identity();
  const std::size_t raw_size = sizeof(std::uint32_t) + identity.size() + entry.payload().size();
  if (identity.size() > k_raw_max || entry.payload().size() > k_raw_max || raw_size > k_raw_max) return std::nullopt;
  std::string out;
  if (!append_head(out, entry.meta())) return std::nullopt;

  if (contexts_->compress == nullptr) {
    contexts_->compress = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(contexts_->compress, ZSTD_c_compressionLevel, k_level);
    ZSTD_CCtx_setParameter(contexts_->compress, ZSTD_c_checksumFlag, 1);
  }
  std::string raw;
  raw.reserve(raw_size);
  append_u32(raw, static_cast<std::uint32_t>(identity.size()));
  raw.append(identity).append(entry.payload().view());

  std::size_t written = 0;
  const std::size_t head_size = out.size();
  out.resize_and_overwrite(head_size + ZSTD_compressBound(raw.size()), [&](char* to, std::size_t size) {
    written = ZSTD_compress2(contexts_->compress, to + head_size, size - head_size, raw.data(), raw.size());
    return ZSTD_isError(written) ? head_size : head_size + written;
  });
  if (ZSTD_isError(written)) return std::nullopt;
  return out;
}

std::expected<EntryPtr, Codec::Refusal> Codec::decode(std::string_view bytes, const chat::Key& key, std::string identity) {
  std::optional<Head> head = parse_head(bytes);
  if (!head) return std::unexpected(Refusal::rubbish);
  const std::optional<std::string_view> raw = unpack(bytes.substr(head->size));
  if (!raw || raw->size() < sizeof(std::uint32_t)) return std::unexpected(Refusal::rubbish);
  const std::string_view rest = raw->substr(sizeof(std::uint32_t));
  const std::size_t identity_size = read_u32(raw->data());
  if (identity_size > rest.size()) return std::unexpected(Refusal::rubbish);
  if (rest.substr(0, identity_size) != identity) return std::unexpected(Refusal::other_identity);
  auto entry =
      std::make_shared<Entry>(key, std::move(identity), std::move(head->meta), Bytes::copy(rest.substr(identity_size)));
  if (scratch_size_ > k_scratch_kept) {
    scratch_.reset();
    scratch_size_ = 0;
  }
  return entry;
}

// The content of `frame`, which must be exactly one frame that says its size. Lies in scratch_.
std::optional<std::string_view> Codec::unpack(std::string_view frame) {
  const unsigned long long size = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR || size > k_raw_max) return std::nullopt;
  if (ZSTD_findFrameCompressedSize(frame.data(), frame.size()) != frame.size()) return std::nullopt;
  if (scratch_size_ < size) {
    scratch_ = std::make_unique_for_overwrite<char[]>(size);
    scratch_size_ = size;
  }
  if (contexts_->decompress == nullptr) contexts_->decompress = ZSTD_createDCtx();
  const std::size_t got =
      ZSTD_decompressDCtx(contexts_->decompress, scratch_.get(), scratch_size_, frame.data(), frame.size());
  if (ZSTD_isError(got) || got != size) return std::nullopt;
  return std::string_view(scratch_.get(), got);
}

}  // namespace outrigger::cache
