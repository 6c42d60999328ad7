#include "dify_sim/laws.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace outrigger::dify_sim {
namespace {

using End = Outcome::End;

// Beyond the queue's patience: a connection that was tried in time, and what the wire takes.
constexpr Duration k_grace = 6s;
constexpr std::size_t k_shown = 160;

// Which clients' requests were stops. Others that a Dify saw are the door's, under the mark of the run.
std::set<std::string> stops_among(const std::deque<Outcome>& outcomes) {
  std::set<std::string> stops;
  for (const Outcome& outcome : outcomes) {
    if (outcome.ask.kind == Kind::stop) stops.insert(std::to_string(outcome.ask.mark));
  }
  return stops;
}

class Judge {
 public:
  Judge(const Outcome& outcome, const Seen* last, const Rules& rules, Complaints& complaints)
      : outcome_(outcome), last_(last), rules_(rules), complaints_(complaints) {}

  void judge() {
    // What a Dify takes for its answer is its own.
    if (last_ != nullptr && outcome_.ask.is_run && last_->came - outcome_.sent > rules_.patience + k_grace) {
      complain(fmt::format("sent after {:.1f} s", seconds(last_->came - outcome_.sent)));
    }
    if (outcome_.has_more) complain("something came behind the answer");
    switch (outcome_.end) {
      case End::none:
        return complain("it has no end");
      case End::impatient:
        return complain("it was forgotten");
      case End::not_connected:
        return complain("the door did not let it in");
      case End::left:
        return begun();
      case End::broken:
        return broken();
      case End::whole:
        return outcome_.is_own() ? refused() : answered();
    }
  }

 private:
  void complain(std::string_view words) {
    complaints_.push_back(fmt::format("{}: {}; {} [{}]", describe(outcome_), words, outcome_.answer.status(),
                                      outcome_.answer.body().substr(0, k_shown)));
  }
  [[nodiscard]] const std::string& got() const { return outcome_.answer.body(); }
  [[nodiscard]] bool from_dify() const { return last_ != nullptr && last_->answer.status() == outcome_.answer.status(); }
  [[nodiscard]] bool is_prefix() const { return last_ != nullptr && last_->answer.body().starts_with(got()); }

  // The beginning of what a Dify wrote, and then one error event of the door's.
  [[nodiscard]] bool is_ended_by_door() const {
    if (last_ == nullptr || !outcome_.ask.is_run || !outcome_.is_event_stream()) return false;
    if (!got().ends_with("\n\n")) return false;
    const std::size_t before = got().rfind("\n\n", got().size() - 3);
    const std::size_t crlf = got().rfind("\r\n\r\n");
    std::size_t at = before == std::string::npos ? 0 : before + 2;
    if (crlf != std::string::npos && crlf + 4 > at && crlf + 4 < got().size()) at = crlf + 4;
    return got().substr(at).starts_with(R"(data: {"event":"error",)") &&
           last_->answer.body().starts_with(got().substr(0, at));
  }

  void foreign() {
    for (const std::uint64_t mark : marks_in(said_in(got()) + got())) {
      if (std::ranges::find(outcome_.ask.marks, mark) == outcome_.ask.marks.end()) {
        return complain(fmt::format("it heard of question {}", mark));
      }
    }
  }

  void answered() {
    foreign();
    if (!from_dify()) return complain("no Dify has answered so");
    if (got() == last_->answer.body()) {
      if (!last_->answer.done()) complain("what a Dify left unfinished was made whole");
      return;
    }
    if (!is_ended_by_door()) return complain("not what Dify wrote: [" + last_->answer.body().substr(0, k_shown) + "]");
    if (last_->answer.done() && !rules_.links_break) complain("Dify's answer was whole");
  }

  void broken() {
    if (!outcome_.answer.problem().empty()) return complain("not HTTP: " + outcome_.answer.problem());
    if (outcome_.answer.status() == 0) return complain("it was left without an answer");
    foreign();
    if (!from_dify() || !is_prefix()) return complain("not the beginning of what Dify wrote");
    if (last_->answer.done() && !rules_.links_break && outcome_.ask.reads) complain("Dify's answer was whole");
    // Of what Dify wrote beyond that, the door may have had the half of an event.
    const bool is_all = got() == last_->answer.body();
    const bool at_boundary = is_all && (got().empty() || got().ends_with("\n\n") || got().ends_with("\r\n\r\n"));
    if (outcome_.ask.is_run && outcome_.is_event_stream() && at_boundary && outcome_.ask.reads) {
      complain("it broke off without a word where an error event could have stood");
    }
  }

  void begun() {
    foreign();
    if (got().empty() || outcome_.is_own()) return;
    if (!is_prefix() && !is_ended_by_door()) complain("not the beginning of what Dify wrote");
  }

