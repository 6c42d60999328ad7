"""A thousand users with one question, on each wire: one call upstream. (Chat completions: test_coalescing.)"""
import asyncio
import json

import pytest

from conftest import Outrigger, Sim
from test_translation import upstream_of
from wires import CHAT, MESSAGES, RESPONSES

USERS = 1000
WAYS = [(MESSAGES, MESSAGES), (RESPONSES, RESPONSES), (CHAT, MESSAGES), (MESSAGES, CHAT), (RESPONSES, CHAT)]


class Answer:
    """As much of one as wires.py reads."""

    def __init__(self, raw):
        head, body = raw.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        self.status_code = int(lines[0].split()[1])
        self.headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
        self.content = without_chunks(body) if "transfer-encoding" in self.headers else body

    def json(self):
        return json.loads(self.content)


def without_chunks(data):
    whole, at = b"", 0
    while size := int(data[at:(begin := data.index(b"\r\n", at) + 2) - 2], 16):
        whole += data[begin:begin + size]
        at = begin + size + 2
    return whole


def crowd(port, path, headers, body_of):
    """All of them at once, but half of those while the answer is on its way; their answers. Raw, so that a thousand take a second."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    async def ask(n):
        await asyncio.sleep(0 if n < USERS / 2 else 0.8 * (2 * n / USERS - 1))
        body = json.dumps(body_of(n)).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}Content-Type: application/json\r\n"
                     f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        raw = await reader.read()
        writer.close()
        return Answer(raw)

    async def everybody():
        return await asyncio.wait_for(asyncio.gather(*(ask(n) for n in range(USERS))), 60)

    return asyncio.run(everybody())


@pytest.mark.parametrize("client,target", [pytest.param(c, t, id=f"{c.name} at {t.name}".replace("/completions", "")) for c, t in WAYS])
def test_a_thousand_share_one_call(start, client, target):
    sim = start(Sim, 'first_token = "400ms"\nbetween_tokens = "10ms"\ntokens = 150\n')
    proxy = start(Outrigger, upstream_of(sim, "sim", target))
    person = {MESSAGES: lambda n: {"metadata": {"user_id": f"user-{n}"}}, CHAT: lambda n: {"user": f"user-{n}"},
              RESPONSES: lambda n: {"safety_identifier": f"user-{n}", "prompt_cache_key": f"user-{n}"}}[client]
    answers = crowd(proxy.port, client.path, client.headers(),
                    lambda n: client.body("The one question", stream=n % 2 == 0, **person(n)))
    assert all(a.status_code == 200 for a in answers) and sim.calls(target.name) == 1
    # Both forms, read each as its wire asks for; the rest are the same bytes but for their ids.
    samples = [client.read(a) for a in answers[:20] + answers[-20:]]
    assert all(s.whole and s.finish == client.stop for s in samples) and len({s.text for s in samples}) == 1
    results = [a.headers["x-outrigger-cache"] for a in answers]
    assert set(results) <= {"miss", "coalesced", "hit"} and results.count("miss") == 1 and results.count("coalesced") > USERS / 3
    streams = {len(a.content) for a, how in zip(answers, results) if how != "hit" and "event-stream" in a.headers["content-type"]}
    assert len(streams) == 1, "all who listen to the one call hear the same"
    assert proxy.rss_bytes() < 96 << 20
    assert proxy.metric("outrigger_upstream_calls") == 0


def test_a_thousand_share_one_list(start):
    sim = start(Sim, 'first_token = "1500ms"\n')
    proxy = start(Outrigger, f'[[upstream]]\nname = "sim"\nurl = "{sim.url}/v1"\n')
    body = {"model": "jina-reranker-v2", "query": "How long does it take?", "documents": ["Two days.", "It is blue."]}
    answers = crowd(proxy.port, "/v1/rerank", CHAT.headers(), lambda n: body)
    assert all(a.status_code == 200 for a in answers) and sim.calls("rerank") == 1
    assert len({a.content for a in answers}) == 1
