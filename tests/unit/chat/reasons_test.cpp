#include "chat/reasons.h"

#include <catch2/catch_test_macros.hpp>

using namespace outrigger::chat;

TEST_CASE("every reason not to look or not to keep has its name") {
  CHECK(name(BypassReason::cache_off) == "cache_off");
  CHECK(name(BypassReason::endpoint) == "endpoint");
  CHECK(name(BypassReason::not_json) == "not_json");
  CHECK(name(BypassReason::not_understood) == "not_understood");
  CHECK(name(BypassReason::too_large) == "too_large");
  CHECK(name(BypassReason::encoded_body) == "encoded_body");
  CHECK(name(BypassReason::no_store) == "no_store");
  CHECK(name(BypassReason::ping) == "ping");
  CHECK(name(BypassReason::temperature) == "temperature");
  CHECK(name(BypassReason::several_answers) == "several_answers");
  CHECK(name(BypassReason::hosted_tool) == "hosted_tool");
  CHECK(name(BypassReason::mutable_url) == "mutable_url");
  CHECK(name(BypassReason::audio) == "audio");
  CHECK(name(BypassReason::stateful) == "stateful");
  CHECK(name(BypassReason::no_scope_value) == "no_scope_value");
  CHECK(name(BypassReason::overloaded) == "overloaded");
  CHECK(name(BypassReason::refused) == "refused");
  CHECK(name(BypassReason::conversation) == "conversation");
  CHECK(name(BypassReason::files) == "files");
  CHECK(name(NoStoreReason::error_status) == "error_status");
  CHECK(name(NoStoreReason::error_in_answer) == "error_in_answer");
  CHECK(name(NoStoreReason::cut) == "cut");
  CHECK(name(NoStoreReason::abandoned) == "abandoned");
  CHECK(name(NoStoreReason::length) == "length");
  CHECK(name(NoStoreReason::filtered) == "filtered");
  CHECK(name(NoStoreReason::refused) == "refused");
  CHECK(name(NoStoreReason::empty) == "empty");
  CHECK(name(NoStoreReason::unfinished) == "unfinished");
  CHECK(name(NoStoreReason::not_understood) == "not_understood");
  CHECK(name(NoStoreReason::too_large) == "too_large");
  CHECK(name(NoStoreReason::purged) == "purged");
  CHECK(name(NoStoreReason::downgraded) == "downgraded");
  CHECK(name(NoStoreReason::files) == "files");
}
