// [[fault]] entries, from a file or from a request.
#include "sim/json_to_toml.h"
#include "sim/toml_reader.h"

namespace outrigger::sim_provider {
namespace {

constexpr std::int64_t k_many = 1'000'000'000'000;

// `requests = 3` or `requests = [3, 7]`: the third, or the third to the seventh.
void read_requests(Reader& reader, Fault::Range& to) {
  const toml::node* node = reader.named("requests");
  if (node == nullptr) return;
  std::optional<std::int64_t> first = node->value_exact<std::int64_t>();
  std::optional<std::int64_t> last = first;
  if (const toml::array* pair = node->as_array(); pair != nullptr && pair->size() == 2) {
    first = pair->get(0)->value_exact<std::int64_t>();
    last = pair->get(1)->value_exact<std::int64_t>();
  }
  if (!first || !last || *first < 1 || *last < *first) {
    reader.report(*node, "`requests` must be a number from 1 up, or [first, last]");
    return;
  }
  to = {static_cast<std::uint64_t>(*first), static_cast<std::uint64_t>(*last)};
}

void read_headers(Reader& reader, std::vector<std::pair<std::string, std::string>>& to) {
  const toml::node* node = reader.named("headers");
  if (node == nullptr) return;
  if (!node->is_table()) return reader.report(*node, "`headers` must be a table of names and texts");
  for (const auto& [name, value] : *node->as_table()) {
    const auto text = value.value_exact<std::string>();
    if (!text) return reader.report(value, fmt::format("header `{}` must be a text in quotes", name.str()));
    to.emplace_back(name.str(), *text);
  }
}

// `retry_after = 2` (seconds) or "1500ms".
void read_retry_after(Reader& reader, std::optional<Duration>& to) {
  const toml::node* node = reader.named("retry_after");
  if (node == nullptr) return;
  if (const auto whole = node->value_exact<std::int64_t>(); whole && *whole >= 0 && *whole <= 86'400) {
    to = std::chrono::seconds(*whole);
    return;
  }
  reader.duration("retry_after", to);
}

// `wrong_length = true` (16 bytes too many) or a number.
void read_wrong_length(Reader& reader, std::optional<std::int64_t>& to) {
  const toml::node* node = reader.named("wrong_length");
  if (node == nullptr) return;
  if (const auto number = node->value_exact<std::int64_t>()) {
    to = *number;
  } else if (const auto flag = node->value_exact<bool>()) {
    if (*flag) to = 16;
  } else {
    reader.report(*node, "`wrong_length` must be true or a number of bytes");
  }
}

void read_when(Reader& reader, Fault& fault) {
  reader.duration("at", fault.at);
  reader.duration("for", fault.length);
  reader.duration("repeat", fault.repeat);
  read_requests(reader, fault.requests);
  reader.count("every", fault.every, 1, k_many);
  reader.text("path", fault.path);
  reader.text("model", fault.model);
  reader.text("key", fault.key);
  reader.count("over", fault.over, 1, 1'000'000);
  if (const toml::node* node = reader.named("within")) {
    reader.duration("within", fault.within);
    if (fault.within <= 0s || !fault.over) reader.report(*node, "`within` needs `over`, and a length above 0");
  }
  if (const toml::node* node = reader.named("probability")) {
    const auto number = node->value<double>();
    if (number && *number >= 0 && *number <= 1) {
      fault.probability = *number;
    } else {
      reader.report(*node, "`probability` must be from 0 to 1");
    }
  }
}

void read_what(Reader& reader, Fault& fault) {
  std::optional<std::uint64_t> status;
  reader.count("status", status, 400, 599);
  if (status) fault.status = static_cast<int>(*status);
  reader.text("code", fault.code);
  read_retry_after(reader, fault.retry_after);
  read_headers(reader, fault.headers);
  reader.count("reset_at", fault.reset_at, 0, k_many);
  reader.count("cut_at", fault.cut_at, 0, k_many);
  reader.duration("drip", fault.drip);
  read_wrong_length(reader, fault.wrong_length);
  reader.count("after", fault.after, 0, k_many);
  reader.duration("stall", fault.stall);
  reader.text("finish_reason", fault.finish_reason);
  reader.duration("first_token", fault.first_token);
  reader.duration("between_tokens", fault.between_tokens);
  const std::pair<std::string_view, bool*> flags[] = {
      {"refuse", &fault.refuse},
      {"garbage", &fault.garbage},
      {"endless_headers", &fault.endless_headers},
      {"error_in_200", &fault.error_in_200},
      {"malformed_chunk", &fault.malformed_chunk},
      {"error_in_stream", &fault.error_in_stream},
      {"run_failed", &fault.run_failed},
      {"truncate", &fault.truncate},
      {"half_utf8", &fault.half_utf8},
      {"no_done", &fault.no_done},
      {"no_finish_reason", &fault.no_finish_reason},
      {"empty", &fault.empty},
      {"refusal", &fault.refusal},
      {"no_usage", &fault.no_usage},
      {"unknown_event", &fault.unknown_event},
      {"bad_arguments", &fault.bad_arguments},
      {"out_of_order", &fault.out_of_order},
      {"crlf", &fault.crlf},
      {"event_lines", &fault.event_lines},
      {"comments", &fault.comments},
      {"early_head", &fault.early_head},
  };
  for (const auto& [key, to] : flags) reader.flag(key, *to);
}

}  // namespace

void read_faults(const toml::node& node, const std::string& file, std::vector<Fault>& to, std::string& problem) {
  const toml::array* list = node.as_array();
  if (list == nullptr || (!list->empty() && !list->is_homogeneous<toml::table>())) {
    if (problem.empty()) problem = place(file, node.source()) + ": `fault` must be written as [[fault]]";
    return;
  }
  for (const toml::node& item : *list) {
    const toml::table& table = *item.as_table();
    Reader reader(table, file, problem);
    Fault& fault = to.emplace_back();
    read_when(reader, fault);
    read_what(reader, fault);
    reader.done();
    if (fault.repeat && (!fault.length || *fault.repeat <= 0s)) {
      reader.report(table, "`repeat` needs `for`, and a period above 0");
    }
  }
}

namespace {

bool looks_like_json(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return false;
  if (text[first] == '{') return true;
  if (text[first] != '[') return false;
  const std::size_t next = text.find_first_not_of(" \t\r\n", first + 1);
  return next != std::string_view::npos && (text[next] == '{' || text[next] == ']');
}

}  // namespace

Result<std::vector<Fault>> faults_from_text(std::string_view text) {
  const std::string file = "faults";
  auto table = looks_like_json(text) ? toml_from_json(text) : parse_toml(text, file);
  if (!table) return std::unexpected(table.error());
  std::string problem;
  std::vector<Fault> faults;
  Reader reader(*table, file, problem);
  if (const toml::node* node = reader.named("fault")) read_faults(*node, file, faults, problem);
  reader.done();
  if (!problem.empty()) return fail(ErrorCode::bad_config, std::move(problem));
  return faults;
}

}  // namespace outrigger::sim_provider
