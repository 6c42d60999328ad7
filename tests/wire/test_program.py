"""The command line, the admin door, reload and drain."""
import json
import os
import signal
import socket
import subprocess
import threading
import time

import pytest
import requests

from conftest import BUILD, ROOT, Outrigger, Sim, text_of, upstream


def run(*arguments, stdin=b"", env=None):
    return subprocess.run([BUILD / "outrigger", *map(str, arguments)], input=stdin, capture_output=True, timeout=20,
                          env={**os.environ, **(env or {})})


def test_version_and_usage():
    assert run("version").stdout.startswith(b"outrigger ")
    assert run().returncode != 0 and run("nonsense").returncode != 0
    assert b"--upstream" in run("serve").stderr


def test_check_tells_every_mistake_with_its_place(tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text('drain = 30\n[cache]\nmod = "on"\nttl = "10 minutes"\n[[upstream]]\nname = "a"\nurl = "ftp://x"\n')
    done = run("check", "--config", file)
    assert done.returncode == 1
    lines = done.stderr.decode().splitlines()
    for line, word in ((1, "drain"), (3, "mode"), (4, "10m"), (7, "http")):
        assert any(text.startswith(f"{file}:{line}:") and word in text for text in lines), lines
    assert run("check", "--config", tmp_path / "absent.toml").returncode == 1


def test_check_accepts_the_reference_configuration_and_shows_no_secret(tmp_path):
    done = run("check", "--config", ROOT / "conf/outrigger.toml")
    assert done.returncode == 0, done.stderr
    file = tmp_path / "ok.toml"
    file.write_text('[[upstream]]\nname = "relay"\nurl = "https://relay.example/v1"\nkeys = ["env:THE_KEY"]\n')
    done = run("check", "--config", file, env={"THE_KEY": "sk-very-secret"})
    assert done.returncode == 0 and b"relay" in done.stdout and b"sk-very-secret" not in done.stdout + done.stderr


def test_explain_on_the_command_line_and_at_the_admin_door(pair, tmp_path):
    _, proxy = pair
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Where is my parcel?"}], "user": "u1"}
    done = run("explain", "--config", proxy.config, stdin=json.dumps(body).encode())
    told = json.loads(done.stdout)
    assert done.returncode == 0 and told["cacheable"] and len(told["key"]) == 64 and "Where is my parcel?" in told["canonical"]
    assert "u1" not in told["canonical"]
    asked = proxy.explain(body)
    assert asked["stored"] is None and asked["nearest"] is None and asked["level"] == "safe" and asked["scope"] == "credential"
    proxy.chat("Where is my parcel?", model="gpt-4o")
    stored = proxy.explain({**body, "user": "u2"})
    assert stored["key"] == asked["key"] and stored["stored"]["served_by"] == "sim:gpt-4o" and stored["stored"]["fresh"]
    near = proxy.explain({**body, "messages": [{"role": "user", "content": "Where is my package?"}]})["nearest"]
    assert near["key"] == asked["key"] and any("content" in place for place in near["differs"])
    assert proxy.explain({**body, "n": 2}) | {"cacheable": False, "reason": "several_answers", "key": None} == proxy.explain({**body, "n": 2})
    assert proxy.explain("{", path="/v1/chat/completions")["reason"] == "not_json"
    assert proxy.explain({}, path="/v1/models")["reason"] == "endpoint"


def test_health_follows_the_running_instance(pair):
    _, proxy = pair
    file = proxy.config.with_suffix(".health.toml")
    file.write_text(f'[listen]\nadmin = "{proxy.admin[7:]}"\n[[upstream]]\nname = "x"\nurl = "http://127.0.0.1:1/v1"\n')
    assert run("health", "--config", file).returncode == 0
    proxy.stop()
    done = run("health", "--config", file)
    assert done.returncode == 1 and b"not ready" in done.stderr


def test_health_and_top_ask_a_running_instance_whatever_has_become_of_its_file(start):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = (f'[listen]\nllm = "127.0.0.1:0"\nadmin = "127.0.0.1:{port}"\n'
              + upstream(start(Sim), extra='keys = ["env:ONLY_THERE"]'))
    proxy = start(Outrigger, config, env={"ONLY_THERE": "sk-there"})

    def ask():
        health = run("health", "--config", proxy.config)
        top = run("top", "--once", "--config", proxy.config)
        assert (health.returncode, health.stdout) == (0, b"ready\n"), health.stderr
        assert top.returncode == 0, top.stderr
        return health.stderr, top.stdout

    told, shown = ask()  # the key is not in the environment of whoever asks
    assert told == b"" and b"all is well" in shown
    for mistake in ("[cache]\nttl = 10m\n", "[cache]\nttl = \"soon\"\n", "[[upst"):
        proxy.config.write_text(config + mistake)
        proxy.wait_for("the old one stays in force")
        told, shown = ask()
        assert (b"is not valid TOML" in told) == ("soon" not in mistake), told
        assert b"cannot be used" in shown


def test_admin_door(pair):
    _, proxy = pair
    for path, word in (("/healthz", "ok"), ("/readyz", "ready"), ("/metrics", "outrigger_build_info")):
        answer = requests.get(proxy.admin + path)
        assert answer.status_code == 200 and word in answer.text
    proxy.chat("a"), proxy.chat("a")
    status = requests.get(proxy.admin + "/api/status").json()
    assert status["cache"]["memory"]["entries"] == 1 and status["savings"]["usd"] > 0 and status["savings"]["hit"]["requests"] == 1
    assert proxy.metric("outrigger_saved_usd_total", model="gpt-4o-mini", by="hit") == pytest.approx(status["savings"]["usd"])
    assert proxy.metric("outrigger_requests_total", door="llm", model="gpt-4o-mini", outcome="ok") == 2
    assert proxy.metric("outrigger_attempts_total", target="sim:gpt-4o-mini", outcome="ok") == 1
    assert requests.get(proxy.admin + "/nothing").status_code == 404
    assert requests.put(proxy.admin + "/healthz").status_code == 405
    assert requests.post(proxy.admin + "/api/cache/purge", json={"all": True}, headers={"origin": "https://evil.example"}).status_code == 401
    assert requests.post(proxy.admin + "/api/cache/purge", data="{").status_code == 400
    assert requests.post(proxy.admin + "/api/cache/purge", json={"all": True}).json()["memory"] == 1
    assert proxy.chat("a").headers["x-outrigger-cache"] == "miss"


def test_a_probe_gets_in_while_all_places_of_the_admin_door_are_held(pair):
    _, proxy = pair
    held = [socket.create_connection(("127.0.0.1", int(proxy.admin.rsplit(":", 1)[1])), 5) for _ in range(64)]
    try:
        for path in ("/healthz", "/readyz", "/metrics"):
            assert requests.get(proxy.admin + path, timeout=5).status_code == 200
    finally:
        for link in held:
            link.close()


def test_admin_token_beyond_loopback(start):
    sim = start(Sim)
    config = '[listen]\nllm = "127.0.0.1:0"\nadmin = "0.0.0.0:{port}"\n' + upstream(sim)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file_config = 'admin_token = "env:TOKEN"\n' + config.format(port=port)

    class Open(Outrigger):
        def wait_for(self, pattern, seconds=10):
            return super().wait_for(pattern.replace(r"admin door on 127\.0\.0\.1:", r"admin door on 0\.0\.0\.0:"), seconds)

    proxy = start(Open, file_config, env={"TOKEN": "open-sesame"})
    assert requests.get(proxy.admin + "/metrics").status_code == 200
    assert requests.get(proxy.admin + "/api/status").status_code == 401
    assert requests.get(proxy.admin + "/api/status", headers={"authorization": "Bearer open-sesam"}).status_code == 401
    assert requests.get(proxy.admin + "/api/status", headers={"authorization": "Bearer open-sesame"}).status_code == 200
    assert "open-sesame" not in proxy.text()


def test_client_keys_are_asked_for(start):
    sim = start(Sim)
    proxy = start(Outrigger, upstream(sim) + '[[client]]\nname = "desk"\nkey = "desk-key"\nmodels = ["gpt-4o*"]\n')
    assert proxy.chat(key="nobody").status_code == 401
    assert proxy.chat(key="desk-key").status_code == 200
    assert proxy.chat(key="desk-key", model="o3").status_code == 403
    assert proxy.access_log(3)[1]["client"] == "desk"


def test_the_access_log_holds_no_text_and_no_credential(pair):
    _, proxy = pair
    for stream in (False, True):
        proxy.chat("my secret question", key="sk-my-secret-key", stream=stream).content
    first, second = proxy.access_log(2)
    assert (first["cache"], second["cache"]) == ("miss", "hit") and first["status"] == 200 and first["model"] == "gpt-4o-mini"
    assert second["stream"] and second["saved_usd"] > 0 and first["attempts"] == 1
    assert "secret" not in proxy.text()


def test_ready_in_time_and_small(pair):
    _, proxy = pair
    assert proxy.rss_bytes() < 20 << 20, f"{proxy.rss_bytes() >> 20} MB"
    assert proxy.ready_after < 0.5


def test_drain_lets_running_answers_finish(start):
    sim = start(Sim, 'first_token = "100ms"\nbetween_tokens = "30ms"\ntokens = 30\n')
    proxy = start(Outrigger, upstream(sim))
    answer = proxy.chat("q", stream=True)
    idle = requests.Session()
    idle.get(proxy.url + "/v1/models")
    proxy.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    assert requests.get(proxy.admin + "/readyz").status_code == 503
    with pytest.raises(requests.ConnectionError):
        requests.get(proxy.url + "/v1/models", timeout=2)
    assert text_of(answer) and answer.content.endswith(b"data: [DONE]\n\n")
    assert proxy.child.wait(5) == 0


def test_drain_has_an_end(start):
    sim = start(Sim, 'first_token = "60s"\n')
    proxy = start(Outrigger, 'drain = "500ms"\n' + upstream(sim))
    answers = []
    thread = threading.Thread(target=lambda: answers.append(proxy.chat("q")))
    thread.start()
    time.sleep(0.2)
    began = time.monotonic()
    assert proxy.stop() == 0 and 0.3 < time.monotonic() - began < 3
    thread.join()
    assert answers[0].status_code == 503 and answers[0].json()["error"]["code"] == "draining"


@pytest.mark.parametrize("how", ["signal", "file", "admin"])
def test_reload_keeps_running_requests_and_refuses_a_bad_file(start, how):
    sim = start(Sim, 'first_token = "50ms"\nbetween_tokens = "50ms"\ntokens = 40\n')
    proxy = start(Outrigger, upstream(sim))
    config = proxy.config.read_text()

    def reload(text):
        proxy.config.write_text(text)
        if how == "signal":
            proxy.send_signal(signal.SIGHUP)
        elif how == "admin":
            requests.post(proxy.admin + "/api/reload")

    running = proxy.chat("q", stream=True)
    reload(config + '[[route]]\npath = "/new"\n')
    proxy.wait_for("configuration reloaded")
    assert proxy.chat("x", path="/new/v1/chat/completions").status_code == 200
    assert sim.last()["path"] == "/v1/chat/completions"
    reload(config + "nonsense = 1\n")
    proxy.wait_for("old one stays in force")
    assert proxy.chat("y", path="/new/v1/chat/completions").status_code == 200
    assert running.content.endswith(b"data: [DONE]\n\n")


def test_an_address_in_use_is_said_clearly(pair):
    _, proxy = pair
    done = run("serve", "--upstream", "http://127.0.0.1:1/v1", "--listen", f"127.0.0.1:{proxy.port}")
    assert done.returncode == 1 and b"cannot listen on" in done.stderr
