"""Requests that two readers may understand in two ways, straight to the door and through an nginx before it: either they are refused,
or what reaches Dify can be read in one way only, and it is what the door understood."""
import concurrent.futures
import re
import shutil
import socket
import threading

import pytest

from conftest import Outrigger, Process, hear_all

REFUSED = None
TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def read_strictly(raw):
    """The one request on a connection: its line, header fields and body. Whatever could be read in another way is an error."""
    head, rest = raw.split(b"\r\n\r\n", 1)
    assert b"\n" not in head.replace(b"\r\n", b"") and b"\r" not in head.replace(b"\r\n", b"") and b"\0" not in head
    line, *fields = head.split(b"\r\n")
    assert re.fullmatch(rb"[A-Z]+ /[!-~]* HTTP/1\.1", line), line
    headers = []
    for field in fields:
        name, value = field.split(b":", 1)
        assert TOKEN.fullmatch(name) and b"_" not in name, field
        headers.append((name.lower(), value.strip(b" \t")))
    names = [name for name, _ in headers]
    lengths = [value for name, value in headers if name == b"content-length"]
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    assert names.count(b"host") == 1 and len(lengths) + len(codings) <= 1, head
    if codings:
        assert codings == [b"chunked"], head
        body = b""
        while True:
            size, rest = rest.split(b"\r\n", 1)
            assert re.fullmatch(rb"[0-9a-fA-F]{1,8}", size), size
            piece, rest = rest[:int(size, 16)], rest[int(size, 16):]
            assert rest.startswith(b"\r\n"), rest
            body, rest = body + piece, rest[2:]
            if not piece:
                break
    else:
        size = lengths[0] if lengths else b"0"
        assert re.fullmatch(rb"0|[1-9][0-9]*", size), size
        body, rest = rest[:int(size)], rest[int(size):]
        assert len(body) == int(size)
    assert rest == b"", ("a second request", raw)
    return line, headers, body


class RawBackend:
    """Keeps every byte of every connection; answers as soon as the end of a head has come, and reads on until the door hangs up."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.lock = threading.Condition()
        self.open, self.connections = 0, []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.open += 1
            threading.Thread(target=self.serve, args=(link,), daemon=True).start()

    def serve(self, link):
        raw, answered = b"", False
        link.settimeout(20)
        with link:
            try:
                while piece := link.recv(65536):
                    raw += piece
                    complete = b"\r\n\r\n" in raw and (b"chunked" not in raw.lower() or raw.endswith(b"0\r\n\r\n"))
                    length = re.search(rb"\r\ncontent-length: (\d+)", raw.lower())
                    if complete and length:
                        complete = len(raw.split(b"\r\n\r\n", 1)[1]) >= int(length[1])
                    if complete and not answered:
                        answered = True
                        link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            except OSError:
                pass
        with self.lock:
            self.open -= 1
            if raw:
                self.connections.append(raw)
            self.lock.notify_all()

    def seen(self):
        """What came, when all connections have ended."""
        with self.lock:
            assert self.lock.wait_for(lambda: self.open == 0, 15)
            return list(self.connections)

    def close(self):
        self.listener.close()


def talk(port, data):
    """All that comes back until nothing more does."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as link:
        link.sendall(data)
        link.settimeout(0.7)
        return hear_all(link)


NEXT = b"GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n"


def post(fields, body, version=b"1.1"):
    return b"POST /MARK HTTP/" + version + b"\r\nHost: d\r\nContent-Type: text/plain\r\n" + fields + b"\r\n" + body


