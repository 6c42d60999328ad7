"""WebSockets through the dify door, with a real client: what passes, how it ends, and what is tried with them."""
import base64
import hashlib
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect
from websockets.sync.server import serve

from dify_sim import DifySim
from test_dify_door import door

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
ASK = (b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: d\r\n" + UPGRADE +
       b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY + b"\r\n")
AGREE = b"HTTP/1.1 101 Switching Protocols\r\n" + UPGRADE + b"Sec-WebSocket-Accept: " + ACCEPT + b"\r\n\r\n"
MIB = 1 << 20


def at(proxy, scheme="ws", **named):
    named = {"max_size": None, "compression": None, "open_timeout": 10, **named}
    return connect(f"{scheme}://127.0.0.1:{proxy.dify_port}/socket.io/?EIO=4&transport=websocket", **named)


def open_sockets(proxy):
    return proxy.metric("outrigger_dify_sockets")


def until(holds, seconds=10):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def dify(start):
    return start(DifySim, "connections = 2000")


class Server:
    """A real WebSocket server. `talk` has each connection for itself."""

    def __init__(self, talk, **named):
        self.server = serve(talk, "127.0.0.1", 0, max_size=None, **named)
        scheme = "https" if named.get("ssl") else "http"
        self.url = f"{scheme}://127.0.0.1:{self.server.socket.getsockname()[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()


class Scripted:
    """A backend that answers each head with what it was given, and keeps all that comes."""

    def __init__(self, answer):
        self.answer, self.links, self.heard = answer, [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                link = self.listener.accept()[0]
            except OSError:
                return
            self.links.append(link)
            self.heard.append(b"")
            threading.Thread(target=self.serve, args=(link, len(self.heard) - 1), daemon=True).start()

    def serve(self, link, number):
        answered = False
        while data := self.receive(link):
            self.heard[number] += data
            if not answered and b"\r\n\r\n" in self.heard[number]:
                answered = True
                link.sendall(self.answer)
        link.close()

    @staticmethod
    def receive(link):
        try:
            return link.recv(65536)
        except OSError:
            return b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        for link in self.links:
            link.close()


def raw(proxy, data):
    link = socket.create_connection(("127.0.0.1", proxy.dify_port), timeout=10)
    link.sendall(data)
    return link


def read_until(link, end):
    data = b""
    while end not in data:
        piece = link.recv(65536)
        if not piece:
            break
        data += piece
    return data


def test_messages_of_every_size_come_back(start, dify):
    proxy = door(start, dify)
    with at(proxy, additional_headers={"Cookie": "access_token=a"}, origin="https://dify.example",
            subprotocols=["chat"]) as ws:
        assert ws.subprotocol == "chat"
        assert ws.response.headers["x-outrigger-served-by"] == "main"
        assert open_sockets(proxy) == 1
        for size in (0, 1, 125, 126, 65535, 65536, MIB - 100):
            data = os.urandom(size)
            ws.send(data)
            assert ws.recv(timeout=10) == data
        ws.send("héllo, 世界")
        assert ws.recv(timeout=10) == "héllo, 世界"
        ws.send(["in ", "three ", "frames"])
        assert ws.recv(timeout=10) == "in three frames"
        assert ws.ping().wait(10)
    until(lambda: open_sockets(proxy) == 0)
    line = proxy.access_log(1)[0]
    assert (line["status"], line["kind"], line["served_by"]) == (101, "socket_io", "main")
    assert line["request_bytes"] > MIB and line["response_bytes"] > MIB and "error" not in line
    assert proxy.metric("outrigger_requests_total", door="dify", outcome="ok") == 1


def test_a_thousand_small_messages_each_way(start, dify):
    proxy = door(start, dify)
    with at(proxy) as ws:
        sender = threading.Thread(target=lambda: [ws.send(f"message {i}") for i in range(1000)])
        sender.start()
        assert [ws.recv(timeout=10) for _ in range(1000)] == [f"message {i}" for i in range(1000)]
        sender.join()


def test_a_real_server_may_speak_first_compress_and_send_what_is_large(start):
    big = os.urandom(8 * MIB)

    def talk(ws):
        ws.send("welcome")
        ws.send(big)
        assert hashlib.sha256(ws.recv()).digest() == hashlib.sha256(big).digest()
        ws.send("done")
        ws.recv()

    with Server(talk) as backend:
        proxy = door(start, backend)
        with at(proxy, compression="deflate") as ws:
            assert "permessage-deflate" in ws.response.headers["sec-websocket-extensions"]
            assert ws.recv(timeout=10) == "welcome"
            assert ws.recv(timeout=20) == big
            ws.send(big)
            assert ws.recv(timeout=20) == "done"


def test_either_side_may_close_and_says_why(start):
    def talk(ws):
        if ws.recv() == "leave":
            ws.close(4001, "server's reason")
        try:
            ws.recv()
        except ConnectionClosed as closed:
            reasons.append((closed.rcvd and closed.rcvd.code, closed.rcvd and closed.rcvd.reason))

    reasons = []
    with Server(talk) as backend:
        proxy = door(start, backend)
        with at(proxy) as ws:
            ws.send("leave")
            with pytest.raises(ConnectionClosed) as closed:
                ws.recv(timeout=10)
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "server's reason")
        with at(proxy) as ws:
            ws.send("stay")
            ws.close(4002, "client's reason")
        until(lambda: len(reasons) == 2)
        assert reasons[1] == (4002, "client's reason")
        until(lambda: open_sockets(proxy) == 0)
        assert [line.get("error") for line in proxy.access_log(2)] == [None, None]


