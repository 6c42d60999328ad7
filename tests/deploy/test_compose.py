"""The Compose add-on over both layouts of Dify's docker/ folder, as a person would put it there, and the stack to try."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest
import requests
import yaml

from conftest import HERE, OUTRIGGER, ROOT, check_toml, need, run, wire

COMPOSE = ROOT / "deploy/compose"
LAYOUTS = ["one-env", "many-envs"]
ADDON = "docker-compose.yaml:docker-compose.outrigger.yaml"


def compose():
    if shutil.which("docker") and run("docker", "compose", "version", check=False).returncode == 0:
        return ["docker", "compose"]
    return [need("docker-compose")]


def config(folder, **env):
    """What `docker compose up` would run, with nothing but .env to say which files."""
    clean = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
    return yaml.safe_load(run(*compose(), "config", cwd=folder, env={**clean, **env}).stdout)


@pytest.fixture(params=LAYOUTS)
def dify(request, tmp_path):
    folder = tmp_path / "docker"
    shutil.copytree(HERE / "dify" / request.param, folder)
    return folder


def add(folder, files, *more):
    """The two files, or more, and the line in .env."""
    for name in ("docker-compose.outrigger.yaml", "outrigger.toml", *more):
        shutil.copy(COMPOSE / name, folder)
    with open(folder / ".env", "a") as env:
        env.write(f"COMPOSE_FILE={files}\n")


def test_two_files_and_a_line(dify, tmp_path):
    before = config(dify)["services"]
    add(dify, ADDON)
    after = config(dify)["services"]
    for service in after.values():  # the line itself, where a service has all of .env
        (service.get("environment") or {}).pop("COMPOSE_FILE", None)
    assert set(after) == set(before) | {"outrigger"}
    assert {name for name in before if before[name] != after[name]} == {"plugin_daemon"}
    daemon = after["plugin_daemon"]
    assert daemon["environment"].items() >= before["plugin_daemon"]["environment"].items()
    assert daemon["environment"]["OPENAI_BASE_URL"] == "http://outrigger:8080/openai/v1"
    assert daemon["environment"]["ANTHROPIC_BASE_URL"] == "http://outrigger:8080/anthropic"
    # Dify's plugin daemon starts and runs whether or not Outrigger is well.
    assert daemon["depends_on"]["outrigger"]["condition"] == "service_started"
    assert set(before["plugin_daemon"].get("depends_on", {})) < set(daemon["depends_on"])
    ours = after["outrigger"]
    assert ours["environment"]["REDIS_PASSWORD"] == "of-dify"
    assert ours["restart"] == "always" and ours["read_only"] and ours["cap_drop"] == ["ALL"]
    assert "default" in ours["networks"] and "ports" not in ours
    done = check_toml((dify / "outrigger.toml").read_text(), tmp_path, env={k: str(v) for k, v in ours["environment"].items()})
    assert done.returncode == 0, done.stderr
    assert "redis:6379 database 5" in done.stdout and "dify  http://api:5001" in done.stdout


def test_keys_come_from_a_file_of_their_own(dify):
    add(dify, ADDON)
    (dify / "outrigger.env").write_text("RELAY_KEY=sk-relay\n")
    services = config(dify)["services"]
    assert services["outrigger"]["environment"]["RELAY_KEY"] == "sk-relay"
    assert "RELAY_KEY" not in services["plugin_daemon"]["environment"]


def test_the_dify_door_in_nginx(dify):
    add(dify, ADDON + ":docker-compose.outrigger-dify.yaml", "docker-compose.outrigger-dify.yaml")
    # The command of the file's head, word for word.
    command = re.search(r"^#\s+(sed .+)$", (COMPOSE / "docker-compose.outrigger-dify.yaml").read_text(), re.M).group(1)
    run("sh", "-c", command, cwd=dify)
    was = (dify / "nginx/conf.d/default.conf.template").read_text()
    now = (dify / "outrigger-nginx.conf.template").read_text()
    assert [line for line in now.splitlines() if "outrigger" in line] == ["      proxy_pass http://outrigger:8081;"]
    assert "location /v1 {\n      proxy_pass http://outrigger:8081;" in now
    assert now.replace("http://outrigger:8081", "http://api:5001") == was
    nginx = config(dify)["services"]["nginx"]
    mounts = {volume["target"]: volume["source"] for volume in nginx["volumes"]}
    assert mounts["/etc/nginx/conf.d/default.conf.template"] == str(dify / "outrigger-nginx.conf.template")
    assert "/etc/nginx/conf.d" in mounts and {"api", "outrigger"} <= set(nginx["depends_on"])


def test_the_way_around(dify):
    add(dify, ADDON + ":docker-compose.outrigger-failopen.yaml", "docker-compose.outrigger-failopen.yaml", "outrigger-failopen.conf")
    services = config(dify)["services"]
    assert services["plugin_daemon"]["environment"]["OPENAI_BASE_URL"] == "http://outrigger-gate:8080/openai/v1"
    assert services["outrigger_gate"]["networks"]["default"]["aliases"] == ["outrigger-gate"]


def test_the_way_around_in_a_real_nginx(start, tmp_path):
    """Through Outrigger while it is there, whatever it answers; to the provider when it is not; and back."""
    sim = start(wire.Sim)
    with socket.socket() as one, socket.socket() as two:
        for probe in (one, two):
            probe.bind(("127.0.0.1", 0))
        gate, llm = one.getsockname()[1], two.getsockname()[1]
    server = (COMPOSE / "outrigger-failopen.conf").read_text()
    for old, new in (("listen 8080", f"listen 127.0.0.1:{gate}"), ("http://outrigger:8080", f"http://127.0.0.1:{llm}"),
                     ("https://api.openai.com", sim.url), ("https://api.anthropic.com", sim.url)):
        assert old in server
        server = server.replace(old, new)
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; pid {tmp_path}/pid; error_log stderr; events {{}}\nhttp {{ access_log off; client_body_temp_path {tmp_path}/b; "
        f"proxy_temp_path {tmp_path}/p; fastcgi_temp_path {tmp_path}/f; uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s;\n{server}}}\n")
    nginx = wire.Process([need("nginx"), "-p", tmp_path, "-c", tmp_path / "nginx.conf"], tmp_path / "nginx.log")
    toml = f'[listen]\nllm = "127.0.0.1:{llm}"\nadmin = "127.0.0.1:0"\n' + wire.upstream(sim).replace('"sim"', '"openai"') + \
        f'[[upstream]]\nname = "anthropic"\nurl = "{sim.url}"\ndialect = "anthropic"\n'

    def ask(path="/openai/v1/chat/completions", model="gpt-4o-mini"):
        body = {"model": model, "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]}
        for _ in range(100):
            try:
                return requests.post(f"http://127.0.0.1:{gate}{path}", json=body, timeout=10,
                                     headers={"authorization": "Bearer sk-1", "x-api-key": "sk-1", "anthropic-version": "2023-06-01"})
            except requests.ConnectionError:  # nginx is still starting
                time.sleep(0.05)
        raise AssertionError(nginx.text())

    try:
        direct = ask()
        assert direct.status_code == 200 and direct.headers["x-outrigger-cache"] == "bypass; reason=down"
        assert ask("/anthropic/v1/messages", "claude-sonnet-4").json()["type"] == "message"
        proxy = start(wire.Outrigger, toml)
        assert [ask().headers["x-outrigger-cache"] for _ in range(2)] == ["miss", "hit"]
        assert ask("/anthropic/v1/messages", "claude-sonnet-4").headers["x-outrigger-served-by"].startswith("anthropic:")
        # An error of the provider's is no reason to ask it once more by another way.
        sim.faults("[[fault]]\nstatus = 502\n")
        failed = ask(model="other")
        assert failed.status_code == 502 and "down" not in failed.headers["x-outrigger-cache"]
        sim.faults("")
        proxy.send_signal(signal.SIGTERM)
        proxy.child.wait(10)
        assert ask().headers["x-outrigger-cache"] == "bypass; reason=down"
    finally:
        nginx.stop()


def test_the_stack_to_try(tmp_path):
    folder = COMPOSE / "try"
    services = config(folder)["services"]
    assert set(services) == {"outrigger", "sim", "redis", "visitors", "prometheus", "grafana"}
    for service in services.values():
        for volume in service.get("volumes", []):
            assert os.path.exists(volume["source"]), volume["source"]
        for port in service.get("ports", []):
            assert port["host_ip"] == "127.0.0.1"
        if "build" in service:
            assert os.path.exists(os.path.join(service["build"]["context"], service["build"]["dockerfile"]))
    environment = services["outrigger"]["environment"]
    done = check_toml((folder / "outrigger.toml").read_text(), tmp_path, env=environment)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert json.loads((ROOT / "deploy/grafana/outrigger.json").read_text())["uid"] == "outrigger"
    run(need("promtool"), "check", "config", "--syntax-only", folder / "prometheus.yaml")


def test_the_visitors_of_the_stack_get_answers(start, tmp_path):
    """The stack's own configuration and visitors, on one machine: some of their questions are answered from the cache."""
    sim, redis = start(wire.Sim), start(wire.Redis)
    text = (COMPOSE / "try/outrigger.toml").read_text()
    for old, new in (('admin = "0.0.0.0:9090"', 'llm = "127.0.0.1:0"\nadmin = "127.0.0.1:0"'), ("redis://redis:6379/0", redis.url),
                     ("http://sim:9999", sim.url)):
        assert old in text
        text = text.replace(old, new)
    proxy = start(wire.Outrigger, text, env={"ADMIN_TOKEN": "try-out"})
    script = (COMPOSE / "try/visitors.sh").read_text().replace("http://outrigger:8080", proxy.url).replace("-lt 7200", "-lt 30")
    run("sh", "-c", script.replace("sleep 0.5", "sleep 0.05"))
    assert proxy.metric("outrigger_requests_total", outcome="ok") == 30
    assert proxy.metric("outrigger_cache_requests_total", result="hit") > 5