CHUNKED = b"Transfer-Encoding: chunked\r\n"
EMPTY = b"0\r\n\r\n"
HELLO = b"5\r\nhello\r\n0\r\n\r\n"
# (name, the bytes, the body that Dify must get or REFUSED). Whatever stands behind the request is a second one, or is never read.
ATTACKS = [
    ("CL.TE", post(b"Content-Length: 6\r\n" + CHUNKED, EMPTY + b"G" + NEXT), REFUSED),
    ("TE.CL", post(CHUNKED + b"Content-Length: 4\r\n", b"5c\r\n" + NEXT + EMPTY), REFUSED),
    ("CL.0 in GET", b"GET /MARK HTTP/1.1\r\nHost: d\r\nContent-Length: %d\r\n\r\n" % len(NEXT) + NEXT, NEXT),
    ("two lengths", post(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello!"), REFUSED),
    ("the same length twice", post(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello"), REFUSED),
    ("a list of lengths", post(b"Content-Length: 5, 5\r\n", b"hello"), REFUSED),
    ("length with a sign", post(b"Content-Length: +5\r\n", b"hello"), REFUSED),
    ("negative length", post(b"Content-Length: -5\r\n", b"hello"), REFUSED),
    ("length in hex", post(b"Content-Length: 0x5\r\n", b"hello"), REFUSED),
    ("length with zeros before", post(b"Content-Length: 0005\r\n", b"hello"), b"hello"),
    ("length with blanks around", post(b"Content-Length:  5  \r\n", b"hello"), b"hello"),
    ("length with tabs around", post(b"Content-Length:\t5\t\r\n", b"hello"), REFUSED),
    ("a blank within a length", post(b"Content-Length: 1 5\r\n", b"hello"), REFUSED),
    ("a length beyond 64 bits", post(b"Content-Length: 18446744073709551621\r\n", b"hello"), REFUSED),
    ("empty length", post(b"Content-Length:\r\n", b"hello"), REFUSED),
    ("blank before the colon of TE", post(b"Transfer-Encoding : chunked\r\nContent-Length: 5\r\n", HELLO), REFUSED),
    ("blank before the colon of CL", post(b"Content-Length : 5\r\n", b"hello"), REFUSED),
    ("tab before the colon", post(b"Transfer-Encoding\t: chunked\r\n", HELLO), REFUSED),
    ("folded TE", post(b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n", HELLO), REFUSED),
    ("folded field", post(b"X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"hello"), REFUSED),
    ("first field folded", b"POST /MARK HTTP/1.1\r\n Host: d\r\nContent-Length: 5\r\n\r\nhello", REFUSED),
    ("TE that only looks so", post(b"Transfer-Encoding: xchunked\r\n", HELLO), REFUSED),
    ("chunked is not last", post(b"Transfer-Encoding: chunked, identity\r\n", HELLO), REFUSED),
    ("identity", post(b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n", b"hello"), REFUSED),
    ("chunked twice", post(CHUNKED + CHUNKED, HELLO), REFUSED),
    ("TE in capitals", post(b"TRANSFER-ENCODING: CHUNKED\r\n", HELLO), b"hello"),
    ("vertical tab in TE", post(b"Transfer-Encoding: \x0bchunked\r\n", HELLO), REFUSED),
    ("quoted TE", post(b'Transfer-Encoding: "chunked"\r\n', HELLO), REFUSED),
    ("TE in HTTP/1.0", post(CHUNKED, HELLO + NEXT, b"1.0"), REFUSED),
    ("bare LF everywhere", post(b"Content-Length: 5\r\n", b"hello").replace(b"\r\n", b"\n"), REFUSED),
    ("bare LF after a field", post(b"X: a\nContent-Length: 5\r\n", b"hello"), REFUSED),
    ("bare CR in a field", post(b"X: a\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"hello"), REFUSED),
    ("NUL in a field", post(b"X: a\0b\r\nContent-Length: 5\r\n", b"hello"), REFUSED),
    ("a field without a name", post(b": x\r\nContent-Length: 5\r\n", b"hello"), REFUSED),
    ("a field without a colon", post(b"X\r\nContent-Length: 5\r\n", b"hello"), REFUSED),
    ("two hosts", post(b"Host: evil\r\nContent-Length: 5\r\n", b"hello"), REFUSED),
    ("chunk with an extension", post(CHUNKED, b'5;a="b"\r\nhello\r\n0;c\r\n\r\n'), b"hello"),
    ("LF in an extension", post(CHUNKED, b"5;a\nhello\r\n0\r\n\r\n"), REFUSED),
    ("LF after a chunk's size", post(CHUNKED, b"5\nhello\r\n0\r\n\r\n"), REFUSED),
    ("LF after a chunk", post(CHUNKED, b"5\r\nhello\n0\r\n\r\n"), REFUSED),
    ("a chunk longer than it says", post(CHUNKED, b"5\r\nhelloX\r\n0\r\n\r\n"), REFUSED),
    ("a chunk's size with a sign", post(CHUNKED, b"+5\r\nhello\r\n0\r\n\r\n"), REFUSED),
    ("a chunk's size with 0x", post(CHUNKED, b"0x5\r\nhello\r\n0\r\n\r\n"), REFUSED),
    ("a chunk's size beyond 64 bits", post(CHUNKED, b"10000000000000005\r\nhello\r\n0\r\n\r\n"), REFUSED),
    ("a length in the trailer", post(CHUNKED, b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n"), REFUSED),
    ("a host in the trailer", post(CHUNKED, b"5\r\nhello\r\n0\r\nHost: evil\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"), b"hello"),
    ("length named in Connection", post(b"Connection: content-length, host\r\nContent-Length: 5\r\n", b"hello"), b"hello"),
    ("coding named in Connection", post(b"Connection: transfer-encoding\r\n" + CHUNKED, HELLO), b"hello"),
    # A WSGI server takes them for those with a dash.
    ("fields with underscores", post(b"Content_Length: 99\r\nTransfer_Encoding: chunked\r\nX_Forwarded_For: 1.2.3.4\r\n"
                                     b"Content-Length: 5\r\n", b"hello"), b"hello"),
    ("HEAD with a body", b"HEAD /MARK HTTP/1.1\r\nHost: d\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
    ("blank lines before", b"\r\n\r\n" + post(b"Content-Length: 5\r\n", b"hello"), b"hello"),
    ("blanks in the target", b"GET /MARK x HTTP/1.1\r\nHost: d\r\n\r\n", REFUSED),
    ("two versions", b"GET /MARK HTTP/1.1 HTTP/1.1\r\nHost: d\r\n\r\n", REFUSED),
    ("no such version", b"GET /MARK HTTP/1.9\r\nHost: d\r\n\r\n", REFUSED),
    ("a whole address", b"GET http://evil/MARK HTTP/1.1\r\nHost: d\r\n\r\n", b""),
    ("an upgrade to h2c", b"GET /MARK HTTP/1.1\r\nHost: d\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                          b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", b""),
]


@pytest.fixture
def place(start):
    backend = RawBackend()
    proxy = start(Outrigger, f'[listen]\nllm = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\ndify = "127.0.0.1:0"\n'
                             f'[limits]\nheader_timeout = "2s"\nbody_timeout = "2s"\n'
                             f'[[upstream]]\nname = "main"\nurl = "{backend.url}"\ndialect = "dify"\n')
    yield backend, int(proxy.wait_for(r"dify door on 127\.0\.0\.1:(\d+)").group(1))
    assert proxy.alive()
    backend.close()


def attack(port):
    """All of the attacks at once, each with a target of its own; what came back."""
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        return list(pool.map(lambda n: talk(port, ATTACKS[n][1].replace(b"MARK", b"attack-%d-" % n)), range(len(ATTACKS))))


def by_attack(connections):
    """The requests that reached Dify; each stands alone on its connection, and is whole or was given up."""
    requests = {}
    for raw in connections:
        line = raw.split(b"\r\n", 1)[0]
        number = re.match(rb"[A-Z]+ /attack-(\d+)-", line)
        assert number or line.startswith(b"GET /smuggled "), raw
        requests.setdefault(int(number[1]) if number else -1, []).append(raw)
    return requests


def test_straight_to_the_door(place):
    backend, port = place
    answers = attack(port)
    requests = by_attack(backend.seen())
    for number, (name, _, body) in enumerate(ATTACKS):
        reached, back = requests.get(number, []), answers[number]
        if body is REFUSED:
            assert re.match(rb"HTTP/1\.1 (400|405|408|501|505) ", back), (name, back)
            # A body that proves wrong on its way was passed on so far; it must not look whole.
            for raw in reached:
                with pytest.raises((AssertionError, ValueError)):
                    read_strictly(raw)
        else:
            assert back.startswith(b"HTTP/1.1 200 ") and len(reached) == 1, (name, back, reached)
            assert read_strictly(reached[0])[2] == body, (name, reached)
    # Nobody sent a second request that the door should have understood as one.
    assert -1 not in requests


def test_through_nginx(place, start, tmp_path):
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    backend, door = place
    with socket.socket() as probe:  # nginx cannot tell which port the kernel chose
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    directory = tmp_path / "nginx"
    directory.mkdir()
    config = directory / "nginx.conf"
    # As Dify's own, but that the connection to the door is kept, which is where smuggling would pay.
    config.write_text(f"""daemon off; worker_processes 1; pid {directory}/pid; error_log {directory}/error.log info;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {directory}; proxy_temp_path {directory}; fastcgi_temp_path {directory};
  uwsgi_temp_path {directory}; scgi_temp_path {directory};
  upstream door {{ server 127.0.0.1:{door}; keepalive 1; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://door; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
      proxy_request_buffering off; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme; proxy_read_timeout 5s;
    }}
  }}
}}
""")
    nginx = start(lambda _: Process(["nginx", "-p", directory, "-c", config], directory / "log"))
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            assert nginx.alive(), nginx.text()
            threading.Event().wait(0.02)
    answers = attack(port)
    for number, reached in by_attack(backend.seen()).items():
        if number == -1:
            # nginx itself took what stood behind for a request (it has a length's word for it that we have not): whole, and alone.
            assert [read_strictly(raw)[0] for raw in reached] == [b"GET /smuggled HTTP/1.1"] * len(reached)
            continue
        name, _, body = ATTACKS[number]
        assert len(reached) == 1, name
        if b"HTTP/1.1 200" in answers[number]:
            got = read_strictly(reached[0])[2]
            assert body is REFUSED or got == body, (name, reached)
