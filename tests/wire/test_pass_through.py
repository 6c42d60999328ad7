"""Everything that Outrigger does not understand, and every miss, arrives as it was sent."""
import hashlib
import http.server
import json
import os
import socket
import threading
import time

import pytest
import requests

from conftest import Outrigger, Sim, upstream


class Origin:
    """A scripted upstream on a raw socket: `script(connection, request_bytes)` answers each request."""

    def __init__(self, script):
        self.script = script
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.requests = []
        self.connections = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            source = connection.makefile("rb")
            while True:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    line = source.readline()
                    if not line:
                        return
                    head += line
                lower = head.lower()
                body = b""
                if b"content-length:" in lower:
                    body = source.read(int(lower.split(b"content-length:")[1].split(b"\r\n")[0]))
                elif b"chunked" in lower:
                    while (size := int(source.readline(), 16)) > 0:
                        body += source.read(size)
                        source.readline()
                    source.readline()
                self.requests.append((head, body))
                try:
                    if self.script(connection, head, body) == "close":
                        return
                except OSError:
                    return

    def close(self):
        self.listener.close()


@pytest.fixture
def scripted(start):
    """scripted(script) -> (Origin, Outrigger in front of it)."""
    origins = []

    def begin(script, extra=""):
        origin = Origin(script)
        origins.append(origin)
        return origin, start(Outrigger, upstream(origin) + extra)

    yield begin
    for origin in origins:
        origin.close()


ONCE = '[[model]]\nname = "*"\nretry = { attempts = 1 }\n'  # what the provider says at the first try is what the client hears


def answer(connection, body=b"{}", status="200 OK", fields=""):
    connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{fields}\r\n".encode() + body)


def test_a_stream_arrives_byte_for_byte_and_piece_by_piece(scripted):
    pieces = [b'data: {"id":"c1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n',
              ": keep-alive\n\n".encode(),
              'data: {"id":"c1","vendor":{"x":[1,2.50]},"choices":[{"index":0,"delta":{"content":"你好"},"finish_reason":null}]}\n\n'.encode(),
              b'data: {"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n', b"data: [DONE]\n\n"]
    gap = 0.05

    def script(connection, head, body):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nX-Vendor: yes\r\n\r\n")
        for piece in pieces:
            connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            time.sleep(gap)
        connection.sendall(b"0\r\n\r\n")

    _, proxy = scripted(script)
    response = proxy.chat(stream=True)
    assert response.headers["x-vendor"] == "yes"
    arrived, times = [], []
    for chunk in response.raw.read_chunked():
        arrived.append(chunk)
        times.append(time.monotonic())
    assert arrived == pieces
    assert all(later - earlier > gap / 3 for earlier, later in zip(times, times[1:])), "a piece was held back"


def test_the_request_arrives_as_it_was_sent(scripted):
    origin, proxy = scripted(lambda c, h, b: answer(c))
    body = b'{ "model":"m",  "messages":[ {"role":"user","content":"\\u4f60 caf\xc3\xa9"} ], "temperature":0.70, "n" :1 }'
    requests.post(proxy.url + "/v1/chat/completions?api-version=7", data=body,
                  headers={"authorization": "Bearer sk-x", "openai-organization": "org", "x-stainless-lang": "python"})
    head, arrived = origin.requests[0]
    assert arrived == body
    assert head.startswith(b"POST /v1/chat/completions?api-version=7 HTTP/1.1\r\n")
    lower = head.lower()
    assert f"\r\nhost: {origin.url[7:]}\r\n".encode() in lower
    for field in (b"authorization: bearer sk-x", b"openai-organization: org", b"x-stainless-lang: python"):
        assert b"\r\n" + field + b"\r\n" in lower
    assert b"x-outrigger" not in lower and b"\r\nconnection: keep-alive, " not in lower


def test_uploads_and_downloads_stream_through_unchanged(pair):
    sim, proxy = pair
    data = os.urandom(3_000_000)
    answer = requests.post(proxy.url + "/v1/files", headers={"authorization": "Bearer sk-test"},
                           files={"file": ("a.bin", data)}, data={"purpose": "assistants"})
    assert answer.status_code == 200 and answer.headers["x-outrigger-cache"] == "bypass; reason=endpoint"
    direct = requests.Request("POST", sim.url, files={"file": ("a.bin", data)})
    assert answer.json()["bytes"] >= len(data) or answer.json().get("sha256") == hashlib.sha256(data).hexdigest()
    speech = [requests.post(url + "/v1/audio/speech", json={"model": "tts-1", "input": "hi", "voice": "alloy"}).content
              for url in (sim.url, proxy.url)]
    assert speech[0] == speech[1] and len(speech[0]) > 100


def test_a_chunked_upload_streams_through(scripted):
    origin, proxy = scripted(lambda c, h, b: answer(c))
    pieces = [os.urandom(100_000) for _ in range(20)]
    requests.post(proxy.url + "/v1/audio/transcriptions", data=iter(pieces))
    head, body = origin.requests[0]
    assert body == b"".join(pieces)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/chat/completions", "/v1/v1/chat/completions",
                                  "/v1/chat/completions/chat/completions", "/v1/chat/completions/v1/chat/completions",
                                  "/sim/v1/chat/completions", "/sim/chat/completions"])
def test_every_base_url_that_people_paste_works(pair, path):
    sim, proxy = pair
    assert proxy.chat(path=path).status_code == 200
    assert sim.last()["path"] == "/v1/chat/completions"


