"""Metrics: every family of the contract with its labels, bounded whatever clients write, in both text forms."""
import asyncio
import json
import re
import threading

import pytest
import requests
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain

from collector import Collector, trees
from conftest import Outrigger, Redis, Sim, upstream
from dify_sim import DifySim, DifyUser

OPEN = {"accept": "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"}
# Section 7 of the contract.
FAMILIES = {
    "outrigger_requests": {"door", "model", "outcome"}, "outrigger_cache_requests": {"model", "result"},
    "outrigger_cache_bypass": {"reason"}, "outrigger_attempts": {"target", "outcome"}, "outrigger_breaker_state": {"target"},
    "outrigger_rate_gate_seconds": {"target"}, "outrigger_queue_depth": {"model"}, "outrigger_queue_wait_seconds": {"model"},
    "outrigger_first_token_seconds": {"target"}, "outrigger_overhead_seconds": {"door"},
    "outrigger_tokens": {"target", "direction"}, "outrigger_saved_tokens": {"model", "by"}, "outrigger_saved_usd": {"model", "by"},
    "outrigger_redis_up": set(), "outrigger_build_info": {"version"}, "outrigger_trace_spans": {"outcome"},
}


def read(proxy, headers, parse):
    answer = requests.get(proxy.admin + "/metrics", headers=headers, timeout=10)
    assert answer.status_code == 200
    return {family.name: family for family in parse(answer.text)}, answer


@pytest.fixture
def busy(start):
    """Something has happened of all that is counted."""
    sim, dify, redis = start(Sim, 'first_token = "60ms"\n'), start(DifySim), start(Redis)
    config = f'[listen]\nllm = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\ndify = "127.0.0.1:0"\n[redis]\nurl = "{redis.url}"\n'
    config += upstream(sim) + f'[[upstream]]\nname = "dify"\nurl = "{dify.url}"\ndialect = "dify"\n'
    config += '[[app]]\nname = "faq"\nkey = "app-chat"\ncache = { stateless = true }\n[[model]]\nname = "*"\nconcurrency = 1\n'

    def begin(more=""):
        proxy = start(Outrigger, config + more)
        url = "http://" + proxy.wait_for(r"dify door on (127\.0\.0\.1:\d+)").group(1)
        others = [threading.Thread(target=lambda n=n: proxy.chat(f"question {n}", stream=True).content) for n in range(2)]
        for other in others:
            other.start()
        for other in others:
            other.join()
        proxy.chat("question 0")
        proxy.chat("no store", headers={"cache-control": "no-store"})
        for _ in range(2):
            DifyUser(url, "app-chat").chat("hello", True).content
        return proxy
    return begin


def test_every_family_of_the_contract_is_there_with_its_labels(busy):
    families, answer = read(busy(), {}, plain)
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    for name, labels in FAMILIES.items():
        assert families[name].samples, name
        for sample in families[name].samples:
            # The dify door has apps where the other one has models.
            of_app = {"app"} | labels - {"model"} if "app" in sample.labels else labels
            assert set(sample.labels) - {"le"} == of_app, sample


def test_the_same_in_openmetrics(busy):
    proxy = busy()
    text, _ = read(proxy, {}, plain)
    families, answer = read(proxy, OPEN, open_metrics)
    assert answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert answer.text.endswith("# EOF\n")
    assert families.keys() == text.keys()
    for name, family in families.items():
        assert family.type == text[name].type and family.documentation == text[name].documentation, name
        assert len(family.samples) == len(text[name].samples), name
        assert family.unit == next((unit for unit in ("seconds", "bytes") if name.endswith("_" + unit)), ""), name
    assert not any(sample.exemplar for family in families.values() for sample in family.samples)


def test_exemplars_name_traces_that_the_collector_has(busy):
    collector = Collector()
    try:
        proxy = busy(f'[trace]\nendpoint = "{collector.url}"\nexemplars = true\n')
        proxy.chat("unsampled", headers={"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"})
        families, _ = read(proxy, OPEN, open_metrics)
        named = {name: {sample.exemplar.labels["trace_id"] for sample in family.samples if sample.exemplar}
                 for name, family in families.items()}
        assert {name for name, ids in named.items() if ids} == {"outrigger_first_token_seconds", "outrigger_queue_wait_seconds"}
        assert "trace_id" not in requests.get(proxy.admin + "/metrics", timeout=10).text
        assert proxy.stop() == 0
        told = {tree.all[0].trace for tree in trees(collector.spans())}
        for name, ids in named.items():
            assert ids <= told, name
    finally:
        collector.stop()


async def flood(port, names, connections=32):
    """A request for each name, over and over on a few connections."""
    pending = iter(names)

    async def one():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for name in pending:
            body = json.dumps({"model": name, "messages": [{"role": "user", "content": "hi"}]}).encode()
            writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\nContent-Length: %d\r\n\r\n" %
                         len(body) + body)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.I)
            await reader.readexactly(int(length.group(1)))
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))


def test_a_hundred_thousand_names_of_models_grow_nothing(start):
    """Whatever a client writes into `model`, long and odd ones, too: 90,000 are refused at the door, 10,000 go upstream."""
    sim = start(Sim)
    proxy = start(Outrigger, '[log]\naccess = "off"\n[cache]\nmemory = "1MiB"\n' + upstream(sim) + '''
[[client]]
name = "c"
key = "k"
models = ["open-*"]
''')
    odd = ["x" * 5000, 'a"b\\c\nd', "模型", "\x00\x01", "{}", ""]

    def names(prefix, count):
        return [f"{prefix}{n}-{odd[n % 997] if n % 997 < len(odd) else n * 7919}" for n in range(count)]

    asyncio.run(flood(proxy.port, names("open-", 5000) + names("m", 5000)))
    before, text = proxy.rss_bytes(), requests.get(proxy.admin + "/metrics", timeout=10).text
    asyncio.run(flood(proxy.port, names("open-b", 5000) + names("n", 85_000)))
    after, more = proxy.rss_bytes(), requests.get(proxy.admin + "/metrics", timeout=10).text
    families = {family.name: family for family in plain(more)}
    models = {s.labels["model"] for s in families["outrigger_requests"].samples}
    assert "other" in models and len(models) <= 151
    for name, family in families.items():
        assert len({tuple(sorted(s.labels.items())) for s in family.samples}) <= 40_000, name
    assert len(more) < 3 << 20 and len(more) < len(text) * 1.1 + 65536
    assert after - before < 6 << 20, (before, after)
    # None is lost.
    assert proxy.metric("outrigger_requests_total", door="llm") == 100_000
