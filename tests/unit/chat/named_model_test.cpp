#include "chat/named_model.h"

#include <catch2/catch_test_macros.hpp>

using namespace outrigger::chat;

namespace {

struct Row {
  std::string_view path;
  std::string_view body;
  std::string_view model;
  bool stream = false;
};

constexpr std::string_view k_body = R"({"messages":[],"stream":true})";
constexpr std::string_view k_named = R"({"model":"m","stream":true})";

std::string form(std::string_view parts) { return "--b1\r\n" + std::string(parts) + "\r\n--b1--\r\n"; }
std::string part(std::string_view name, std::string_view value) {
  return "Content-Disposition: form-data; name=\"" + std::string(name) + "\"\r\n\r\n" + std::string(value);
}
std::string then(std::string_view a, std::string_view b) { return std::string(a) + "\r\n--b1\r\n" + std::string(b); }
NamedModel upload(std::string_view body) { return named_model("POST", "/v1/audio/transcriptions", body); }

}  // namespace

TEST_CASE("a model is named by the path or at the top of the body") {
  for (const Row& row : {
           // Azure
           Row{"/openai/deployments/gpt-4o/chat/completions", k_body, "gpt-4o", true},
           Row{"/openai/deployments/gpt-4o/chat/completions", "", "gpt-4o"},
           Row{"/openai/deployments/gpt-4o/chat/completions", k_named, "gpt-4o", true},
           Row{"/azure/openai/deployments/my%20gpt/embeddings", "", ""},
           Row{"/azure/openai/deployments/my%2Dgpt/embeddings", "", "my-gpt"},
           Row{"//openai//deployments//d//completions", "", "d"},
           Row{"/openai/deployments/d", "", ""},
           Row{"/openai/deployments", "", ""},
           Row{"/deployments/d/chat", "", ""},
           Row{"/openai/deployments/%zz/chat/completions", k_named, ""},
           Row{"/openai/deployments/%4/chat/completions", k_named, ""},
           Row{"/openai/deployments/d%/chat/completions", k_named, ""},
           Row{"/openai/deployments/a%0Ab/chat/completions", k_named, ""},
           Row{"/openai/deployments/a%00/chat/completions", k_named, ""},
           Row{"/openai/deployments/%ff/chat/completions", k_named, ""},
           // Gemini
           Row{"/v1beta/models/gemini-2.5-pro:generateContent", "{}", "gemini-2.5-pro"},
           Row{"/v1beta/models/gemini-2.5-pro:streamGenerateContent", "{}", "gemini-2.5-pro", true},
           Row{"/v1beta/models/gemini-2.5-pro%3AstreamGenerateContent", "{}", "gemini-2.5-pro", true},
           Row{"/v1/models/text-embedding-004:embedContent", "", "text-embedding-004"},
           Row{"/v1beta/models/e:batchEmbedContents", "", "e"},
           Row{"/v1beta/models/e:countTokens", "", "e"},
           Row{"/v1beta/tunedModels/t:generateContent", "", "t"},
           Row{"/google/v1beta/models/g:generateContent", "", "g"},
           Row{"/v1beta/models/g:unknownVerb", "", ""},
           Row{"/v1beta/models/:generateContent", "", ""},
           Row{"/v1beta/models/g", "", ""},
           Row{"/v1beta/models/g:generateContent/x", "", ""},
           Row{"/v1/models/ft:gpt-4o:org::id", "", ""},
           // Vertex
           Row{"/v1/projects/p/locations/l/publishers/anthropic/models/claude-sonnet-4@20250514:rawPredict", "{}",
               "claude-sonnet-4@20250514"},
           Row{"/v1/projects/p/locations/l/publishers/anthropic/models/c:rawPredict", k_body, "c", true},
           Row{"/v1/projects/p/locations/l/publishers/anthropic/models/c:streamRawPredict", "", "c", true},
           Row{"/v1/projects/p/locations/l/publishers/google/models/g:streamGenerateContent", "", "g", true},
           // Bedrock
           Row{"/model/anthropic.claude-3-5-sonnet-20240620-v1%3A0/invoke", "{}",
               "anthropic.claude-3-5-sonnet-20240620-v1:0"},
           Row{"/model/m/invoke-with-response-stream", "", "m", true},
           Row{"/model/m/converse", "", "m"},
           Row{"/model/m/converse-stream", "", "m", true},
           Row{"/model/arn%3Aaws%3Abedrock%3Aus%3A1%3Aprofile%2Fx/converse", "", "arn:aws:bedrock:us:1:profile/x"},
           Row{"/model/m/other", "", ""},
           Row{"/model/m", "", ""},
           // Ollama
           Row{"/api/chat", R"({"model":"llama3:8b"})", "llama3:8b", true},
           Row{"/api/chat", R"({"model":"l","stream":true})", "l", true},
           Row{"/api/generate", R"({"model":"l","stream":false})", "l"},
           Row{"/ollama/api/generate", R"({"model":"l"})", "l", true},
           Row{"/api/embed", R"({"model":"l"})", "l"},
           Row{"/api/embeddings", R"({"model":"l"})", "l"},
           Row{"/api/chat", "{}", ""},
           Row{"/chat", R"({"model":"l"})", "l"},
           Row{"chat", R"({"model":"l"})", "l"},
           // Any other JSON
           Row{"/v1/audio/speech", R"({"model":"tts-1","input":"x"})", "tts-1"},
           Row{"/v1/moderations", R"( {"input":"x","model":"o"})", "o"},
           Row{"", k_named, "m", true},
           Row{"/", k_named, "m", true},
           Row{"/x", R"({"model":"m\u00e9"})", "m\xc3\xa9"},
           Row{"/x", R"({"model":""})", ""},
           Row{"/x", R"({"model":7})", ""},
           Row{"/x", R"({"model":null,"stream":true})", "", true},
           Row{"/x", R"({"model":"m","stream":"true"})", "m"},
           Row{"/x", R"({"model":"m","stream":1})", "m"},
           Row{"/x", R"({"model":"a","model":"b"})", ""},
           Row{"/x", R"({"input":{"model":"inner"}})", ""},
           Row{"/x", R"({"model":"a\nb"})", ""},
           Row{"/x", R"({"model":"m")", ""},
           Row{"/x", R"([{"model":"m"}])", ""},
           Row{"/x", R"("model")", ""},
           Row{"/x", "model=m", ""},
           Row{"/x", "", ""},
       }) {
    INFO(row.path << " " << row.body);
    const NamedModel found = named_model("POST", row.path, row.body);
    CHECK(found.model == row.model);
    CHECK(found.stream == row.stream);
  }
}

