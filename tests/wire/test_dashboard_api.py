"""What the dashboard reads from the admin door, and who may read it."""
import base64
import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import threading
import time

import pytest
import requests

from conftest import BUILD, Outrigger, Sim, upstream
from dify_sim import DifySim, DifyUser

# What nobody may learn from any of these: the admin token, a client's key, an upstream's.
SECRETS = {"TOKEN": "admin-token-4711", "CLIENT": "sk-client-0815", "UPSTREAM": "sk-upstream-1234"}


class Events:
    """The live stream, read in a thread."""

    def __init__(self, admin, headers=None):
        self.answer = requests.get(admin + "/api/events", stream=True, timeout=10, headers=headers or {})
        assert self.answer.status_code == 200 and self.answer.headers["content-type"] == "text/event-stream"
        self.all = []
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        kind = None
        try:
            for line in self.answer.iter_lines(chunk_size=1):
                if line.startswith(b"event: "):
                    kind = line[7:].decode()
                elif line.startswith(b"data: "):
                    self.all.append((kind, json.loads(line[6:])))
        except (requests.RequestException, AttributeError, ValueError):
            pass  # closed

    def of(self, kind):
        return [data for name, data in list(self.all) if name == kind]

    def wait_for(self, kind, condition, seconds=5):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for data in self.of(kind):
                if condition(data):
                    return data
            time.sleep(0.01)
        raise AssertionError(f"no such {kind} among {self.all[-3:]}")

    def close(self):
        self.answer.close()


class Beyond(Outrigger):
    """Its admin door is reachable from other machines, so it takes a token."""

    def wait_for(self, pattern, seconds=10):
        return super().wait_for(pattern.replace(r"admin door on 127\.0\.0\.1:", r"admin door on 0\.0\.0\.0:"), seconds)


@pytest.fixture
def guarded(start):
    sim = start(Sim)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = (f'admin_token = "env:TOKEN"\n[listen]\nllm = "127.0.0.1:0"\nadmin = "0.0.0.0:{port}"\n'
              + upstream(sim, extra='keys = ["env:UPSTREAM"]') + '[[client]]\nname = "desk"\nkey = "env:CLIENT"\n')
    return start(Beyond, config, env=SECRETS)


def basic(password, user="anybody"):
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def recent(proxy, **query):
    return requests.get(proxy.admin + "/api/requests", params=query, timeout=10).json()["requests"]


def total(history, member):
    return sum(point.get(member, 0) for point in history["points"])


def test_values_change_live(pair):
    _, proxy = pair
    events = Events(proxy.admin)
    first = events.wait_for("status", lambda s: s["requests"]["total"] == 0)
    assert first["health"] == {"state": "ok", "reasons": []}
    began = time.monotonic()
    proxy.chat("live?")
    assert events.wait_for("request", lambda r: r["cache"] == "miss")["model"] == "gpt-4o-mini"
    assert time.monotonic() - began < 1
    proxy.chat("live?")
    hit = events.wait_for("request", lambda r: r["cache"] == "hit")
    assert hit["saved_usd"] > 0 and hit["status"] == 200
    status = events.wait_for("status", lambda s: s["requests"]["total"] == 2)
    assert status["requests"]["cache"]["hit"] == 1 and status["requests"]["outcomes"]["ok"] == 2
    assert status["savings"]["requests"] == 1
    events.wait_for("history", lambda h: h["point"].get("requests", 0) > 0, seconds=22)
    events.close()


