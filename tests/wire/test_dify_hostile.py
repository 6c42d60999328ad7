"""Clients and Difys that mean no good, at the dify door: it stays up and small, others do not notice, and nobody is told a host's name."""
import contextlib
import http.client
import json
import os
import re
import socket
import threading
import time

import pytest
import requests

from test_dify_door import KEY, door

# What an upload through the door amounts to: more than it could ever hold. DIFY_UPLOAD_GB=10 sends as much as anybody might try.
UPLOAD = int(float(os.environ.get("DIFY_UPLOAD_GB", "1")) * (1 << 30))
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Scripted:
    """A backend that does on each connection what `play(link)` does, once the head of a request has come."""

    def __init__(self, play):
        self.play = play
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.lock = threading.Condition()
        self.open = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                link, _ = self.listener.accept()
                with self.lock:
                    self.open += 1
                threading.Thread(target=self.serve, args=(link,), daemon=True).start()

    def serve(self, link):
        link.settimeout(60)
        with link, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                piece = link.recv(65536)
                if not piece:
                    raise OSError
                head += piece
            self.play(link, head)
        with self.lock:
            self.open -= 1
            self.lock.notify_all()

    def wait_until_idle(self, seconds=10):
        with self.lock:
            return self.lock.wait_for(lambda: self.open == 0, seconds)


@pytest.fixture
def backend():
    """backend(play): it is closed with the test."""
    made = []

    def make(play):
        made.append(Scripted(play))
        return made[-1]

    yield make
    for one in made:
        one.listener.close()


class Watch:
    """The most that a process holds while something happens, over what it held before."""

    def __init__(self, process):
        self.process, self.growth = process, 0
        self.before = process.rss_bytes()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self):
        while not self.over.wait(0.02):
            self.growth = max(self.growth, self.process.rss_bytes() - self.before)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def link_to(proxy, seconds=30):
    return socket.create_connection(("127.0.0.1", proxy.dify_port), timeout=seconds)


def answer_on(link, method="GET"):
    answer = http.client.HTTPResponse(link, method=method)
    answer.begin()
    return answer


def blocking(proxy, **named):
    return requests.post(proxy.dify + "/v1/chat-messages", headers=KEY, timeout=30, **named,
                         json={"inputs": {}, "query": "q", "user": "u"})


