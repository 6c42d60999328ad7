"""What the documents promise: the addresses that they tell people to paste into Dify, and what the program prints of itself."""
import json
import re
import subprocess
from urllib.parse import urljoin, urlsplit

import pytest

from conftest import BUILD, ROOT

PROGRAM = BUILD / "outrigger"
MESSAGES = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 50}
RERANK = {"query": "hi", "documents": ["a", "b"]}

# What each plugin does with the base URL (reference: the plugins' source), and where that must come out at the provider.
PLUGINS = {
    "OpenAI-API-compatible": (lambda base: base + "/chat/completions", MESSAGES, "/v1/chat/completions"),
    "OpenAI": (lambda base: (base if base.endswith("/v1") else base + "/v1") + "/responses", {"input": "hi"}, "/v1/responses"),
    "Anthropic": (lambda base: base + "/v1/messages", MESSAGES, "/v1/messages"),
    "DeepSeek": (lambda base: base + "/chat/completions", MESSAGES, "/v1/chat/completions"),
    "Moonshot": (lambda base: base + "/chat/completions", MESSAGES, "/v1/chat/completions"),
    "Zhipu AI": (lambda base: base + "/chat/completions", MESSAGES, "/api/paas/v4/chat/completions"),
    "Tongyi, SiliconFlow, Groq, Mistral and others without a URL field":
        (lambda base: base + "/chat/completions", MESSAGES, "/v1/chat/completions"),
    "Azure OpenAI": (lambda base: base + "/chat/completions", MESSAGES, "/openai/v1/chat/completions"),
    "Jina (embeddings, rerank)": (lambda base: base + "/embeddings", {"input": ["hi"]}, "/v1/embeddings"),
    "Cohere (embeddings, rerank)": (lambda base: base + "/v1/rerank", RERANK, "/v1/rerank"),
    "OpenAI-API-compatible, type *Text Embedding* or *Rerank*": (lambda base: base + "/rerank", RERANK, "/v1/rerank"),
    "Gemini": (lambda base: base + "/v1beta/models/m:generateContent", {"contents": []}, None),
    "Ollama": (lambda base: urljoin(base, "api/chat"), MESSAGES, None),
    "Xinference": (lambda base: base + "/v1/chat/completions", MESSAGES, "/v1/chat/completions"),
}


def table(name):
    """The rows of the guide's table of plugins: their cells."""
    lines = (ROOT / "docs" / name).read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [row for row in rows if len(row) == 4 and "http://outrigger:8080" in row[2]]


def address(row):
    return re.search(r"`(http://outrigger:8080[^`]*)`", row[2])[1]


def test_the_guide_speaks_of_each_plugin_once_and_in_both_languages_of_the_same_addresses():
    english, chinese = table("dify.md"), table("dify.zh.md")
    assert [row[0] for row in english] == list(PLUGINS)
    assert [address(row) for row in english] == [address(row) for row in chinese]
    urls = [[re.findall(r'url = "([^"]+)"', row[3]) for row in rows] for rows in (english, chinese)]
    assert urls[0] == urls[1]


@pytest.mark.parametrize("row", table("dify.md"), ids=lambda row: row[0].split(",")[0])
def test_what_is_pasted_into_dify_reaches_the_provider(row, tmp_path):
    extend, body, at_provider = PLUGINS[row[0]]
    base = address(row)
    asked = urlsplit(extend(base)).path
    name = urlsplit(base).path.strip("/").split("/")[0]
    name = name if name not in ("", "v1") else "first"
    url = re.search(r'url = "([^"]+)"', row[3])
    dialect = "anthropic" if "anthropic" in row[3] else "openai"
    config = tmp_path / "guide.toml"
    config.write_text(('' if name == "first" else '[[upstream]]\nname = "first"\nurl = "https://first.example.com/v1"\n') +
                      f'[[upstream]]\nname = "{name}"\nurl = "{url[1] if url else "https://any.example.com/v1"}"\n'
                      f'dialect = "{dialect}"\n')
    done = subprocess.run([PROGRAM, "explain", "--config", config, "--path", asked], capture_output=True, timeout=10,
                          input=json.dumps({"model": "m", **body}).encode())
    told = json.loads(done.stdout)
    assert told["upstream"] == name, told
    if at_provider is None:  # passes as it is
        assert told["reason"] == "endpoint" and told["path"] == asked.removeprefix("/" + name)
    else:
        assert told["cacheable"] and told["path"] == at_provider


def test_the_configuration_reference_is_what_the_program_prints():
    done = subprocess.run([PROGRAM, "reference"], capture_output=True, timeout=10)
    assert done.returncode == 0 and done.stdout.decode() == (ROOT / "docs/configuration.md").read_text()
