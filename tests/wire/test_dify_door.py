"""The dify door over real sockets: what passes is untouched, runs wait their turn, and nothing runs twice."""
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from conftest import ROOT, Outrigger

STREAM = (b'data: {"event": "message", "task_id": "11111111-2222-3333-4444-555555555555", "answer": "h\\u00e9"}\n\n'
          b"event: ping\n\n"
          b'data: {"event": "message", "task_id": "11111111-2222-3333-4444-555555555555", "answer": "llo"}\n\n'
          b'data: {"event": "message_end", "task_id": "11111111-2222-3333-4444-555555555555", "metadata": {"usage": '
          b'{"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13, "total_price": "0.25", "currency": "RMB"}}}\n\n')


class Backend(ThreadingHTTPServer):
    """A little of Dify's api, with a limit of connections and a count of runs."""
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, limit=10, run_seconds=0.0):
        super().__init__(("127.0.0.1", 0), Handler)
        self.limit, self.run_seconds = limit, run_seconds
        self.lock = threading.Lock()
        self.open = self.most = self.over = 0
        self.runs, self.stops, self.heads = [], [], []
        self.hang = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def process_request_thread(self, request, client_address):
        with self.lock:
            self.open += 1
            self.most = max(self.most, self.open)
            self.over += self.open > self.limit
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self.lock:
                self.open -= 1

    def handle_error(self, request, client_address):
        pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self):
        if self.headers.get("transfer-encoding") == "chunked":
            whole = b""
            while size := int(self.rfile.readline(), 16):
                whole += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return whole
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def answer(self, body, status=200, kind="application/json", **fields):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in fields.items():
            for one in value if isinstance(value, list) else [value]:
                self.send_header(name.replace("_", "-"), one)
        self.end_headers()
        self.wfile.write(body)

    def piece(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def do_POST(self):
        self.server.heads.append((self.path, self.headers))
        if self.path == "/v1/files/upload":
            digest, size = hashlib.sha256(), int(self.headers["content-length"])
            while size:
                data = self.rfile.read(min(size, 1 << 20))
                digest.update(data)
                size -= len(data)
            return self.answer(json.dumps({"sha256": digest.hexdigest()}).encode(), 201)
        body = self.body()
        if self.path.endswith("/stop"):
            self.server.stops.append((self.path, json.loads(body)))
            return self.answer(b'{"result": "success"}')
        if self.path != "/v1/chat-messages":
            return self.answer(body, kind=self.headers.get("content-type", "text/plain"))
        request = json.loads(body)
        with self.server.lock:
            self.server.runs.append(request["query"])
        time.sleep(self.server.run_seconds)
        if request.get("response_mode") != "streaming":
            return self.answer(json.dumps({"event": "message", "task_id": "t", "answer": request["query"]}).encode())
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if request["query"] == "hang":
            self.piece(STREAM[:50])
            self.piece(STREAM[50:STREAM.index(b"\n\n") + 2])
            self.server.hang.wait(20)
            return
        for at in range(0, len(STREAM), 37):
            self.piece(STREAM[at:at + 37])
        self.wfile.write(b"0\r\n\r\n")

    do_PUT = do_PATCH = do_DELETE = do_POST

    def do_GET(self):
        self.server.heads.append((self.path, self.headers))
        if self.path == "/console/api/login":
            return self.answer(b"", 302, Location="http://elsewhere.example/signin?next=%2F",
                               Set_Cookie=["access_token=a; HttpOnly; Path=/", "csrf=b; SameSite=Lax"])
        if self.path.startswith("/files/"):
            data = bytes(range(256)) * 4096
            found = re.match(r"bytes=(\d+)-(\d+)", self.headers.get("range", ""))
            if not found:
                return self.answer(data, kind="application/octet-stream", Accept_Ranges="bytes")
            begin, end = int(found[1]), int(found[2])
            return self.answer(data[begin:end + 1], 206, "application/octet-stream",
                               Content_Range=f"bytes {begin}-{end}/{len(data)}")
        if self.path == "/v1/info":
            return self.answer(b'{"name": "Help Desk", "description": "", "tags": []}')
        return self.answer(b'{"ok": true}')


KEY = {"authorization": "Bearer app-faq"}


def door(start, backend, more="", apps='[[app]]\nname = "faq"\nkey = "app-faq"\n', top="", listen=""):
    process = start(Outrigger, f'{top}\n[listen]\nllm = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\ndify = "127.0.0.1:0"\n{listen}\n'
                               f'[[upstream]]\nname = "main"\nurl = "{backend.url}"\ndialect = "dify"\n{more}\n{apps}')
    port = int(process.wait_for(r"dify door on 127\.0\.0\.1:(\d+)").group(1))
    process.dify_port, process.dify = port, f"http://127.0.0.1:{port}"
    return process


def run(proxy, query="hello", mode="blocking", user="u", key="app-faq", **named):
    body = {"inputs": {}, "query": query, "user": user, "response_mode": mode}
    return requests.post(proxy.dify + "/v1/chat-messages", json=body, timeout=30,
                         headers={"authorization": f"Bearer {key}"}, **named)


@pytest.fixture
def backend():
    server = Backend()
    yield server
    server.hang.set()
    server.shutdown()
    server.server_close()


def test_streams_are_byte_exact(start, backend):
    proxy = door(start, backend)
    answer = run(proxy, mode="streaming")
    assert answer.content == STREAM
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["x-outrigger-served-by"] == "main"


def test_uploads_downloads_ranges_cookies_and_redirects(start, backend):
    proxy = door(start, backend)
    big = bytes(range(256)) * (64 << 12)  # 64 MiB: more than the door may ever hold
    before = proxy.rss_bytes()
    answer = requests.post(proxy.dify + "/v1/files/upload", headers=KEY, timeout=60,
                           files={"file": ("a.bin", big)}, data={"user": "u"})
    assert answer.status_code == 201
    sent = answer.request.body
    assert answer.json()["sha256"] == hashlib.sha256(sent).hexdigest()
    assert proxy.rss_bytes() - before < 16 << 20
    whole = requests.get(proxy.dify + "/files/1/file-preview?sign=%20x", timeout=10)
    assert whole.content == bytes(range(256)) * 4096
    assert backend.heads[-1][0] == "/files/1/file-preview?sign=%20x"
    part = requests.get(proxy.dify + "/files/1", headers={"range": "bytes=300-309"}, timeout=10)
    assert (part.status_code, part.content) == (206, whole.content[300:310])
    link = http.client.HTTPConnection("127.0.0.1", proxy.dify_port, timeout=10)
    link.request("GET", "/console/api/login")
    login = link.getresponse()
    assert login.status == 302 and login.getheader("location") == "http://elsewhere.example/signin?next=%2F"
    assert login.headers.get_all("set-cookie") == ["access_token=a; HttpOnly; Path=/", "csrf=b; SameSite=Lax"]


def test_every_method_and_chunked_bodies(start, backend):
    proxy = door(start, backend)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = requests.request(method, proxy.dify + "/console/api/x", data=iter([b"one", b"two"]), timeout=10,
                                  headers={"content-type": "text/weird"})
        assert (answer.status_code, answer.content) == (200, b"onetwo"), method
        assert answer.headers["content-type"] == "text/weird"


def test_a_forged_address_is_not_believed(start, backend):
    forged = {"x-forwarded-for": "1.2.3.4", "x-forwarded-proto": "https", "cf-connecting-ip": "1.2.3.4", **KEY}
    proxy = door(start, backend)
    requests.get(proxy.dify + "/v1/info", headers={**forged, "host": "dify.example"}, timeout=10)
    head = backend.heads[-1][1]
    # Who comes from this machine is trusted, as a proxy beside us would be.
    assert head["x-forwarded-for"] == "1.2.3.4, 127.0.0.1"
    assert head["host"] == "dify.example" and head["x-forwarded-host"] == "dify.example"


def test_a_stranger_who_forges_an_address_is_not_believed(tmp_path):
    apart = ["unshare", "--map-root-user", "--net"]
    if shutil.which("ip") is None or subprocess.run([*apart, "true"], capture_output=True).returncode != 0:
        pytest.skip("no network namespace can be made here")
    done = subprocess.run([*apart, sys.executable, ROOT / "tests/wire/stranger.py", tmp_path], capture_output=True, text=True,
                          timeout=60, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT / "tests/wire")})
    assert done.returncode == 0, done.stderr
    stranger, trusted = json.loads(done.stdout.splitlines()[-1])
    assert stranger["x-forwarded-for"] == "192.0.2.1" and stranger["x-forwarded-proto"] == "http"
    assert "1.2.3.4" not in str(stranger) and "evil" not in str(stranger)
    assert trusted["x-forwarded-for"] == "1.2.3.4, 192.0.2.1" and trusted["x-forwarded-proto"] == "https"
    assert "x_forwarded_for" not in trusted