def test_history_adds_up_with_the_traffic(start):
    sim = start(Sim)
    proxy = start(Outrigger, upstream(sim) + '[[route]]\npath = "/faq"\n')
    for i in range(6):
        proxy.chat(f"question {i % 3}", path="/faq/v1/chat/completions" if i % 2 else "/v1/chat/completions",
                   model="gpt-4o" if i < 4 else "gpt-4o-mini")
    sim.faults('[[fault]]\nstatus = 500\n')
    proxy.chat("it fails", model="gpt-4o")
    log = proxy.access_log(7)
    for span in ("hour", "day", "month"):
        history = requests.get(proxy.admin + "/api/history", params={"span": span}, timeout=10).json()
        assert history["span"] == span
        assert total(history, "requests") == len(log) == 7
        for kind in ("hit", "miss", "bypass", "stale", "coalesced", "observe"):
            assert total(history, kind) == sum(line["cache"] == kind for line in log), kind
        assert total(history, "errors") == 1
        assert total(history, "saved_usd") == pytest.approx(sum(line.get("saved_usd", 0) for line in log))
        free = ("hit", "stale", "coalesced")
        tokens = lambda line: line.get("prompt_tokens", 0) + line.get("completion_tokens", 0)
        assert total(history, "saved_tokens") == sum(tokens(line) for line in log if line["cache"] in free)
        assert total(history, "spent_tokens") == sum(tokens(line) for line in log if line["cache"] not in free)
        for rows, member in (("models", "model"), ("routes", "route")):
            assert {row["name"] for row in history[rows]} == {line.get(member, "") for line in log}
            for row in history[rows]:
                assert total(row, "requests") == sum(line.get(member, "") == row["name"] for line in log)
        assert len({len(history["points"]), *(len(row["points"]) for row in history["models"] + history["routes"])}) == 1
    assert requests.get(proxy.admin + "/api/history?span=decade", timeout=10).status_code == 400


def test_history_and_status_agree_on_the_traffic_of_both_doors(start):
    sim, dify = start(Sim), start(DifySim)
    proxy = start(Outrigger, '[listen]\nllm = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\ndify = "127.0.0.1:0"\n' + upstream(sim) +
                  f'[[upstream]]\nname = "dify"\nurl = "{dify.url}"\ndialect = "dify"\n'
                  '[[app]]\nname = "chat"\nkey = "app-chat"\ncache = { stateless = true, per_user = false }\n'
                  '[[app]]\nname = "plain"\nkey = "app-workflow"\n')
    door = "http://" + proxy.wait_for(r"dify door on (127\.0\.0\.1:\d+)").group(1)
    for _ in range(3):
        assert proxy.chat("hello").status_code == 200
    cached, plain = DifyUser(door, "app-chat"), DifyUser(door, "app-workflow")
    for stream in (False, False, True):
        assert cached.chat("What are your opening hours?", stream).content
        assert plain.run(stream, query="x").content
    assert plain.get("parameters").status_code == 200
    log = proxy.access_log(10)
    status = requests.get(proxy.admin + "/api/status", timeout=10).json()
    history = requests.get(proxy.admin + "/api/history?span=hour", timeout=10).json()
    assert total(history, "requests") == status["requests"]["total"] == 10
    # A run's own model calls come through the llm door, so Dify's count of them is not spent once more.
    for member, told in (("saved", status["savings"]), ("spent", status["spending"])):
        assert total(history, member + "_tokens") == told["prompt_tokens"] + told["completion_tokens"] > 0, member
        assert total(history, member + "_usd") == pytest.approx(told["usd"])
    hits = [line for line in log if line.get("app") == "chat" and line["cache"] == "hit"]
    assert len(hits) == 2 and all(line["saved_tokens"] > 0 for line in hits)
    # An app without a cache, and what is no run, say nothing of how good the cache is.
    assert {kind: n for kind, n in status["requests"]["cache"].items() if n} == {"hit": 4, "miss": 2}
    for kind, times in status["requests"]["cache"].items():
        assert times == total(history, kind) == proxy.metric("outrigger_cache_requests_total", result=kind), kind


def test_records_are_those_of_the_access_log_with_attempts_and_verdict(start):
    bad, good = start(Sim), start(Sim)
    proxy = start(Outrigger, upstream(bad, "bad") + upstream(good, "good") +
                  '[[model]]\nname = "*"\ntarget = "bad"\nfallback = ["good"]\n')
    bad.faults('[[fault]]\nstatus = 500\n')
    assert proxy.chat("one").status_code == 200
    proxy.chat("one")
    proxy.chat("two", temperature=0.1, headers={"cache-control": "no-store"})
    records = recent(proxy)
    assert records == list(reversed(proxy.access_log(3)))
    first = records[-1]
    assert first["served_by"].startswith("good:") and first["attempts"] >= 2 and first["cache"] == "miss"
    assert [t["target"].split(":")[0] for t in first["tried"]][-1] == "good" and first["tried"][0]["outcome"]
    assert records[1]["cache"] == "hit"
    assert records[0]["cache"] == "bypass" and records[0]["cache_reason"]
    assert len(recent(proxy, limit=2)) == 2