def test_a_backend_that_is_killed_ends_the_socket(start, dify):
    proxy = door(start, dify)
    with at(proxy) as ws:
        ws.send("x")
        ws.recv(timeout=10)
        dify.child.kill()
        with pytest.raises(ConnectionClosedError):
            ws.recv(timeout=10)
    until(lambda: open_sockets(proxy) == 0)
    with pytest.raises(InvalidStatus) as refused:
        at(proxy)
    assert refused.value.response.status_code == 503


def test_a_client_that_vanishes_ends_the_backends_socket(start, dify):
    proxy = door(start, dify)
    link = raw(proxy, ASK + b"\r\n")
    assert read_until(link, b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
    until(lambda: dify.stats()["connections"]["open"] == 1)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    link.close()  # with a reset
    until(lambda: dify.stats()["connections"]["open"] == 0)
    assert proxy.access_log(1)[0]["error"] == "client_gone"


def test_slow_readers_cost_nobody_memory_and_lose_nothing(start):
    total, piece = 64 * MIB, os.urandom(MIB)
    go = threading.Event()
    heard = []

    def talk(ws):
        if ws.recv() == "send":
            for _ in range(total // MIB):
                ws.send(piece)
        else:
            go.wait(30)
            for _ in range(total // MIB):
                heard.append(ws.recv() == piece)
        ws.recv()

    def send_all(ws):
        for _ in range(total // MIB):
            ws.send(piece)

    # Without a queue of their own: what is not read stays with the kernel.
    with Server(talk, max_queue=1) as backend, ThreadPoolExecutor() as pool:
        proxy = door(start, backend)
        with at(proxy, max_queue=1) as down, at(proxy) as up:
            before = proxy.rss_bytes()
            down.send("send")
            up.send("listen")
            sending = pool.submit(send_all, up)
            time.sleep(2)
            assert not sending.done()
            assert proxy.rss_bytes() - before < 4 * MIB
            go.set()
            assert all(down.recv(timeout=20) == piece for _ in range(total // MIB))
            sending.result(30)
            until(lambda: len(heard) == total // MIB)
            assert all(heard)
        assert proxy.rss_bytes() - before < 8 * MIB


def test_quiet_sockets_cost_little(start, dify):
    proxy = door(start, dify)
    count = 500
    warm = [raw(proxy, ASK + b"\r\n") for _ in range(20)]
    for link in warm:
        read_until(link, b"\r\n\r\n")
    before = proxy.rss_bytes()
    links = [raw(proxy, ASK + b"\r\n") for _ in range(count)]
    for link in links:
        assert read_until(link, b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
    assert open_sockets(proxy) == count + len(warm)
    assert (proxy.rss_bytes() - before) / count < 32 * 1024
    for link in links + warm:
        link.close()
    until(lambda: open_sockets(proxy) == 0)


def test_sockets_pass_beside_runs_that_wait(start):
    dify = start(DifySim, 'think = "2s"')
    proxy = door(start, dify, "[dify]\nconcurrency = 1", apps="")

    def run(number):
        return requests.post(proxy.dify + "/v1/workflows/run", headers={"authorization": "Bearer app-workflow"},
                             json={"inputs": {}, "user": f"u{number}"}, timeout=60)

    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(run, number) for number in range(2)]
        until(lambda: proxy.metric("outrigger_queue_depth") >= 1)
        began = time.monotonic()
        with at(proxy) as ws:
            ws.send("x")
            assert ws.recv(timeout=10) == "x"
        assert time.monotonic() - began < 1
        assert [run.result().status_code for run in runs] == [200, 200]


def test_a_drain_waits_for_sockets_as_long_as_it_may(start, dify):
    proxy = door(start, dify, top='drain = "2s"')
    with at(proxy) as ws:
        began = time.monotonic()
        proxy.send_signal(signal.SIGTERM)
        proxy.wait_for("draining: 1 connections")
        ws.send("still there")
        assert ws.recv(timeout=10) == "still there"
        with pytest.raises(ConnectionClosedError):
            ws.recv(timeout=10)
        assert 1.9 < time.monotonic() - began < 4
    assert proxy.child.wait(5) == 0
    assert proxy.access_log(1)[0]["error"] == "draining"


def test_with_tls_on_both_sides(start, tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(cert, key)
    outside = ssl.create_default_context(cafile=cert)
    big = os.urandom(4 * MIB)

    def talk(ws):
        for message in ws:
            ws.send(message)
            if message == "leave":
                ws.close(4001)

    with Server(talk, ssl=inside) as backend:
        proxy = door(start, backend, f'ca = "file:{cert}"', apps="",
                     listen=f'tls = {{ cert = "file:{cert}", key = "file:{key}" }}')
        with at(proxy, "wss", ssl=outside) as ws:
            for message in ("x", big, "leave"):
                ws.send(message)
                assert ws.recv(timeout=20) == message
            with pytest.raises(ConnectionClosed) as closed:
                ws.recv(timeout=10)
            assert closed.value.rcvd.code == 4001
    until(lambda: open_sockets(proxy) == 0)


# ---- what is tried ---------------------------------------------------------------------------------------------------

BEHIND = b"GET /console/api/behind HTTP/1.1\r\nHost: d\r\nX-Forwarded-For: 6.6.6.6\r\nX-Outrigger-Forged: 1\r\n\r\n"
REFUSED = b"HTTP/1.1 426 Upgrade Required\r\n" + UPGRADE + b"Content-Length: 2\r\n\r\nno"


@pytest.mark.parametrize("request_bytes", [
    ASK.replace(b"Version: 13", b"Version: 1337") + b"\r\n",
    ASK.replace(KEY, b"x") + b"\r\n",
    ASK.replace(b"Sec-WebSocket-Key", b"X-Key") + b"\r\n",
    ASK + b"Content-Length: 3\r\n\r\nabc",
    ASK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ASK.replace(b"GET", b"POST") + b"Content-Length: 0\r\n\r\n",
    ASK.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Connection: Upgrade", b"Connection: keep-alive, Upgrade") + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: d\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
], ids=["version", "key", "no-key", "body", "chunks", "post", "http-1.0", "h2c"])
@pytest.mark.parametrize("answer, status", [(REFUSED, b"426"), (AGREE, b"502")], ids=["refused", "agreed-unasked"])
def test_an_offer_that_is_not_sound_is_not_passed_on(start, request_bytes, answer, status):
    with Scripted(answer) as backend:
        proxy = door(start, backend)
        # What a naive proxy would pump to the backend as it is, since "the upgrade has begun".
        link = raw(proxy, request_bytes)
        first = read_until(link, b"no" if status == b"426" else b"}")
        assert first.split(b" ")[1] == status
        assert b"pgrade: websocket" not in first
        link.sendall(BEHIND)
        until(lambda: len(backend.heard) == 2)
        until(lambda: b"\r\n\r\n" in backend.heard[1])
        assert b"pgrade: " not in backend.heard[0] and b"/console/api/behind" not in backend.heard[0]
        behind = backend.heard[1].lower()
        assert behind.startswith(b"get /console/api/behind http/1.1") and b"x-outrigger-forged" not in behind
        assert b"x-forwarded-for: 6.6.6.6, 127.0.0.1" in behind
        link.close()
        assert open_sockets(proxy) == 0


def test_what_a_client_sends_too_early_is_part_of_the_socket_or_a_request(start):
    with Scripted(AGREE) as backend:
        link = raw(door(start, backend), ASK + b"\r\n" + BEHIND)
        assert read_until(link, b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
        until(lambda: backend.heard[0].endswith(BEHIND))  # as it was: frames that make no sense
        assert len(backend.heard) == 1
        link.close()
    with Scripted(REFUSED) as backend:
        link = raw(door(start, backend), ASK + b"\r\n" + BEHIND)
        until(lambda: len(backend.heard) == 2)
        assert b"behind" not in backend.heard[0]
        until(lambda: backend.heard[1].startswith(b"GET /console/api/behind"))
        assert b"6.6.6.6, 127.0.0.1" in backend.heard[1]
        link.close()


@pytest.mark.parametrize("answer", [
    AGREE.replace(ACCEPT, base64.b64encode(hashlib.sha1(b"somebody else's").digest())),
    AGREE.replace(b"Sec-WebSocket-Accept", b"X-Accept"),
    AGREE.replace(b"Upgrade: websocket", b"Upgrade: h2c"),
    AGREE.replace(b"Connection: Upgrade", b"Connection: close"),
], ids=["proof", "no-proof", "protocol", "no-connection"])
def test_an_agreement_without_proof_opens_nothing(start, answer):
    with Scripted(answer + b"secret") as backend:
        proxy = door(start, backend)
        link = raw(proxy, ASK + b"\r\n")
        said = read_until(link, b"}")
        assert said.startswith(b"HTTP/1.1 502 ") and b"secret" not in said
        assert open_sockets(proxy) == 0
        link.close()


def test_a_101_that_nobody_asked_for_is_a_failure(start):
    with Scripted(AGREE) as backend:
        answer = requests.get(door(start, backend).dify + "/v1/info", timeout=10)
        assert (answer.status_code, answer.json()["status"]) == (502, 502)