TEST_CASE("only a POST names a model") {
  for (const std::string_view method : {"GET", "HEAD", "PUT", "DELETE", "post", ""}) {
    CHECK(named_model(method, "/openai/deployments/d/chat/completions", k_named).model.empty());
    CHECK(named_model(method, "/x", k_named).model.empty());
    CHECK_FALSE(named_model(method, "/v1beta/models/g:streamGenerateContent", "").stream);
  }
}

TEST_CASE("names, bodies and paths have limits") {
  const std::string longest(k_model_name_max, 'm');
  const std::string encoded = [&] {
    std::string text;
    for (std::size_t i = 0; i < k_model_name_max; ++i) text += "%6D";
    return text;
  }();
  const auto azure = [](std::string_view name) {
    return named_model("POST", "/openai/deployments/" + std::string(name) + "/chat/completions", "").model;
  };
  CHECK(azure(longest) == longest);
  CHECK(azure(longest + "m").empty());
  CHECK(azure(encoded) == longest);
  CHECK(azure(encoded + "%6D").empty());
  const auto gemini = [](std::string_view name) {
    return named_model("POST", "/v1beta/models/" + std::string(name) + ":generateContent", "").model;
  };
  CHECK(gemini(longest) == longest);
  CHECK(gemini(longest + "m").empty());
  const auto json = [](std::string_view name, std::size_t blanks = 0) {
    return named_model("POST", "/x", R"({"model":")" + std::string(name) + "\"" + std::string(blanks, ' ') + "}").model;
  };
  CHECK(json(longest) == longest);
  CHECK(json(longest + "m").empty());
  CHECK(json("m", k_named_json_max - 100) == "m");
  CHECK(json("m", k_named_json_max).empty());
  std::string deep = R"({"model":"m","x":)" + std::string(100'000, '[');
  CHECK(named_model("POST", "/x", deep).model.empty());
  deep += std::string(100'000, ']') + "}";
  CHECK(named_model("POST", "/x", deep).model == "m");
  std::string far;
  for (int i = 0; i < 40; ++i) far += "/a";
  CHECK(named_model("POST", far + "/openai/deployments/d/chat/completions", "").model.empty());
  CHECK(named_model("POST", far, k_named).model == "m");
}

TEST_CASE("uploads name their model in a part") {
  const std::string file =
      "Content-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\nContent-Type: audio/mpeg\r\n\r\n";
  CHECK(upload(form(part("model", "whisper-1"))).model == "whisper-1");
  CHECK(upload(form(then(part("language", "en"), part("model", "whisper-1")))).model == "whisper-1");
  CHECK(upload(form(then(part("model", "whisper-1"), file + "\r\n--xx\r\n"))).model == "whisper-1");
  CHECK(upload(form(then(file + "short", part("model", "whisper-1")))).model == "whisper-1");
  CHECK(upload(form(then(part("model", "w"), part("stream", "true")))).stream);
  CHECK_FALSE(upload(form(then(part("model", "w"), part("stream", "false")))).stream);
  CHECK_FALSE(upload(form(part("model", "w"))).stream);
  // Cut within what follows; cut within the name.
  const std::string cut = form(then(part("model", "whisper-1"), file));
  CHECK(upload(cut.substr(0, cut.find("a.mp3"))).model == "whisper-1");
  CHECK(upload(cut.substr(0, cut.find("sper-1"))).model.empty());
  // Too far behind.
  CHECK(upload(form(then(file + std::string(k_named_upload_max, 'x'), part("model", "w")))).model.empty());
  // Other ways to write it, and what only looks like it.
  CHECK(upload(form("content-disposition:form-data;name=model\r\n\r\nw")).model == "w");
  CHECK(upload(form("Content-Type: text/plain\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nw")).model == "w");
  CHECK(upload(form("Content-Disposition: form-data; filename=\"model\"\r\n\r\nw")).model.empty());
  CHECK(upload(form("Content-Disposition: form-data; filename=\"a; name=model\"; name=\"x\"\r\n\r\nw")).model.empty());
  CHECK(upload(form("Content-Disposition: form-data; name=\"models\"\r\n\r\nw")).model.empty());
  CHECK(upload(form("Content-Disposition: form-data; name=\"a\\\"; name=model\r\n\r\nw")).model.empty());
  CHECK(upload(form("X: y\r\n\r\nw")).model.empty());
  CHECK(upload(form(part("model", ""))).model.empty());
  CHECK(upload(form(part("model", "a b"))).model.empty());
  CHECK(upload(form(part("model", std::string(k_model_name_max + 1, 'm')))).model.empty());
  for (const std::string_view odd :
       {"--", "--\r\n", "--b", "--b\r\n", "--b\r\n\r\n", "--b\r\n\r\n\r\n", "--b--\r\n", "--\r\n--\r\n"}) {
    CHECK(upload(odd).model.empty());
  }
  CHECK(upload("--" + std::string(80, 'b') + "\r\n" + part("model", "w") + "\r\n--" + std::string(80, 'b') + "--")
            .model.empty());
}

TEST_CASE("Anthropic's paths are told from OpenAI's") {
  for (const std::string_view path :
       {"/v1/messages", "/messages", "/v1/messages/batches", "/claude/v1/messages/count_tokens",
        "/v1/projects/p/locations/l/publishers/anthropic/models/c:rawPredict"}) {
    INFO(path);
    CHECK(is_anthropic_path(path));
  }
  for (const std::string_view path : {"/v1/threads/t/messages", "/v1/chat/completions/c/messages", "/v1/models",
                                      "/v1/messagesx", "", "/v1/projects/p/publishers/google/models/g:generateContent"}) {
    INFO(path);
    CHECK_FALSE(is_anthropic_path(path));
  }
}