def test_records_are_kept_without_an_access_log_and_are_bounded(start):
    sim = start(Sim)
    proxy = start(Outrigger, upstream(sim) + '[log]\naccess = "off"\n')
    session = requests.Session()
    for i in range(520):
        session.get(proxy.url + "/v1/models?i=" + str(i))
    assert len(recent(proxy, limit=1000)) == 500
    assert "request_id" not in proxy.text()


@pytest.mark.parametrize("query", ["limit=-1", "limit=abc", "limit=%27", "limit=1e3", "limit=99999999999999999999"])
def test_rubbish_numbers_are_refused_with_a_word(pair, query):
    _, proxy = pair
    answer = requests.get(f"{proxy.admin}/api/requests?{query}", timeout=10)
    assert answer.status_code == 400 and "number" in answer.json()["error"]["message"]


def test_hostile_texts_are_shortened_and_stay_valid_json(pair):
    _, proxy = pair
    model = "<img src=x onerror=alert(1)>\u202e\n" + "长" * 3000
    proxy.chat("q", model=model)
    requests.post(proxy.url + "/v1/" + "a/" * 5000, data=b"{}", timeout=10)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as link:
        body = b'{"model":"\xff\xfe\xc0","messages":[{"role":"user","content":"x"}]}'
        link.sendall(b"POST /v1/\xff\xfe HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
                     b"Content-Length: %d\r\n\r\n" % len(body) + body)
        while link.recv(65536):
            pass
    for path in ("/api/requests", "/api/status", "/api/history"):
        raw = requests.get(proxy.admin + path, timeout=10).content
        json.loads(raw.decode())  # strictly UTF-8
    records = recent(proxy)
    assert len(records) == 3
    assert all(len(json.dumps(record, ensure_ascii=False).encode()) < 4500 for record in records)
    assert records[-1]["model"].startswith("<img src=x")


def test_one_who_does_not_listen_disturbs_nobody(pair):
    _, proxy = pair
    port = int(proxy.admin.rsplit(":", 1)[1])
    before = proxy.rss_bytes()
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", port))
        deaf.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        events = Events(proxy.admin)
        session = requests.Session()
        for second in range(3):
            for i in range(300):
                session.get(f"{proxy.url}/v1/models/{'x' * 400}{i}")
        events.wait_for("status", lambda s: s["requests"]["total"] >= 900)
        events.wait_for("skipped", lambda s: s["requests"] > 0)
        assert proxy.rss_bytes() - before < 16 << 20
        events.close()


def test_seventeen_are_too_many(pair):
    _, proxy = pair
    port = int(proxy.admin.rsplit(":", 1)[1])
    links = []
    for _ in range(16):
        links.append(socket.create_connection(("127.0.0.1", port), timeout=5))
        links[-1].sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert links[-1].recv(15).startswith(b"HTTP/1.1 200")
    answer = requests.get(proxy.admin + "/api/events", timeout=5)
    assert answer.status_code == 503 and "Close a dashboard" in answer.json()["error"]["message"]
    links.pop().close()
    deadline = time.monotonic() + 5
    while True:
        answer = requests.get(proxy.admin + "/api/events", timeout=5, stream=True)
        if answer.status_code == 200 or time.monotonic() > deadline:
            break
    assert answer.status_code == 200
    answer.close()
    assert requests.get(proxy.admin + "/healthz", timeout=5).status_code == 200
    for link in links:
        link.close()


def test_a_drain_ends_the_stream(pair):
    _, proxy = pair
    events = Events(proxy.admin)
    events.wait_for("status", lambda s: True)
    assert proxy.stop() == 0
    events.thread.join(5)
    assert not events.thread.is_alive()


