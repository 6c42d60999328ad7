#include "chat/endpoint.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

using namespace outrigger::chat;

namespace {

struct Row {
  std::string_view base;
  std::string_view path;
  std::string_view expected;
  Endpoint endpoint = Endpoint::other;
};

constexpr Endpoint chat = Endpoint::chat_completions;
constexpr Endpoint completions = Endpoint::completions;
constexpr Endpoint embeddings = Endpoint::embeddings;
constexpr Endpoint other = Endpoint::other;
constexpr Endpoint responses = Endpoint::responses;
constexpr Endpoint messages = Endpoint::messages;
constexpr Endpoint rerank = Endpoint::rerank;
constexpr Endpoint embed = Endpoint::embed;
constexpr Endpoint embed_v2 = Endpoint::embed_v2;

constexpr Row k_rows[] = {
    // The three kinds of base URL that people paste, in front of each kind of path that clients append.
    {"/v1", "/chat/completions", "/v1/chat/completions", chat},
    {"/v1", "/v1/chat/completions", "/v1/chat/completions", chat},
    {"/v1", "/v1/v1/chat/completions", "/v1/chat/completions", chat},
    {"/v1", "/v1/chat/completions/chat/completions", "/v1/chat/completions", chat},
    {"/v1", "/v1/chat/completions/v1/chat/completions", "/v1/chat/completions", chat},
    {"/v1", "/chat/completions/chat/completions", "/v1/chat/completions", chat},
    {"/v1", "/chat/completions/v1/embeddings", "/v1/embeddings", embeddings},
    {"/v1", "/v1/chat/completions/embeddings", "/v1/embeddings", embeddings},
    {"/v1", "/v1/chat/completions/completions", "/v1/completions", completions},
    {"/v1", "/v1/chat/completions/models", "/v1/models"},
    {"/v1", "/v1/chat/completions/v1/models", "/v1/models"},
    {"/v1", "/v1/chat/completions/v1/models/gpt-4", "/v1/models/gpt-4"},
    {"/v1", "/v1/chat/completions/audio/speech", "/v1/audio/speech"},
    {"/v1", "/v1/chat/completions/rerank", "/v1/rerank", rerank},
    {"/v1", "/v1/chat/completions/v1", "/v1/chat/completions", chat},
    {"/v1", "/v1/messages/v1/messages", "/v1/messages", messages},
    {"/v1", "/v1/v1/messages", "/v1/messages", messages},
    {"/v1", "/v1/responses/responses", "/v1/responses", responses},
    {"/v1", "/completions", "/v1/completions", completions},
    {"/v1", "/embeddings", "/v1/embeddings", embeddings},
    {"/v1", "/v1/embeddings/v1/embeddings", "/v1/embeddings", embeddings},
    {"/v1", "/models", "/v1/models"},
    {"/v1", "/v1/models", "/v1/models"},
    // Slashes.
    {"/v1", "//chat//completions", "/v1/chat/completions", chat},
    {"/v1", "/v1//chat/completions//", "/v1/chat/completions", chat},
    {"/v1/", "/chat/completions/", "/v1/chat/completions", chat},
    {"/v1", "chat/completions", "/v1/chat/completions", chat},
    {"/v1", "//v1//models/a//b", "/v1/models/a//b"},
    {"/v1", "/v1/files/", "/v1/files/"},
    // Sub-resources and other well-known paths stay what they are.
    {"/v1", "/v1/chat/completions/chatcmpl-1", "/v1/chat/completions/chatcmpl-1"},
    {"/v1", "/chat/completions/chatcmpl-1/messages", "/v1/chat/completions/chatcmpl-1/messages"},
    {"/v1", "/v1/responses/resp-1", "/v1/responses/resp-1"},
    {"/v1", "/v1/responses/resp-1/input_items", "/v1/responses/resp-1/input_items"},
    {"/v1", "/v1/messages/count_tokens", "/v1/messages/count_tokens"},
    {"/v1", "/v1/messages/batches", "/v1/messages/batches"},
    {"/v1", "/v1/messages/batches/b-1/results", "/v1/messages/batches/b-1/results"},
    {"/v1", "/v1/audio/speech", "/v1/audio/speech"},
    {"/v1", "/v1/models/gpt-4", "/v1/models/gpt-4"},
    {"/v1", "/v1/files", "/v1/files"},
    {"/v1", "/v1/threads/t-1/messages", "/v1/threads/t-1/messages"},
    {"/v1", "/v1/chat", "/v1/chat"},
    {"/v1", "/v1/chat/completionsx", "/v1/chat/completionsx"},
    {"/v1", "/v1/Chat/Completions", "/v1/Chat/Completions"},
    {"/v1", "/v1", "/v1"},
    {"/v1", "/", "/v1/"},
    {"/v1", "", "/v1/"},
    {"/v1", "/api/chat", "/v1/api/chat"},
    {"/v1", "/v1beta/models", "/v1/v1beta/models"},
    {"/v1", "/v1/v1/unknown", "/v1/v1/unknown"},
    // No path of its own: the /v1 that is missing is put in where we know the API.
    {"", "/chat/completions", "/v1/chat/completions", chat},
    {"", "/v1/chat/completions", "/v1/chat/completions", chat},
    {"/", "/v1/v1/chat/completions", "/v1/chat/completions", chat},
    {"", "/v1/chat/completions/v1/embeddings", "/v1/embeddings", embeddings},
    {"", "/models", "/v1/models"},
    {"", "/models/gpt-4", "/v1/models/gpt-4"},
    {"", "/audio/transcriptions", "/v1/audio/transcriptions"},
    {"", "/images/generations", "/v1/images/generations"},
    {"", "/files", "/v1/files"},
    {"", "/moderations", "/v1/moderations"},
    {"", "/fine_tuning/jobs", "/v1/fine_tuning/jobs"},
    {"", "/batches", "/v1/batches"},
    {"", "/uploads/u-1/parts", "/v1/uploads/u-1/parts"},
    {"", "/assistants", "/v1/assistants"},
    {"", "/threads", "/v1/threads"},
    {"", "/vector_stores", "/v1/vector_stores"},
    {"", "/responses", "/v1/responses", responses},
    {"", "/messages", "/v1/messages", messages},
    {"", "/rerank", "/v1/rerank", rerank},
    {"", "/api/chat", "/api/chat"},
    {"", "/api/embed", "/api/embed"},
    {"", "/v1beta/models/x:generateContent", "/v1beta/models/x:generateContent"},
    {"", "/v1/models/x:generateContent", "/v1/models/x:generateContent"},
    {"", "/openai/deployments/x/chat/completions", "/openai/deployments/x/chat/completions"},
    {"", "/v2/chat", "/v2/chat"},
    {"", "/v1/unknown//x", "/v1/unknown//x"},
    {"", "/", "/"},
    {"", "", "/"},
    // Another version, and a version somewhere in the middle.
    {"/api/paas/v4", "/v1/chat/completions", "/api/paas/v4/chat/completions", chat},
    {"/api/paas/v4", "/chat/completions", "/api/paas/v4/chat/completions", chat},
    {"/api/paas/v4/", "/api/paas/v4/chat/completions", "/api/paas/v4/chat/completions", chat},
    {"/api/paas/v4", "/v1/api/paas/v4/embeddings", "/api/paas/v4/embeddings", embeddings},
    {"/api/paas/v4", "/api/paas/v4/files", "/api/paas/v4/files"},
    {"/api/paas/v4", "/files", "/api/paas/v4/files"},
    {"/api/paas/v4", "/api/paas/v44/files", "/api/paas/v4/api/paas/v44/files"},
    {"/v1beta/openai", "/v1/chat/completions", "/v1beta/openai/chat/completions", chat},
    {"/compatible-mode/v1", "/v1/embeddings", "/compatible-mode/v1/embeddings", embeddings},
    {"/api/v3", "/v1/models", "/api/v3/models"},
    // A path without a version: what the client wrote decides.
    {"/openai", "/v1/chat/completions", "/openai/v1/chat/completions", chat},
    {"/openai", "/chat/completions", "/openai/chat/completions", chat},
    {"/openai", "/chat/completions/v1/embeddings", "/openai/v1/embeddings", embeddings},
    {"/openai", "/openai/v1/models", "/openai/v1/models"},
    // An endpoint that was pasted into the upstream's own URL.
    {"/v1/chat/completions", "/v1/chat/completions", "/v1/chat/completions", chat},
    {"/v1/chat/completions/", "/embeddings", "/v1/embeddings", embeddings},
    {"/chat/completions", "/models", "/v1/models"},
    {"/rerank", "/rerank", "/rerank", rerank},
    {"/rerank", "/v1/rerank", "/rerank", rerank},
    {"/tei/rerank", "/tei/rerank", "/tei/rerank", rerank},
    {"/rerank", "/info", "/rerank/info"},
    // Cohere's paths exist in two versions: the one that the client wrote stays.
    {"", "/v1/rerank", "/v1/rerank", rerank},
    {"", "/v2/rerank", "/v2/rerank", rerank},
    {"", "/v2/rerank/", "/v2/rerank", rerank},
    {"", "//v2//rerank", "/v2/rerank", rerank},
    {"", "/v1/v2/rerank", "/v2/rerank", rerank},
    {"", "/v2/v1/rerank", "/v1/rerank", rerank},
    {"", "/v2/rerank/v2/rerank", "/v2/rerank", rerank},
    {"", "/v1/rerank/v1/rerank", "/v1/rerank", rerank},
    {"", "/v2/rerankx", "/v2/rerankx"},
    {"", "/v3/rerank", "/v3/rerank"},
    {"", "/v2/rerank/x", "/v2/rerank/x"},
    {"/v1", "/rerank", "/v1/rerank", rerank},
    {"/v1", "/v1/rerank", "/v1/rerank", rerank},
    {"/v1", "/v2/rerank", "/v2/rerank", rerank},
    {"/v1", "/v1/v2/rerank", "/v2/rerank", rerank},
    {"/v2", "/rerank", "/v2/rerank", rerank},
    {"/v2", "/v1/rerank", "/v1/rerank", rerank},
    {"/compatibility/v1", "/rerank", "/compatibility/v1/rerank", rerank},
    {"/compatibility/v1", "/v2/rerank", "/compatibility/v2/rerank", rerank},
    {"/compatibility/v1", "/compatibility/v1/v2/rerank", "/compatibility/v2/rerank", rerank},
    {"/cohere", "/v2/rerank", "/cohere/v2/rerank", rerank},
    {"/cohere", "/cohere/v2/rerank", "/cohere/v2/rerank", rerank},
    {"/cohere", "/rerank", "/cohere/rerank", rerank},
    {"/api/paas/v4", "/rerank", "/api/paas/v4/rerank", rerank},
    {"/api/paas/v4", "/v1/rerank", "/api/paas/v4/rerank", rerank},
    {"/api/paas/v4", "/v2/rerank", "/api/paas/v4/v2/rerank"},
    {"", "/v1/embed", "/v1/embed", embed},
    {"", "/v2/embed", "/v2/embed", embed_v2},
    {"", "/v1/v2/embed", "/v2/embed", embed_v2},
    {"/v1", "/embed", "/v1/embed", embed},
    {"/v1", "/v1/embed", "/v1/embed", embed},
    {"/v1", "/v2/embed", "/v2/embed", embed_v2},
    {"/v2", "/embed", "/v2/embed", embed_v2},
    {"/cohere", "/v1/embed", "/cohere/v1/embed", embed},
    // Other servers' `embed`.
    {"", "/embed", "/embed"},
    {"", "/embed/x", "/embed/x"},
    {"/api", "/embed", "/api/embed"},
    {"/api/paas/v4", "/embed", "/api/paas/v4/embed"},
    {"", "/v1/embed/jobs", "/v1/embed/jobs"},
};

}  // namespace

TEST_CASE("paths are put right below an upstream's own") {
  for (const Row& row : k_rows) {
    INFO(row.base << " + " << row.path);
    const Place found = place(row.base, row.path);
    CHECK(found.path == row.expected);
    CHECK(found.endpoint == row.endpoint);
  }
}

TEST_CASE("a path that has been put right stays as it is") {
  for (const Row& row : k_rows) {
    INFO(row.base << " + " << row.path);
    const Place once = place(row.base, row.path);
    const Place twice = place(row.base, once.path);
    CHECK(twice.path == once.path);
    CHECK(twice.endpoint == once.endpoint);
  }
}

TEST_CASE("endpoints have names") {
  CHECK(name(chat) == "chat_completions");
  CHECK(name(completions) == "completions");
  CHECK(name(embeddings) == "embeddings");
  CHECK(name(other) == "other");
}