  void refused() {
    const int status = outcome_.answer.status();
    const bool shaped = got().starts_with("{\"code\":\"") && got().find("\"message\":\"") != std::string::npos &&
                        got().ends_with(fmt::format("\"status\":{}}}", status));
    if (!shaped) complain("a refusal that is not Dify's shape");
    if (got().find("5001") != std::string::npos || got().find("dify-") != std::string::npos) complain("it tells of a host");
    const bool is_busy = status == 429 || (status == 503 && last_ == nullptr);
    if (is_busy && outcome_.answer.header("retry-after").empty()) complain("no retry-after");
    // Who is refused before all was sent is early enough.
    if (is_busy && last_ == nullptr && outcome_.sent != MonoTime{} &&
        outcome_.ended - outcome_.sent > rules_.patience + k_grace) {
      complain(
          fmt::format("refused after {:.3f} s, told {} s", seconds(outcome_.ended - outcome_.sent), rules_.patience / 1s));
    }
  }

  const Outcome& outcome_;
  const Seen* last_;
  const Rules& rules_;
  Complaints& complaints_;
};

}  // namespace

std::string describe(const Outcome& outcome) {
  return fmt::format("request {} ({}{})", outcome.ask.mark, name(outcome.ask.kind),
                     !outcome.ask.is_run  ? ""
                     : outcome.ask.stream ? " stream"
                                          : " blocking");
}

// What the door has kept of what describes an app was said by a Dify a few seconds before, in the same words.
const Seen* kept_by_door(const Outcome& outcome, const Book& book) {
  constexpr Duration k_kept = 5s;  // [dify] info_ttl
  for (const Seen& seen : book.seen) {
    const bool is_recent = seen.came <= outcome.ended && outcome.ended - seen.came <= k_kept + k_grace;
    if (is_recent && seen.answer.done() && seen.path.starts_with("/v1/parameters") &&
        seen.answer.body().starts_with(outcome.answer.body())) {
      return &seen;
    }
  }
  return nullptr;
}

void check_answers(const std::deque<Outcome>& outcomes, const Book& book, const Rules& rules, Complaints& complaints) {
  const std::set<std::string> stops = stops_among(outcomes);
  std::map<std::string, const Seen*> last;
  for (const Seen& seen : book.seen) {
    if (!seen.is_stop() || stops.contains(seen.mark)) last[seen.mark] = &seen;
  }
  for (const Outcome& outcome : outcomes) {
    const auto found = last.find(std::to_string(outcome.ask.mark));
    const Seen* said = found == last.end() ? nullptr : found->second;
    if (outcome.answer.header("x-outrigger-cache") == "hit") said = kept_by_door(outcome, book);
    Judge(outcome, said, rules, complaints).judge();
  }
}

void check_runs(const Book& book, std::uint64_t runs, Complaints& complaints) {
  std::map<std::string, std::uint64_t> sent;
  std::uint64_t begun = 0;
  for (const Seen& seen : book.seen) {
    // Without a mark: the door's own question what an app is called.
    if (seen.is_stop() || seen.is_too_many() || seen.mark.empty()) continue;
    const std::uint64_t count = ++sent[seen.mark];
    if (count > 1) complaints.push_back(fmt::format("request {} was sent {} times", seen.mark, count));
    if (seen.is_run() && seen.whole) ++begun;
  }
  if (runs > begun) complaints.push_back(fmt::format("{} runs of {} requests", runs, begun));
}

void check_stops(const std::deque<Outcome>& outcomes, const Book& book, const Rules& rules, Complaints& complaints) {
  const std::set<std::string> stops = stops_among(outcomes);
  std::map<std::string, const Outcome*> runs;
  for (const Outcome& outcome : outcomes) {
    if (outcome.ask.is_run) runs.emplace(std::to_string(outcome.ask.mark), &outcome);
  }
  for (const Seen& seen : book.seen) {
    if (!seen.is_stop() || stops.contains(seen.mark)) continue;
    const auto run = runs.find(seen.mark);
    if (run == runs.end()) {
      complaints.push_back("a stop of nobody's run: " + seen.path);
      continue;
    }
    const Outcome& outcome = *run->second;
    const bool has_left = outcome.end == End::left || outcome.end == End::broken || outcome.end == End::impatient;
    if (!rules.stop_on_leave || !has_left) complaints.push_back(describe(outcome) + ": it was stopped");
    if (word_of(seen.body, "user") != outcome.ask.user) complaints.push_back(describe(outcome) + ": stopped for another");
  }
}

void check_calm(const std::deque<Outcome>& outcomes, Complaints& complaints) {
  for (const Outcome& outcome : outcomes) {
    if (!outcome.ask.calm) continue;
    const bool good = outcome.end == End::whole && outcome.answer.status() < 300 && !outcome.is_own();
    const std::string& body = outcome.answer.body();
    if (good && said_in(body).find(outcome.ask.expects) != std::string::npos &&
        body.find(R"("event":"error")") == std::string::npos) {
      continue;
    }
    complaints.push_back(fmt::format("{}: in calm times it ended with {} [{}]", describe(outcome), outcome.answer.status(),
                                     body.substr(0, k_shown)));
  }
}

}  // namespace outrigger::dify_sim