def test_the_page_brings_all_that_it_needs(pair):
    _, proxy = pair
    answer = requests.get(proxy.admin + "/", timeout=5)
    assert answer.status_code == 200 and answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["referrer-policy"] == "no-referrer"
    source = (BUILD.parents[1] / "src/admin/dashboard/index.html").read_bytes()
    assert answer.content == source
    again = requests.get(proxy.admin + "/", timeout=5, headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304 and again.content == b""
    head = requests.head(proxy.admin + "/", timeout=5)
    assert head.status_code == 200 and head.content == b"" and int(head.headers["content-length"]) == len(source)


PATHS = ("/", "/api/status", "/api/history", "/api/requests", "/api/events", "/api/nothing", "/index.html")
WRONG = ({}, {"authorization": "Bearer wrong"}, basic("wrong"), basic(""), basic(SECRETS["TOKEN"] + "x"),
         basic(SECRETS["CLIENT"]), {"authorization": "Basic"}, {"authorization": "Basic ====="},
         {"authorization": "Basic " + base64.b64encode(SECRETS["TOKEN"].encode()).decode()},
         {"x-outrigger-admin-token": "wrong", **basic(SECRETS["TOKEN"])},
         {"origin": "http://evil.example", **basic(SECRETS["TOKEN"])})


def test_without_the_token_there_is_nothing_to_see(guarded):
    proxy = guarded
    for path in PATHS:
        for headers in WRONG:
            for method in ("GET", "HEAD", "POST", "PUT"):
                answer = requests.request(method, proxy.admin + path, headers=headers, timeout=5)
                assert answer.status_code == 401, (method, path, headers)
                assert len(answer.content) < 600 and b"outrigger_" not in answer.content
                challenged = "www-authenticate" in answer.headers
                assert challenged == ("origin" not in headers)
    proxy.wait_for("the admin door has refused a request without the right admin token")
    assert proxy.text().count("the admin door has refused") == 1  # at most once a minute
    assert proxy.metric("outrigger_admin_refused_total") == len(PATHS) * (len(WRONG) - 1) * 4


def test_the_token_opens_the_door_to_browsers_too(guarded):
    proxy = guarded
    for headers in (basic(SECRETS["TOKEN"]), basic(SECRETS["TOKEN"], ""), basic(SECRETS["TOKEN"], "管理员"),
                    {"authorization": "Bearer " + SECRETS["TOKEN"]}, {"x-outrigger-admin-token": SECRETS["TOKEN"]}):
        assert requests.get(proxy.admin + "/", headers=headers, timeout=5).status_code == 200
        assert requests.get(proxy.admin + "/api/status", headers=headers, timeout=5).json()["ready"]
    events = Events(proxy.admin, basic(SECRETS["TOKEN"]))
    events.wait_for("status", lambda s: s["ready"])
    events.close()
    # A page of ours may purge; a page of somebody else may not, even with the password that the browser remembers.
    origin = {"origin": proxy.admin}
    purge = lambda headers: requests.post(proxy.admin + "/api/cache/purge", json={"all": True, "dry_run": True},
                                          headers=headers, timeout=5).status_code
    assert purge({**basic(SECRETS["TOKEN"]), **origin}) == 200
    assert purge({**basic(SECRETS["TOKEN"]), "origin": "http://evil.example"}) == 401
    assert purge({**basic(SECRETS["TOKEN"]), "sec-fetch-site": "cross-site"}) == 401


def test_explain_with_the_browsers_login_and_a_clients_key(guarded, start):
    proxy = guarded
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Where is my parcel?"}]}
    assert proxy.chat("Where is my parcel?", key=SECRETS["CLIENT"], model="gpt-4o").status_code == 200
    explain = lambda headers: requests.post(proxy.admin + "/api/explain", json=body, headers=headers, timeout=5).json()
    as_client = explain({**basic(SECRETS["TOKEN"]), "x-outrigger-explain-key": SECRETS["CLIENT"]})
    assert as_client["cacheable"] and as_client["stored"]["model"] == "gpt-4o"
    # Whose login it is does not matter for what a client would get.
    assert explain(basic(SECRETS["TOKEN"], "a"))["key"] == explain({"x-outrigger-admin-token": SECRETS["TOKEN"]})["key"]


def test_no_secret_is_told_anywhere(guarded):
    proxy = guarded
    token = basic(SECRETS["TOKEN"])
    events = Events(proxy.admin, token)
    proxy.chat("hello", key=SECRETS["CLIENT"])
    proxy.chat("hello", key=SECRETS["CLIENT"])
    proxy.chat("hello", key="sk-unknown-9999")
    requests.get(proxy.admin + "/api/status", headers=basic("sk-guessed-5555"), timeout=5)
    events.wait_for("request", lambda r: r.get("status") == 401)
    events.wait_for("status", lambda s: s["requests"]["total"] == 3)
    events.close()
    seen = json.dumps(events.all) + proxy.text()
    for path in ("/api/status", "/api/requests", "/api/history", "/metrics", "/nothing"):
        seen += requests.get(proxy.admin + path, headers=token, timeout=5).text
    for secret in (*SECRETS.values(), "sk-unknown-9999", "sk-guessed-5555"):
        assert secret not in seen
    assert '"desk"' in seen


def test_a_refused_reload_is_remembered_until_one_succeeds(pair):
    _, proxy = pair
    good = proxy.config.read_text()
    proxy.config.write_text(good + "\n[cache]\nmod = 1\n")
    assert requests.post(proxy.admin + "/api/reload", timeout=5).status_code >= 400
    health = requests.get(proxy.admin + "/api/status", timeout=5).json()["health"]
    assert health["state"] == "attention" and health["reasons"][0]["code"] == "reload_failed"
    assert "mode" in health["reasons"][0]["text"]
    proxy.config.write_text(good)
    assert requests.post(proxy.admin + "/api/reload", timeout=5).status_code == 200
    assert requests.get(proxy.admin + "/api/status", timeout=5).json()["health"]["state"] == "ok"


def test_trouble_with_a_target_is_seen(start):
    sim = start(Sim)
    proxy = start(Outrigger, upstream(sim) + '[[model]]\nname = "*"\nbreaker = { failures = 1, open = "20s", max_open = "20s" }\nretry = { attempts = 1 }\n')
    proxy.chat("fine")
    events = Events(proxy.admin)
    sim.faults('[[fault]]\nstatus = 500\n')
    proxy.chat("not fine")
    status = events.wait_for("status", lambda s: s["health"]["state"] == "bad")
    assert status["health"]["reasons"][0]["code"] == "target_open"
    assert status["health"]["reasons"][0]["subject"] == "sim:gpt-4o-mini"
    requests.post(proxy.admin + "/api/targets/sim:gpt-4o-mini/open", timeout=5)
    events.wait_for("status", lambda s: any(r["code"] == "target_forced_open" for r in s["health"]["reasons"]))
    events.close()


def top(*arguments, env=None):
    return subprocess.run([BUILD / "outrigger", "top", *map(str, arguments)], capture_output=True, timeout=20,
                          stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})})


