"""Alerts and dashboard: of metrics that the program has, understood by Prometheus, and tested for when they speak."""
import json
import re
import socket
import time

import pytest
import requests
import yaml

from conftest import CHART, HERE, ROOT, need, one, rendered, run, wire

TESTS = sorted(HERE.glob("alerts_*test.yaml"))
ALERTS = ROOT / "deploy/prometheus/alerts.yaml"
DASHBOARD = json.loads((ROOT / "deploy/grafana/outrigger.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions():
    """What is asked of Prometheus: (where, expression)."""
    for panel in PANELS:
        for target in panel["targets"]:
            expr = target["expr"].replace("$__rate_interval", "20s").replace("$__range", "1m").replace("$instance", ".*")
            yield f"panel {panel['title']}", expr
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        for rule in group["rules"]:
            yield f"alert {rule['alert']}", rule["expr"]


def test_alert_rules():
    run(need("promtool"), "check", "rules", ALERTS)
    run(need("promtool"), "test", "rules", *TESTS)


def test_every_alert_is_tested():
    tested = {case["alertname"] for file in TESTS for test in yaml.safe_load(file.read_text())["tests"]
              for case in test["alert_rule_test"] if case["exp_alerts"]}
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    assert tested == {rule["alert"] for rule in rules}
    for rule in rules:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"] and rule["annotations"]["description"]


def test_the_dashboard_is_laid_out():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells
    for panel in PANELS:
        assert panel["description"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"


def test_attempts_are_shared_out_among_the_requests_of_their_own_door(tmp_path):
    """A backend of the dify door may have any name, and its runs may be in the cache's counts: neither has a place here."""
    expr = next(panel for panel in PANELS if panel["title"] == "Attempts a request that went upstream")["targets"][0]["expr"]
    expr = expr.replace("$__rate_interval", "1m").replace("$instance", ".*")
    series = {'outrigger_attempts_total{instance="a",target="relay:gpt-4o",outcome="ok"}': 10,
              'outrigger_attempts_total{instance="a",target="relay:gpt-4o",outcome="status_503"}': 5,
              'outrigger_cache_requests_total{instance="a",model="gpt-4o",result="miss"}': 8,
              'outrigger_cache_requests_total{instance="a",model="gpt-4o",result="bypass"}': 2,
              'outrigger_cache_requests_total{instance="a",model="gpt-4o",result="hit"}': 70,
              # Of no model: what is passed through as it is.
              'outrigger_attempts_total{instance="a",target="relay",outcome="ok"}': 7,
              'outrigger_cache_requests_total{instance="a",model="",result="bypass"}': 3,
              # The dify door.
              'outrigger_attempts_total{instance="a",target="new",outcome="ok"}': 40,
              'outrigger_requests_total{instance="a",door="dify",app="faq",outcome="ok"}': 40,
              'outrigger_requests_total{instance="a",door="dify",app="",outcome="ok"}': 40,
              'outrigger_cache_requests_total{instance="a",model="faq",result="miss"}': 30}
    test = tmp_path / "panel.yaml"
    test.write_text(yaml.safe_dump({"evaluation_interval": "15s", "tests": [{
        "interval": "15s", "input_series": [{"series": name, "values": f"0+{step}x20"} for name, step in series.items()],
        "promql_expr_test": [{"expr": expr, "eval_time": "4m", "exp_samples": [{"labels": "{}", "value": 1.5}]}]}]}))
    run(need("promtool"), "test", "rules", test)


def test_the_chart_has_the_same_rules_and_dashboard():
    manifests = rendered("--values", CHART / "ci/everything-values.yaml")
    assert one(manifests, "PrometheusRule")["spec"] == yaml.safe_load(ALERTS.read_text())
    assert json.loads(one(manifests, "ConfigMap", "outrigger-dashboard")["data"]["outrigger.json"]) == DASHBOARD


@pytest.fixture
def busy(start):
    """A provider that fails now and then, a fallback, a queue that overflows, a budget, Redis; and visitors."""
    sim = start(wire.Sim, '[[fault]]\nmodel = "bad"\nstatus = 503\n[[fault]]\nmodel = "busy"\nfirst_token = "400ms"\n')
    redis = start(wire.Redis)
    proxy = start(wire.Outrigger, f'[redis]\nurl = "{redis.url}"\n' + wire.upstream(sim, extra='keys = ["sk-a"]') + '''
[[model]]
name = "bad"
fallback = ["sim:gpt-4o-mini"]
price = { input = 1, output = 2 }
[[model]]
name = "busy"
price = { input = 1, output = 2 }
concurrency = 1
queue = { depth = 1, wait = "1s" }
[[client]]
name = "visitors"
key = "sk-test"
budget = { usd_per_month = 1000 }
''')
    return proxy


def visit(proxy, round_):
    from concurrent.futures import ThreadPoolExecutor
    asked = [("gpt-4o-mini", "the same")] * 3 + [("gpt-4o-mini", f"other {round_}"), ("bad", f"bad {round_}")]
    asked += [("busy", f"busy {round_} {n}") for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda item: proxy.chat(item[1], model=item[0]), asked))
    proxy.chat("with tools", tools=[{"type": "web_search"}])


def test_every_metric_that_is_asked_for_exists(busy):
    declared = set(re.findall(r"^# TYPE (\S+)", requests.get(busy.admin + "/metrics", timeout=5).text, re.M))
    assert len(declared) > 20
    for where, expr in expressions():
        names = set(re.findall(r"\b(?:outrigger|process)_[a-z_]+", expr))
        assert names, where
        for name in names:
            assert name in declared or re.sub("_(bucket|sum|count)$", "", name) in declared, f"{where}: {name}"


def test_labels_that_are_asked_for_exist(busy):
    visit(busy, 0)
    text = requests.get(busy.admin + "/metrics", timeout=5).text
    known = set(re.findall(r'[{,]([a-z_]+)="', text)) | {"instance", "app", "le", "listen"}  # `app`: the dify door; `listen`: TLS
    for where, expr in expressions():
        for labels in re.findall(r"(?:by|on) \(([^)]*)\)", expr):
            assert set(re.split(r",\s*", labels)) <= known, f"{where}: {labels}"
        assert set(re.findall(r"[{,]\s*([a-z_]+)\s*(?:=~|!~|!=|=)", expr)) <= known, where


def test_a_real_prometheus_answers_every_panel(busy, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = tmp_path / "prometheus.yaml"
    config.write_text(yaml.safe_dump({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [str(ALERTS)],
        "scrape_configs": [{"job_name": "outrigger", "static_configs": [{"targets": [busy.admin.removeprefix("http://")]}]}]}))
    server = wire.Process([need("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}",
                           f"--web.listen-address=127.0.0.1:{port}"], tmp_path / "prometheus.log")
    try:
        server.wait_for("Server is ready to receive web requests", 30)

        def ask(expr):
            answer = requests.get(f"http://127.0.0.1:{port}/api/v1/query", params={"query": expr}, timeout=10).json()
            assert answer["status"] == "success", f"{expr}: {answer.get('error')}"
            return answer["data"]["result"]

        for round_ in range(8):
            visit(busy, round_)
            time.sleep(1)
        assert ask("up == 1")
        silent = [where for where, expr in expressions() if where.startswith("panel") and not ask(expr)]
        # There is no dify door here.
        assert silent == ["panel Dify door by app"]
        rules = requests.get(f"http://127.0.0.1:{port}/api/v1/rules", timeout=10).json()["data"]["groups"][0]["rules"]
        assert len(rules) > 5 and all(rule["health"] in ("ok", "unknown") for rule in rules), rules
    finally:
        server.stop()
