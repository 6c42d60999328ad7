"""A real Prometheus beside the real binary: it takes OpenMetrics, keeps the exemplars, has every family of the contract, and finds the
rules sound."""
import socket
import sys
import time

import pytest
import requests
import yaml

from conftest import ROOT, need, wire

sys.path.append(str(ROOT / "tests/wire"))
collecting = pytest.importorskip("collector", reason="opentelemetry-proto cannot be had here")

# Section 7 of the contract, but for what needs Redis or a hit.
FAMILIES = ["outrigger_requests_total", "outrigger_cache_requests_total", "outrigger_cache_bypass_total", "outrigger_attempts_total",
            "outrigger_breaker_state", "outrigger_rate_gate_seconds", "outrigger_queue_depth", "outrigger_queue_wait_seconds_count",
            "outrigger_first_token_seconds_bucket", "outrigger_overhead_seconds_sum", "outrigger_tokens_total",
            "outrigger_saved_tokens_total", "outrigger_saved_usd_total", "outrigger_build_info", "outrigger_trace_spans_total"]


@pytest.fixture
def collector():
    one = collecting.Collector()
    yield one
    one.stop()


@pytest.fixture
def prometheus(tmp_path):
    running = []

    def begin(target):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        config = tmp_path / "prometheus.yaml"
        config.write_text(yaml.safe_dump({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(ROOT / "deploy/prometheus/alerts.yaml")],
            "scrape_configs": [{"job_name": "outrigger", "static_configs": [{"targets": [target]}]}]}))
        server = wire.Process([need("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}",
                               f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=exemplar-storage"],
                              tmp_path / "prometheus.log")
        running.append(server)
        server.wait_for("Server is ready to receive web requests", 30)

        def ask(path, **query):
            answer = requests.get(f"http://127.0.0.1:{port}/api/v1/{path}", params=query, timeout=10).json()
            assert answer["status"] == "success", answer
            return answer["data"]
        return ask

    yield begin
    for server in running:
        server.stop()


def test_prometheus_keeps_every_family_and_the_traces_beside_them(start, collector, prometheus):
    sim = start(wire.Sim, 'first_token = "60ms"\n')
    proxy = start(wire.Outrigger, wire.upstream(sim) + f'''
[[model]]
name = "*"
concurrency = 1
[trace]
endpoint = "{collector.url}"
exemplars = true
''')
    began = time.time()
    ask = prometheus(proxy.admin.removeprefix("http://"))
    for n in range(4):
        proxy.chat(f"question {n}", stream=True).content
        proxy.chat(f"question {n}", headers={"cache-control": "no-store"})
        proxy.chat("the same")
        time.sleep(1)
    deadline = time.monotonic() + 10
    while not ask("query", query="outrigger_saved_usd_total > 0")["result"]:
        assert time.monotonic() < deadline, "it is not scraped"
        time.sleep(0.2)

    assert [target["health"] for target in ask("targets")["activeTargets"]] == ["up"]
    for name in FAMILIES:
        assert ask("query", query=name)["result"], name
    # OpenMetrics tells the type of a counter under the name without its suffix, and the unit; plain text does neither.
    metadata = ask("metadata")
    assert metadata["outrigger_requests"][0]["type"] == "counter" and metadata["outrigger_first_token_seconds"][0]["unit"] == "seconds"

    found = ask("query_exemplars", query="outrigger_first_token_seconds_bucket", start=began - 1, end=time.time() + 1)
    traces = {one["labels"]["trace_id"] for series in found for one in series["exemplars"]}
    assert traces and all(series["seriesLabels"]["target"] == "sim:gpt-4o-mini" for series in found)
    assert proxy.stop() == 0
    assert traces <= {span.trace for span in collector.spans()}

    rules = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
    assert len(rules) > 5 and all(rule["health"] in ("ok", "unknown") for rule in rules), rules
