#include "config/admin_place.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/table_reader.h"
#include "config/url.h"

namespace outrigger::config {
namespace {

std::string_view lines_before(std::string_view text, std::uint32_t line) {
  std::size_t end = 0;
  for (std::uint32_t i = 1; i < line && end < text.size(); ++i) end = std::min(text.find('\n', end), text.size() - 1) + 1;
  return text.substr(0, end);
}

// A file with a mistake is read up to the line of it: [listen] mostly stands near its head.
Node sound_part(std::string_view text, Context& context) {
  SyntaxError mistake;
  if (auto whole = parse_document(text, mistake)) return *std::move(whole);
  context.error(mistake.place, std::move(mistake.message));
  SyntaxError ignored;
  return parse_document(lines_before(text, mistake.place.line), ignored).value_or(Node{});
}

void read_token(TableReader& table, AdminPlace& place) {
  if (!place.token.empty()) return;
  if (const auto token = table.text("admin_token")) place.token = token->value;
}

void read_listen(TableReader& listen, AdminPlace& place) {
  if (const auto address = listen.text("admin")) {
    std::string error;
    if (parse_door(address->value, error)) {
      place.address = address->value;
    } else {
      listen.context().error(address->place, fmt::format("`admin` cannot be {}: {}", address->shown(),
                                                         address->problem(error, "an address with a port")));
    }
  }
  place.tls = listen.find("admin_tls") != nullptr;
  read_token(listen, place);
}

}  // namespace

std::optional<AdminPlace> admin_place(const std::string& path, const Environment& environment, std::string& error) {
  std::string why;
  const auto text = read_file(path, why);
  if (!text) {
    error = fmt::format("{}: the file {}", path, why);
    return std::nullopt;
  }
  Context context(path, environment);
  const Node root = sound_part(*text, context);
  AdminPlace place;
  TableReader top(context, root, "the top level");
  read_token(top, place);
  if (const Node* listen = top.table("listen")) {
    TableReader table(context, *listen, "[listen]");
    read_listen(table, place);
  }
  for (const Diagnostic& diagnostic : context.take_diagnostics()) {
    place.problem += (place.problem.empty() ? "" : "\n") + to_string(diagnostic);
  }
  return place;
}

}  // namespace outrigger::config