def test_ten_times_the_limit_is_served_or_told_when_to_come_back(start):
    backend = Backend(limit=10, run_seconds=0.05)
    proxy = door(start, backend, '[dify]\nconcurrency = 8\nqueue = { depth = 40, wait = "2s" }')
    answers, waits, end = [], [], time.monotonic() + 3
    lock = threading.Lock()

    def visitor(number):
        turn = 0
        while time.monotonic() < end:
            turn += 1
            query = f"{number}-{turn}"
            answer = run(proxy, query, mode="streaming" if number % 3 else "blocking", user=f"u{number}")
            with lock:
                answers.append((query, answer.status_code, answer.headers.get("retry-after"), answer.text))
            if answer.status_code == 429:
                time.sleep(0.2)

    def console():
        while time.monotonic() < end:
            began = time.monotonic()
            requests.get(proxy.dify + "/console/api/apps", timeout=10).raise_for_status()
            waits.append(time.monotonic() - began)
            time.sleep(0.05)

    threads = [threading.Thread(target=visitor, args=(n,)) for n in range(100)] + [threading.Thread(target=console)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    served = [query for query, status, _, _ in answers if status == 200]
    for query, status, retry_after, text in answers:
        assert status in (200, 429), text
        if status == 429:
            assert int(retry_after) >= 1
            assert json.loads(text)["code"] == "too_many_requests" and json.loads(text)["status"] == 429
    assert sorted(backend.runs) == sorted(served), "a run was lost, or ran twice"
    assert len(served) > 100 and len(served) < len(answers)
    assert backend.over == 0, f"{backend.most} connections at once"
    assert sorted(waits)[len(waits) // 2] < 0.5
    backend.shutdown()
    backend.server_close()


def test_a_leaver_stops_the_run(start, backend):
    proxy = door(start, backend, "[dify]\nstop_on_leave = true")
    answer = run(proxy, "hang", mode="streaming", user="someone", stream=True)
    said, pieces = b"", answer.iter_content(16)
    while b"\n\n" not in said:  # then the door knows the task
        said += next(pieces)
    answer.close()
    deadline = time.monotonic() + 5
    while not backend.stops and time.monotonic() < deadline:
        time.sleep(0.01)
    assert backend.stops == [("/v1/chat-messages/11111111-2222-3333-4444-555555555555/stop", {"user": "someone"})]


def test_a_backend_that_is_not_there(start, backend):
    dead = Backend()
    url = dead.url
    dead.shutdown()
    dead.server_close()
    dead.url = url
    proxy = door(start, dead, '[dify]\nqueue = { wait = "1s" }')
    answer = run(proxy)
    assert answer.status_code in (502, 503)
    assert answer.json()["status"] == answer.status_code and int(answer.headers["retry-after"]) >= 1
    assert url.rsplit(":", 1)[1] not in answer.text and "127.0.0.1" not in answer.text
    relaxed = door(start, dead, f'[[upstream]]\nname = "old"\nurl = "{backend.url}"\ndialect = "dify"\n'
                                '[dify]\nfallback = ["old"]')
    assert run(relaxed).headers["x-outrigger-served-by"] == "old"
    assert requests.get(relaxed.dify + "/console/api/x", timeout=10).json() == {"ok": True}


@pytest.mark.parametrize("request_bytes, status", [
    (b"POST /v1/chat-messages HTTP/1.1\r\nHost: d\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST /v1/chat-messages HTTP/1.1\r\nHost: d\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
    (b"GET /v1/info HTTP/1.1\r\nHost: d\r\nX: " + b"y" * 70000 + b"\r\n\r\n", 431),
    (b"CONNECT evil:443 HTTP/1.1\r\nHost: evil\r\n\r\n", 405),
    (b"\x16\x03\x01\x02\x00\x01\x00", 400),
])
def test_hostile_input_is_refused_in_difys_shape(start, backend, request_bytes, status):
    proxy = door(start, backend)
    with socket.create_connection(("127.0.0.1", proxy.dify_port), timeout=10) as link:
        link.sendall(request_bytes)
        answer = http.client.HTTPResponse(link)
        answer.begin()
        body = json.loads(answer.read())
        assert answer.status == status and body["status"] == status and body["code"] and body["message"]
    assert backend.heads == []
    assert run(proxy).status_code == 200


def test_what_operators_see(start, backend):
    proxy = door(start, backend)
    run(proxy, mode="streaming")
    run(proxy, key="app-unknown")
    assert proxy.metric("outrigger_requests_total", door="dify", app="faq", outcome="ok") == 1
    assert proxy.metric("outrigger_first_token_seconds_count", target="main") == 1
    status = requests.get(proxy.admin + "/api/status", timeout=10).json()
    (seen,) = status["dify"]["backends"]
    assert (seen["name"], seen["runs"]["ok"], seen["errors"]) == ("main", 2, {})
    assert (seen["prompt_tokens"], seen["completion_tokens"], seen["price"]) == (9, 4, {"RMB": 0.25})
    for times in (seen["first_event_seconds"], seen["run_seconds"]):
        assert 0 < times["p50"] <= times["p95"] <= times["p99"] < 10
    assert {app["app"] for app in status["dify"]["apps"]} >= {"faq"}
    assert [target["concurrency"] for target in status["targets"] if target["name"] == "main"] == [8]
    first = proxy.access_log(2)[0]
    assert (first["door"], first["app"], first["kind"], first["status"]) == ("dify", "faq", "run", 200)
    assert first["first_event_ms"] >= 0
    assert (first["prompt_tokens"], first["completion_tokens"], first["price"], first["currency"]) == (9, 4, 0.25, "RMB")
    # What the file does not name is called what Dify calls it, as soon as that is known.
    deadline = time.monotonic() + 5
    while proxy.metric("outrigger_dify_runs_total", app="Help Desk", kind="chat", outcome="ok") == 0:
        assert time.monotonic() < deadline
        run(proxy, key="app-unknown")
    assert [path for path, _ in backend.heads].count("/v1/info") == 1
    text = proxy.text() + requests.get(proxy.admin + "/metrics", timeout=10).text + json.dumps(status)
    assert "app-faq" not in text and "app-unknown" not in text
