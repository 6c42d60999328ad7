#include "chat/canonical.h"

#include <fmt/format.h>

#include "chat/form.h"
#include "chat/json.h"

namespace outrigger::chat {
namespace {

void quote(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

class Printer {
 public:
  explicit Printer(std::string_view form) : reader_(form) {}

  // False where the form is broken; what was readable before stands in text().
  bool run() {
    const auto endpoint = reader_.head();
    if (!endpoint) return false;
    text_ += name(*endpoint);
    text_ += ' ';
    return value(1);
  }
  std::string& text() { return text_; }

 private:
  bool value(int depth) {
    const auto head = reader_.value();
    if (!head || depth > k_max_depth) return false;
    switch (head->tag) {
      case 'n':
        text_ += "null";
        return true;
      case 't':
        text_ += "true";
        return true;
      case 'f':
        text_ += "false";
        return true;
      case 's':
        quote(text_, head->text);
        return true;
      case 'q':
        text_ += "folded ";
        quote(text_, head->text);
        return true;
      case 'c':
        text_ += fmt::format("call {}", head->count + 1);
        return true;
      case 'a':
      case 'o':
        return container(*head, depth);
      default:
        text_ += head->text;
        return true;
    }
  }

  bool container(const FormReader::Value& head, int depth) {
    const bool is_object = head.tag == 'o';
    text_ += is_object ? '{' : '[';
    for (std::uint32_t i = 0; i < head.count; ++i) {
      text_ += i == 0 ? "\n" : ",\n";
      text_.append(static_cast<std::size_t>(2 * depth), ' ');
      if (is_object) {
        const auto member = reader_.name();
        if (!member) return false;
        quote(text_, *member);
        text_ += ": ";
      }
      if (!value(depth + 1)) return false;
    }
    if (head.count != 0) text_ += '\n' + std::string(static_cast<std::size_t>(2 * (depth - 1)), ' ');
    text_ += is_object ? '}' : ']';
    return true;
  }

  FormReader reader_;
  std::string text_;
};

// Walks two forms side by side. Where they part, it notes the path and steps over both values.
class Comparison {
 public:
  Comparison(std::string_view a, std::string_view b, std::size_t limit) : a_(a), b_(b), limit_(limit) {}

  std::vector<std::string> run() {
    const auto a = a_.head();
    const auto b = b_.head();
    if (a != b || !a) {
      note("endpoint");
    } else if (!values("", 1)) {
      note("(broken)");
    }
    return std::move(paths_);
  }

 private:
  void note(const std::string& path) {
    if (paths_.size() < limit_) paths_.push_back(path);
  }

  // False when one of them is broken, or when there is nothing more to find.
  bool values(const std::string& path, int depth) {
    if (depth > k_max_depth) return false;
    FormReader a_start = a_;
    FormReader b_start = b_;
    const auto a = a_.value();
    const auto b = b_.value();
    if (!a || !b) return false;
    if (a->tag == b->tag && a->tag == 'o') return members(path, a->count, b->count, depth);
    if (a->tag == b->tag && a->tag == 'a') return items(path, a->count, b->count, depth);
    if (a->tag != b->tag || a->text != b->text || a->count != b->count) note(path);
    a_ = a_start;
    b_ = b_start;
    return a_.skip() && b_.skip();
  }

  bool items(const std::string& path, std::uint32_t a_count, std::uint32_t b_count, int depth) {
    for (std::uint32_t i = 0; i < std::max(a_count, b_count); ++i) {
      const std::string item = fmt::format("{}[{}]", path, i);
      if (i < a_count && i < b_count) {
        if (!values(item, depth + 1)) return false;
      } else {
        note(item);
        if (!(i < a_count ? a_ : b_).skip()) return false;
      }
    }
    return true;
  }

  // Both are sorted, so the smaller name is the one that the other has not.
  bool members(const std::string& path, std::uint32_t a_left, std::uint32_t b_left, int depth) {
    const std::string prefix = path.empty() ? path : path + '.';
    std::optional<std::string_view> a_name;
    std::optional<std::string_view> b_name;
    for (;;) {
      if (!a_name && a_left > 0 && !next(a_, a_name, a_left)) return false;
      if (!b_name && b_left > 0 && !next(b_, b_name, b_left)) return false;
      if (!a_name && !b_name) return true;
      if (a_name && b_name && *a_name == *b_name) {
        const std::string member = prefix + std::string(*a_name);
        a_name = b_name = std::nullopt;
        if (!values(member, depth + 1)) return false;
        continue;
      }
      const bool is_in_a = a_name && (!b_name || *a_name < *b_name);
      auto& alone = is_in_a ? a_name : b_name;
      note(prefix + std::string(*alone));
      alone = std::nullopt;
      if (!(is_in_a ? a_ : b_).skip()) return false;
    }
  }

  static bool next(FormReader& form, std::optional<std::string_view>& name, std::uint32_t& left) {
    --left;
    name = form.name();
    return name.has_value();
  }

  FormReader a_;
  FormReader b_;
  std::size_t limit_;
  std::vector<std::string> paths_;
};

}  // namespace

std::string print_canonical(std::string_view canonical) {
  Printer printer(canonical);
  if (!printer.run()) printer.text() += "(not a canonical form)";
  return std::move(printer.text());
}

std::vector<std::string> canonical_differences(std::string_view a, std::string_view b, std::size_t limit) {
  return Comparison(a, b, limit).run();
}

}  // namespace outrigger::chat
