"""What the documents say to paste into Dify, asked of an Outrigger that was started as the same section says."""
import re

import pytest
import requests

from conftest import ROOT, wire

# Where each document begins to speak of it, and where that ends.
SECTIONS = {"README.md": ("## Use it with Dify\n", r"^## "), "docs/dify.md": ("**As a plain process**", r"^## 3"),
            "docs/dify.zh.md": ("**单独一个进程**", r"^## 3")}


def section(name):
    begin, end = SECTIONS[name]
    rest = (ROOT / name).read_text().split(begin, 1)[1]
    return re.split(end, rest, maxsplit=1, flags=re.M)[0]


def bases(text):
    return sorted(set(re.findall(r"http://outrigger:8080(/[a-z/0-9]*)?", text)))


def lost(proxy, bases):
    """Those below which a request does not come to the upstream that is meant: the one of that name, or the first."""
    def served(base):
        answer = requests.get(proxy.url + base.rstrip("/") + ("/models" if base.endswith("/v1") else "/v1/models"), timeout=10)
        name = base.split("/")[1] if base not in ("", "/v1") else None
        return answer.headers["x-outrigger-served-by"] == name if name else answer.status_code == 200
    return [base for base in bases if not served(base)]


@pytest.mark.parametrize("name", SECTIONS)
def test_what_is_said_of_a_start_without_a_file_is_so(start, name):
    """`serve --upstream URL` is a file with that url and nothing else. What needs a file is said after the file."""
    text = section(name).split("```toml")[0]
    assert "outrigger serve --upstream https://api.openai.com/v1\n" in text and "/v1" in bases(text)
    proxy = start(wire.Outrigger, f'[[upstream]]\nurl = "{start(wire.Sim).url}/v1"\n')
    assert lost(proxy, ["/anthropic", "/openai/v1"]) == ["/anthropic", "/openai/v1"]  # it can tell
    assert lost(proxy, bases(text)) == []


@pytest.mark.parametrize("name", SECTIONS)
def test_the_file_that_is_shown_has_the_upstreams_of_the_addresses(start, name):
    text = section(name)
    sim = start(wire.Sim)
    config = re.sub(r'"https://[^"]+"', f'"{sim.url}/v1"', re.search(r"^```toml\n(.*?)^```", text, re.M | re.S).group(1))
    # Of rarer ones the table says itself which upstream they need, beside the address.
    for word in re.findall(r"^\|.*`http://outrigger:8080/([a-z]+)[`/][^|]*\|[^|]*https?://[^|]*\|$", text, re.M):
        if word != "v1" and f'name = "{word}"' not in config:
            config += f'[[upstream]]\nname = "{word}"\nurl = "{sim.url}/v1"\n'
    proxy = start(wire.Outrigger, config)
    assert len(bases(text)) > 4 and lost(proxy, bases(text)) == []