def test_own_keys_replace_the_clients(start):
    sim = start(Sim, 'key = "sk-real"\n')
    proxy = start(Outrigger, upstream(sim, extra='keys = ["env:TEST_KEY"]'), env={"TEST_KEY": "sk-real"})
    assert proxy.chat(key="anything").status_code == 200
    passed = start(Outrigger, upstream(sim))
    assert passed.chat(key="wrong").status_code == 401
    assert passed.chat(key="sk-real").status_code == 200
    assert "sk-real" not in proxy.text() + passed.text()


def test_errors_of_the_provider_pass_through(start):
    sim = start(Sim)
    proxy = start(Outrigger, upstream(sim) + ONCE)
    sim.faults('[[fault]]\nstatus = 429\nretry_after = "7s"\n')
    answer, direct = proxy.chat(), requests.post(sim.url + "/v1/chat/completions", json={
        "model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]})
    assert (answer.status_code, answer.headers["retry-after"], answer.content) == (429, "7", direct.content)


def test_head_and_get_and_unknown_methods(scripted):
    origin, proxy = scripted(lambda c, h, b: answer(c, b"" if h.startswith(b"HEAD") else b"[1]"))
    assert requests.get(proxy.url + "/v1/models").content == b"[1]"
    assert requests.head(proxy.url + "/v1/models").content == b""
    assert requests.request("PATCH", proxy.url + "/v1/x", data=b"1").content == b"[1]"
    assert requests.delete(proxy.url + "/v1/files/f-1").content == b"[1]"
    assert [h.split(b" ")[0] for h, _ in origin.requests] == [b"GET", b"HEAD", b"PATCH", b"DELETE"]


def test_bodies_without_length_end_with_the_connection(scripted):
    def script(connection, head, body):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n" + b"x" * 100_000)
        return "close"

    _, proxy = scripted(script)
    assert requests.get(proxy.url + "/v1/files/f/content").content == b"x" * 100_000


def test_interim_answers_are_swallowed(scripted):
    def script(connection, head, body):
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
        answer(connection, b"[2]")

    _, proxy = scripted(script)
    assert requests.get(proxy.url + "/v1/models").content == b"[2]"


def test_upstream_connections_are_kept_and_a_dead_one_is_replaced_unnoticed(scripted):
    close = []

    def script(connection, head, body):
        answer(connection, b"{}")
        return "close" if close else None

    origin, proxy = scripted(script)
    for n in range(5):
        assert requests.get(proxy.url + "/v1/models").status_code == 200
    assert origin.connections == 1
    close.append(True)
    for n in range(3):  # each finds a connection that the origin has just closed
        assert requests.post(proxy.url + "/v1/moderations", json={"input": "x"}).status_code == 200


def test_a_client_that_leaves_cancels_its_call(scripted):
    gone = threading.Event()

    def script(connection, head, body):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for n in range(500):
                event = b'data: {"choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'
                connection.sendall(b"%x\r\n%s\r\n" % (len(event), event))
                time.sleep(0.01)
        except OSError:
            gone.set()
            raise

    _, proxy = scripted(script)
    response = proxy.chat(stream=True)
    next(response.iter_content(10))
    response.close()
    assert gone.wait(3), "the call upstream went on"
    assert proxy.chat("other", stream=True).headers["x-outrigger-cache"] == "miss"


def test_a_slow_reader_does_not_make_the_process_grow(scripted):
    sent = [0]

    def script(connection, head, body):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n")
        for _ in range(400):  # 100 MB
            connection.sendall(b"y" * 262144)
            sent[0] += 262144
        return "close"

    _, proxy = scripted(script)
    requests.get(proxy.url + "/v1/models", stream=True)
    before = proxy.rss_bytes()
    link = socket.create_connection(("127.0.0.1", proxy.port))
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    link.sendall(b"GET /v1/files/big HTTP/1.1\r\nHost: x\r\n\r\n")
    time.sleep(1)
    stuck = sent[0]
    assert proxy.rss_bytes() - before < 8 << 20 and stuck < 90 << 20
    link.close()


def test_an_https_proxy_is_honoured_and_other_hosts_are_not_sent_through_it(start):
    sim = start(Sim)
    seen = []

    def connect(connection, head, body):
        seen.append(head)
        target = socket.create_connection(("127.0.0.1", sim.port))
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")

        def copy(a, b):
            while data := a.recv(65536):
                b.sendall(data)
            b.close()

        threading.Thread(target=copy, args=(target, connection), daemon=True).start()
        copy(connection, target)
        return "close"

    tunnel = Origin(connect)
    try:
        config = '[[upstream]]\nname = "far"\nurl = "http://provider.example/v1"\n'
        proxy = start(Outrigger, config, env={"HTTP_PROXY": tunnel.url.replace("//", "//user:p%40ss@"), "NO_PROXY": "localhost"})
        assert proxy.chat().status_code == 200
        assert seen[0].startswith(b"CONNECT provider.example:80 HTTP/1.1\r\n")
        assert b"proxy-authorization: basic dxnlcjpwqhnz" in seen[0].lower()
        direct = start(Outrigger, upstream(sim), env={"HTTP_PROXY": tunnel.url, "NO_PROXY": "127.0.0.1"})
        assert direct.chat("again").status_code == 200 and len(seen) == 1
    finally:
        tunnel.close()