def test_top_prints_once(pair, tmp_path):
    _, proxy = pair
    proxy.chat("hello", model="通义千问")
    proxy.chat("hello", model="通义千问")
    proxy.chat("hello", model="evil\x1b[2J")
    file = tmp_path / "where.toml"
    file.write_text(f'[listen]\nadmin = "{proxy.admin[7:]}"\n[[upstream]]\nname = "x"\nurl = "http://127.0.0.1:1/v1"\n')
    for arguments in (("--once", "--url", proxy.admin), ("--url", proxy.admin), ("--once", "--config", file)):
        done = top(*arguments)
        text = done.stdout.decode()
        assert done.returncode == 0 and not done.stderr
        assert "all is well" in text and "通义千问" in text and "sim:" in text and "hit 1, coalesced 0, stale 0, miss 2" in text
        assert "evil\\x1b[2J" in text and "\x1b" not in text
        assert all(len(line) <= 120 for line in text.splitlines())


def test_top_says_what_is_wrong(guarded, tmp_path):
    proxy = guarded
    done = top("--once", "--url", proxy.admin)
    assert done.returncode == 1 and b"OUTRIGGER_ADMIN_TOKEN" in done.stderr and not done.stdout
    done = top("--once", "--url", proxy.admin, env={"OUTRIGGER_ADMIN_TOKEN": SECRETS["TOKEN"]})
    assert done.returncode == 0 and b"all is well" in done.stdout
    done = top("--once", "--config", proxy.config, env=SECRETS)  # 0.0.0.0 there, 127.0.0.1 from here
    assert done.returncode == 0 and b"all is well" in done.stdout and SECRETS["TOKEN"].encode() not in done.stdout
    assert b"refused" in top("--once", "--url", "http://127.0.0.1:1").stderr
    assert b"--url" in top("--once", "--url", "ftp://x").stderr
    assert b"seconds" in top("--once", "--interval", "soon").stderr
    assert top("--once", "--config", tmp_path / "absent.toml").returncode == 1


