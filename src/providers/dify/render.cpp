// Stored answers of runs, written to the wire again.
#include <algorithm>
#include <cstring>
#include <optional>

#include "providers/dify/answer.h"
#include "providers/json_text.h"

namespace outrigger::providers::dify {
namespace {

constexpr std::size_t k_uuid_size = std::tuple_size_v<Uuid>;
constexpr std::string_view k_uuid_blank = "00000000-0000-4000-8000-000000000000";
static_assert(k_uuid_blank.size() == k_uuid_size);
constexpr std::string_view k_time_blank = "1000000000";
// The years 2001 to 2286: what ten digits hold without a leading zero, which JSON does not know.
constexpr std::int64_t k_time_min = 1'000'000'000;
constexpr std::int64_t k_time_max = 9'999'999'999;

// Puts what is known into the place of marks, and notes the others.
class Filler {
 public:
  void event(const StoredEvent& event, std::string_view shared) {
    text_ += "data: ";
    fill(event.frame, event.piece, shared);
    text_ += "\n\n";
  }

  // `shared` holds no marks for pieces or for itself; if it does all the same, they are left out.
  void fill(std::string_view text, std::string_view piece, std::string_view shared) {
    while (!text.empty()) {
      const auto* end = std::find_if(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; });
      const auto size = static_cast<std::size_t>(end - text.begin());
      text_ += text.substr(0, size);
      text.remove_prefix(size);
      if (text.empty()) return;
      mark(static_cast<Mark>(text.front()), piece, shared);
      text.remove_prefix(1);
    }
  }

  [[nodiscard]] RenderedRun rendered() && {
    out_.text = Bytes::copy(text_);
    return std::move(out_);
  }

 private:
  void mark(Mark mark, std::string_view piece, std::string_view shared) {
    using Kind = RunPlace::Kind;
    switch (mark) {
      case Mark::task:
        return place(Kind::task, k_uuid_blank);
      case Mark::message:
        return place(Kind::message, k_uuid_blank);
      case Mark::conversation:
        return place(Kind::conversation, k_uuid_blank);
      case Mark::run:
        return place(Kind::run, k_uuid_blank);
      case Mark::time:
        return place(Kind::time, k_time_blank);
      case Mark::user:
        return place(Kind::user, "");
      case Mark::piece:
        text_ += piece;
        return;
      case Mark::shared:
        if (!shared.empty()) fill(shared, {}, {});
        return;
    }
  }
  void place(RunPlace::Kind kind, std::string_view blank) {
    out_.places.push_back({kind, static_cast<std::uint32_t>(text_.size())});
    text_ += blank;
  }

  std::string text_;
  RenderedRun out_;
};

const Uuid& id_for(RunPlace::Kind kind, const Fresh& fresh) {
  switch (kind) {
    case RunPlace::Kind::message:
      return fresh.message;
    case RunPlace::Kind::conversation:
      return fresh.conversation;
    case RunPlace::Kind::run:
      return fresh.run;
    default:
      return fresh.task;
  }
}

}  // namespace

std::optional<RenderedRun> render_run(RunKind kind, std::string_view encoded, bool stream) {
  std::optional<StoredReader> stored = StoredReader::open(encoded);
  if (!stored || stored->head().kind != kind) return std::nullopt;
  Filler filler;
  StoredEvent event;
  std::string answer = "\"";
  while (stored->next(event)) {
    if (stream) {
      filler.event(event, stored->head().shared);
    } else if (!event.piece.empty()) {
      answer += event.piece.substr(1, event.piece.size() - 2);
    }
  }
  if (stored->broken()) return std::nullopt;
  answer += '"';
  if (!stream) filler.fill(stored->head().body, answer, stored->head().shared);
  RenderedRun rendered = std::move(filler).rendered();
  rendered.usd = static_cast<double>(stored->head().micro_usd) / 1e6;
  return rendered;
}

Bytes RunTeller::next(const RunReader& reader, const Fresh& fresh) {
  Filler filler;
  StoredEvent event;
  while (cursor_.next(reader.kept(), event)) filler.event(event, reader.shared());
  return personalise(std::move(filler).rendered(), fresh);
}

Uuid uuid_of(std::uint64_t high, std::uint64_t low) {
  constexpr std::string_view k_hex = "0123456789abcdef";
  high = (high & ~std::uint64_t{0xf000}) | 0x4000;
  low = (low & ~(std::uint64_t{3} << 62)) | (std::uint64_t{1} << 63);
  Uuid id;
  std::size_t at = 0;
  for (const std::uint64_t word : {high, low}) {
    for (int shift = 60; shift >= 0; shift -= 4) {
      if (at == 8 || at == 13 || at == 18 || at == 23) id[at++] = '-';
      id[at++] = k_hex[word >> shift & 0xf];
    }
  }
  return id;
}

Bytes personalise(const RenderedRun& rendered, const Fresh& fresh) {
  std::array<char, k_time_blank.size()> time{};
  std::int64_t left = std::clamp(fresh.now, k_time_min, k_time_max);
  for (std::size_t i = time.size(); i-- > 0; left /= 10) time[i] = static_cast<char>('0' + left % 10);
  std::string user;
  append_string(user, fresh.user);
  const std::string_view inner = std::string_view(user).substr(1, user.size() - 2);
  const auto users = std::ranges::count(rendered.places, RunPlace::Kind::user, &RunPlace::kind);
  const std::string_view text = rendered.text.view();
  return Bytes::make(text.size() + static_cast<std::size_t>(users) * inner.size(), [&](char* to) {
    std::size_t from = 0;
    const auto copy = [&to](std::string_view part) {
      if (!part.empty()) std::memcpy(to, part.data(), part.size());
      to += part.size();
    };
    for (const RunPlace& place : rendered.places) {
      copy(text.substr(from, place.offset - from));
      from = place.offset;
      if (place.kind == RunPlace::Kind::user) {
        copy(inner);
      } else if (place.kind == RunPlace::Kind::time) {
        copy({time.data(), time.size()});
        from += time.size();
      } else {
        copy({id_for(place.kind, fresh).data(), k_uuid_size});
        from += k_uuid_size;
      }
    }
    copy(text.substr(from));
  });
}

}  // namespace outrigger::providers::dify