def streaming(query="q"):
    body = json.dumps({"inputs": {}, "query": query, "user": "u", "response_mode": "streaming"}).encode()
    return (b"POST /v1/chat-messages HTTP/1.1\r\nHost: d\r\nAuthorization: Bearer app-faq\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)) + body


# ---- clients ---------------------------------------------------------------------------------------------------------


def test_an_upload_beyond_all_memory(start, backend):
    taken = []

    def sink(link, head):
        left = int(re.search(rb"(?i)\r\ncontent-length: (\d+)", head)[1]) - len(head.split(b"\r\n\r\n", 1)[1])
        buffer = bytearray(1 << 20)
        whole = left
        while left > 0:
            size = link.recv_into(buffer, min(left, len(buffer)))
            if size == 0:
                break
            left -= size
        taken.append(whole - left)
        link.sendall(OK)

    proxy = door(start, backend(sink))
    block = memoryview(bytes(1 << 20))
    began = time.monotonic()
    with Watch(proxy) as watch, link_to(proxy, 300) as link:
        link.sendall(b"POST /v1/files/upload HTTP/1.1\r\nHost: d\r\nAuthorization: Bearer app-faq\r\n"
                     b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: %d\r\n\r\n" % UPLOAD)
        left = UPLOAD
        while left > 0:
            left -= link.send(block[:min(left, len(block))])
        assert answer_on(link).status == 200
    print(f"{UPLOAD >> 20} MiB in {time.monotonic() - began:.1f} s, {watch.growth >> 10} KiB more held")
    assert UPLOAD - (1 << 20) < taken[0] <= UPLOAD
    assert watch.growth < 8 << 20


@pytest.mark.parametrize("kind", ["run", "download"])
def test_clients_that_never_read(start, backend, kind):
    event = b"data: " + b"x" * 50_000 + b"\n\n"
    sent = [0]

    def flood(link, _):
        link.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            link.sendall(b"%x\r\n%s\r\n" % (len(event), event))
            sent[0] += len(event)

    dify = backend(flood)
    proxy = door(start, dify, "[dify]\nconcurrency = 50\n")
    request = streaming() if kind == "run" else b"GET /files/1 HTTP/1.1\r\nHost: d\r\n\r\n"
    with Watch(proxy) as watch, contextlib.ExitStack() as stack:
        links = [stack.enter_context(link_to(proxy)) for _ in range(20)]
        for link in links:
            link.sendall(request)
        # When what the kernel holds is full, the backend is held back.
        deadline, before = time.monotonic() + 20, -1
        while sent[0] != before or before == 0:
            assert time.monotonic() < deadline, "nothing holds the backend back"
            before = sent[0]
            time.sleep(0.5)
    assert watch.growth < 20 * (1 << 20)
    assert dify.wait_until_idle(), "a call goes on for a client who has left"


def test_slow_senders_are_shut_out_and_nobody_else_notices(start, backend):
    proxy = door(start, backend(lambda link, _: link.sendall(OK)), '[limits]\nheader_timeout = "1s"\nbody_timeout = "1s"\n')
    with contextlib.ExitStack() as stack:
        heads = [stack.enter_context(link_to(proxy)) for _ in range(100)]
        bodies = [stack.enter_context(link_to(proxy)) for _ in range(100)]
        for link in heads:
            link.sendall(b"GET /v1/info HTTP/1.1\r\nHost: d\r\nX-Slow: ")
        for link in bodies:
            link.sendall(streaming()[:-20])
        end = time.monotonic() + 1.6
        while time.monotonic() < end:
            for link in heads:
                with contextlib.suppress(OSError):
                    link.sendall(b"a")
            began = time.monotonic()
            assert requests.get(proxy.dify + "/v1/info", timeout=5).content == b"ok"
            assert time.monotonic() - began < 1
            time.sleep(0.2)
        for link in heads + bodies:
            link.settimeout(5)
            try:
                assert b"" == link.recv(1) or answered_408(link)
            except ConnectionResetError:
                pass
    assert proxy.metric("outrigger_connections", door="dify") <= 1


def answered_408(link):
    rest = link.recv(4096)
    return rest.startswith(b"TTP/1.1 408 ")


@pytest.mark.parametrize("bomb", [
    b"X: " + b"y" * (1 << 20) + b"\r\n",
    b"X: y\r\n" * 50_000,
    b"".join(b"X-%d: y\r\n" % n for n in range(20_000)),
    b"Cookie: " + b"a=b; " * 100_000 + b"\r\n",
], ids=["a long field", "many fields", "many names", "cookies"])
def test_header_bombs(start, backend, bomb):
    proxy = door(start, backend(lambda link, _: link.sendall(OK)))
    with Watch(proxy) as watch:
        for _ in range(5):
            with link_to(proxy) as link:
                with contextlib.suppress(OSError):
                    link.sendall(b"GET /v1/info HTTP/1.1\r\nHost: d\r\n" + bomb + b"\r\n")
                with contextlib.suppress(ConnectionResetError):
                    assert answer_on(link).status == 431
    assert watch.growth < 4 << 20
    assert requests.get(proxy.dify + "/v1/info", timeout=5).content == b"ok"


# ---- backends --------------------------------------------------------------------------------------------------------

GARBAGE = {
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "binary": bytes(range(256)) * 10,
    "HTTP/0.9": b"<html>hello</html>",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "no such status": b"HTTP/1.1 99 Odd\r\nContent-Length: 2\r\n\r\nok",
    "an unasked upgrade": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "bare CR": b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: evil=1\r\nContent-Length: 2\r\n\r\nok",
    "NUL": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-",
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 200\r\n\r\n{\"answer\":",
    "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nhello",
    "a broken chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX5\r\n",
    "chunks in another coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, identity\r\n\r\nhello",
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_told_as_such(start, backend, name):
    proxy = door(start, backend(lambda link, _: link.sendall(GARBAGE[name])), '[dify]\nqueue = { wait = "1s" }\n')
    run = blocking(proxy)
    assert run.status_code == 502 and run.json()["status"] == 502 and run.json()["code"]
    assert "127.0.0.1" not in run.text and "outrigger" not in run.text.lower()
    # What is no run goes as it comes: a body may break off, but never ends as if it were whole.
    with link_to(proxy) as link:
        link.sendall(b"GET /console/api/x HTTP/1.1\r\nHost: d\r\n\r\n")
        answer = answer_on(link)
        if answer.status != 502:
            assert answer.status == 200 and name in ("half a body", "half a chunk", "a broken chunk"), answer.status
            with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
                answer.read()


@pytest.mark.parametrize("first, block", [
    (b"HTTP/1.1 200 OK\r\n", b"X-Endless: " + b"e" * 1000 + b"\r\n"),
    (b"HTTP/1.1 200 OK\r\nX: ", b"e" * 1000),
    (b"HTTP/1.1 200 ", b"O" * 1000),
    (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 40),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;", b"x" * 1000),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", b"X-Trailer: " + b"e" * 1000 + b"\r\n"),
], ids=["fields", "a field", "a reason", "interim answers", "a chunk's extension", "trailers"])
def test_heads_that_never_end(start, backend, first, block):
    def flood(link, _):
        link.sendall(first)
        while True:
            link.sendall(block)

    dify = backend(flood)
    proxy = door(start, dify, '[dify]\nqueue = { wait = "1s" }\n')
    with Watch(proxy) as watch:
        assert blocking(proxy).status_code == 502
    assert watch.growth < 4 << 20
    assert dify.wait_until_idle()


@pytest.mark.parametrize("method, head", [
    ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
    ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
    ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
    ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
])
def test_more_than_there_may_be(start, backend, method, head):
    """Bytes without end behind the end of an answer: the client gets the answer and can go on with the next request."""
    def flood(link, _):
        link.sendall(head)
        while True:
            link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil" * 100)

    dify = backend(flood)
    proxy = door(start, dify)
    with Watch(proxy) as watch, link_to(proxy, 5) as link:
        for _ in range(3):
            link.sendall(f"{method} /files/1 HTTP/1.1\r\nHost: d\r\n\r\n".encode())
            answer = answer_on(link, method)
            assert answer.status == int(head.split()[1])
            assert answer.read() == (b"hello" if head.endswith(b"hello") else b"")
    assert watch.growth < 4 << 20
    assert dify.wait_until_idle()


def test_a_stream_that_turns_to_garbage_ends_with_an_error_event(start, backend):
    event = b'data: {"event": "message", "task_id": "t", "answer": "a"}\n\n'

    def spoil(link, _):
        link.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                     b"%x\r\n%s\r\n" % (len(event), event))
        time.sleep(0.1)
        link.sendall(b"garbage\r\n")

    proxy = door(start, backend(spoil))
    with link_to(proxy, 5) as link:
        link.sendall(streaming())
        body = answer_on(link).read()
    assert body.startswith(event)
    told = json.loads(body[len(event):].removeprefix(b"data: "))
    assert told["event"] == "error" and told["status"] == 502 and told["code"] and "127.0.0.1" not in told["message"]


def test_an_answer_before_the_end_of_an_upload(start, backend):
    def refuse(link, _):
        link.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
        time.sleep(0.5)

    proxy = door(start, backend(refuse))
    with link_to(proxy, 10) as link:
        link.sendall(b"POST /v1/files/upload HTTP/1.1\r\nHost: d\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 100_000)
        answer = answer_on(link)
        assert (answer.status, answer.read()) == (413, b"{}")