def test_top_in_a_terminal_follows_and_leaves_it_as_it_was(pair, request):
    _, proxy = pair
    for leave in (b"q", signal.SIGINT):
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 60, 0, 0))
        before = termios.tcgetattr(theirs)
        child = subprocess.Popen([BUILD / "outrigger", "top", "--url", proxy.admin, "--interval", "0.1"], stdin=theirs,
                                 stdout=theirs, stderr=theirs)
        request.addfinalizer(child.kill)  # of one that has ended it does nothing
        screen = b""

        def wait_for(part, times=1, seconds=10):
            nonlocal screen
            deadline = time.monotonic() + seconds
            while screen.count(part) < times:
                assert time.monotonic() < deadline, screen[-2000:]
                if select.select([ours], [], [], 0.1)[0]:
                    screen += os.read(ours, 65536)

        wait_for(b"all is well")
        screen = b""
        proxy.chat("hello", model="new-model")
        wait_for(b"new-model")
        wait_for(b"\x1b[H", 2)  # what stands between two of them is a whole picture
        last = screen.split(b"\x1b[H")[-2].decode()
        lines = [line.rstrip("\r") for line in re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", last).split("\n")]
        assert len(lines) <= 20 and max(map(len, lines)) <= 60
        if isinstance(leave, bytes):
            os.write(ours, leave)
        else:
            child.send_signal(leave)
        wait_for(b"\x1b[?1049l")
        assert child.wait(5) == 0
        assert termios.tcgetattr(theirs) == before
        os.close(ours)
        os.close(theirs)


def test_top_goes_on_when_the_instance_is_gone(start):
    sim = start(Sim)
    proxy = start(Outrigger, upstream(sim))
    ours, theirs = pty.openpty()
    child = subprocess.Popen([BUILD / "outrigger", "top", "--url", proxy.admin, "--interval", "0.1"], stdin=theirs,
                             stdout=theirs, stderr=theirs)
    try:
        screen = b""
        for part in (b"all is well", b"No news: connect_refused"):
            deadline = time.monotonic() + 10
            while part not in screen:
                assert time.monotonic() < deadline, screen[-2000:]
                if select.select([ours], [], [], 0.1)[0]:
                    screen += os.read(ours, 65536)
            proxy.stop()
    finally:
        child.terminate()
        child.wait(5)
        os.close(ours)
        os.close(theirs)


def test_health_and_top_over_tls(start, tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=dashboard.example", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"],
                   check=True, capture_output=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    proxy = start(Outrigger, upstream(start(Sim)) + f'[listen]\nllm = "127.0.0.1:0"\nadmin = "127.0.0.1:{port}"\n'
                  f'admin_tls = {{ cert = "file:{tmp_path}/cert.pem", key = "file:{tmp_path}/key.pem" }}\n')
    health = subprocess.run([BUILD / "outrigger", "health", "--config", proxy.config], capture_output=True, timeout=10)
    assert health.returncode == 0 and health.stdout == b"ready\n"
    assert b"all is well" in top("--once", "--config", proxy.config).stdout
    # An address that is not from the configuration has to prove whose it is.
    done = top("--once", "--url", f"https://127.0.0.1:{port}")
    assert done.returncode == 1 and b"tls_failed" in done.stderr
    plain = top("--once", "--url", f"http://127.0.0.1:{port}")
    assert plain.returncode == 1 and plain.stderr
