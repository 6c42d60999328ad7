"""One call for many."""
import asyncio
import json
import socket
import statistics
import threading
import time

import httpx
import pytest

from conftest import Outrigger, Sim, text_of, upstream

HEADERS = {"authorization": "Bearer sk-test"}


def body(stream, question="The one question", **members):
    return {"model": "gpt-4o-mini", "stream": stream, "messages": [{"role": "user", "content": question}], **members}


def text_in(response):
    if "event-stream" not in response.headers["content-type"]:
        return response.json()["choices"][0]["message"]["content"]
    text = ""
    for block in response.text.split("\n\n"):
        if block.startswith("data: {"):
            for choice in json.loads(block[6:])["choices"]:
                text += choice["delta"].get("content") or ""
    return text


def test_a_thousand_at_once_share_one_call(start):
    sim = start(Sim, 'first_token = "300ms"\nbetween_tokens = "20ms"\ntokens = 400\n')
    proxy = start(Outrigger, upstream(sim))

    async def ask(client, n):
        await asyncio.sleep(0 if n < 500 else 1.0 * (n - 500) / 500)  # half of them while the answer is on its way
        return await client.post(proxy.url + "/v1/chat/completions", headers=HEADERS, json=body(n % 2 == 0, user=f"user-{n}"))

    async def everybody():
        limits = httpx.Limits(max_connections=1200)
        async with httpx.AsyncClient(limits=limits, timeout=60) as client:
            return await asyncio.gather(*(ask(client, n) for n in range(1000)))

    # A client that asks for the stream and reads nothing.
    deaf = socket.create_connection(("127.0.0.1", proxy.port))
    text = json.dumps(body(True)).encode()
    deaf.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-test\r\nContent-Type: application/json\r\n"
                 b"Content-Length: %d\r\n\r\n" % len(text) + text)
    time.sleep(0.1)
    answers = asyncio.run(everybody())
    assert all(a.status_code == 200 for a in answers)
    assert sim.calls("chat/completions") == 1
    assert len({text_in(a) for a in answers}) == 1
    results = [a.headers["x-outrigger-cache"] for a in answers]
    assert set(results) <= {"coalesced", "hit"} and results.count("coalesced") > 400
    assert proxy.rss_bytes() < 96 << 20
    deaf.close()


def test_a_joiner_gets_what_is_there_at_once(start):
    sim = start(Sim, 'first_token = "50ms"\nbetween_tokens = "100ms"\ntokens = 40\n')
    proxy = start(Outrigger, upstream(sim))
    text = json.dumps(body(True)).encode()
    request = (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-test\r\n"
               b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(text) + text)

    def join():
        link = socket.create_connection(("127.0.0.1", proxy.port))
        began = time.perf_counter()
        link.sendall(request)
        data = link.recv(65536)
        while b"data: " not in data:
            data += link.recv(65536)
        return link, time.perf_counter() - began, data

    lead, _, _ = join()
    time.sleep(0.5)
    waits, links = [], []
    for _ in range(50):
        link, wait, data = join()
        links.append(link)
        waits.append(wait)
        assert b"coalesced" in data and data.count(b"data: ") >= 3
        time.sleep(0.01)
    assert statistics.median(waits) < 0.002, f"median {statistics.median(waits) * 1000:.2f} ms"
    assert sim.calls("chat/completions") == 1
    for link in [lead, *links]:
        link.close()


def test_the_first_caller_may_leave_and_the_last_one_cancels(start):
    sim = start(Sim, 'first_token = "50ms"\nbetween_tokens = "50ms"\ntokens = 40\n')
    proxy = start(Outrigger, upstream(sim))
    first = proxy.chat("q", stream=True)
    pieces = first.iter_content(16)  # kept: the library hangs up when the iterator goes
    next(pieces)
    second = proxy.chat("q", stream=True)
    assert second.headers["x-outrigger-cache"] == "coalesced"
    first.close()
    assert len(text_of(second)) > 20
    assert proxy.chat("q").headers["x-outrigger-cache"] == "hit", "completed for the other, so it is stored"
    third = proxy.chat("r", stream=True)
    next(third.iter_content(16))
    third.close()
    deadline = time.monotonic() + 3
    while sim.stats()["clients_gone"] == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert sim.stats()["clients_gone"] == 1
    assert proxy.chat("r", stream=True).headers["x-outrigger-cache"] == "miss", "nobody saw the end: not stored"


def test_waiters_with_and_without_usage_share_a_stream(start):
    sim = start(Sim, 'first_token = "200ms"\nbetween_tokens = "20ms"\ntokens = 20\n')
    proxy = start(Outrigger, upstream(sim))
    answers = {}

    def ask(name, **members):
        response = proxy.chat("q", **members)
        answers[name] = (response.headers["x-outrigger-cache"], response.content.decode() if members.get("stream") else response.text)

    threads = [threading.Thread(target=ask, args=a, kwargs=k) for a, k in [
        (("lead",), {"stream": True}), (("plain",), {"stream": True}),
        (("counted",), {"stream": True, "stream_options": {"include_usage": True}}), (("blocking",), {})]]
    threads[0].start()
    time.sleep(0.1)
    for thread in threads[1:]:
        thread.start()
    for thread in threads:
        thread.join()
    assert sim.calls("chat/completions") == 1
    assert answers["lead"][1] == answers["plain"][1], "waiters get the same bytes"
    assert '"usage":{' not in answers["plain"][1].replace(" ", "")
    counted = [json.loads(b[6:]) for b in answers["counted"][1].split("\n\n") if b.startswith("data: {")]
    assert counted[-1]["choices"] == [] and counted[-1]["usage"]["completion_tokens"] > 0
    assert answers["counted"][1].rstrip().endswith("data: [DONE]")
    blocking = json.loads(answers["blocking"][1])
    assert blocking["choices"][0]["message"]["content"] == "".join(
        c["delta"].get("content") or "" for e in counted for c in e["choices"])


def test_what_cannot_be_stored_does_not_queue(start):
    sim = start(Sim, 'first_token = "400ms"\nbetween_tokens = "0s"\n[[fault]]\nfinish_reason = "length"\n')
    proxy = start(Outrigger, upstream(sim))
    proxy.chat("q")
    began = time.monotonic()
    threads = [threading.Thread(target=proxy.chat, args=("q",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began < 1.2, "they waited behind each other"
    assert sim.calls("chat/completions") == 9


def test_when_the_provider_dies_every_waiter_is_told_inside_the_stream(start):
    sim = start(Sim, 'first_token = "200ms"\nbetween_tokens = "20ms"\n[[fault]]\nreset_at = 2000\n')
    proxy = start(Outrigger, upstream(sim))
    texts = []

    def ask():
        texts.append(proxy.chat("q", stream=True).content.decode())

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(texts) == 5 and len(set(texts)) == 1
    last = json.loads(texts[0].strip().split("\n\n")[-1].removeprefix("data: "))
    assert last["error"]["code"] == "upstream_cut" and "127.0.0.1" not in texts[0]
