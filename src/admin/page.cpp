#include "admin/page.h"

#include "chat/digest.h"

// The assembler takes the file in as it is; CMakeLists.txt says where it lies and that this object depends on it.
asm(".pushsection .rodata\n"
    ".global outrigger_dashboard_begin\n"
    ".global outrigger_dashboard_end\n"
    "outrigger_dashboard_begin:\n"
    ".incbin \"" OUTRIGGER_DASHBOARD
    "\"\n"
    "outrigger_dashboard_end:\n"
    ".popsection\n");

extern "C" {
[[gnu::visibility("hidden")]] extern const char outrigger_dashboard_begin[];
[[gnu::visibility("hidden")]] extern const char outrigger_dashboard_end[];
}

namespace outrigger::admin {

std::string_view dashboard() { return {outrigger_dashboard_begin, outrigger_dashboard_end}; }

const std::string& dashboard_etag() {
  static const std::string k_etag = '"' + chat::sha256_hex(dashboard()).substr(0, 16) + '"';
  return k_etag;
}

}  // namespace outrigger::admin
