"""Whatever comes in: the process stays up, others do not notice, the sender learns what is wrong."""
import json
import random
import socket
import threading
import time

import pytest
import requests

from conftest import Outrigger, Sim, hear_all, upstream

SMALL = '[limits]\nheader = "4KiB"\nbody = "64KiB"\nheader_timeout = "1s"\nbody_timeout = "1s"\nconnections = 64\n'


@pytest.fixture
def small(start):
    sim = start(Sim)
    proxy = start(Outrigger, SMALL + upstream(sim))
    yield sim, proxy
    assert proxy.alive() and proxy.chat("still there?").status_code == 200


def send(proxy, data, seconds=5):
    """Sends raw bytes and returns all that comes back until the connection closes (or the time is over)."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=seconds) as link:
        try:
            link.sendall(data)
        except OSError:
            pass
        return hear_all(link)


HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize("data", [
    b"rubbish\r\n\r\n",
    b"GET /v1/models HTTP/9.9\r\nHost: x\r\n\r\n",
    b"GET /v1/models\r\n\r\n",
    b"GET /v1/models HTTP/1.1\r\nHost: x\r\nBad Header: y\r\n\r\n",
    b"GET /v1/models HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
    b"GET /v1/models HTTP/1.1\r\n\r\n",
    HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: gzip, chunked, identity\r\n\r\n0\r\n\r\n",
    HEAD + b"Content-Length: -1\r\n\r\n",
    HEAD + b"Content-Length: 1e3\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n",
])
def test_malformed_http_is_400_and_the_connection_closes(small, data):
    sim, proxy = small
    back = send(proxy, data + b"GET /v1/smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
    assert back.startswith(b"HTTP/1.1 400 "), back[:200]
    assert json.loads(back.split(b"\r\n\r\n", 1)[1])["error"]["code"] == "bad_request"
    assert b"smuggled" not in json.dumps(sim.stats()).encode()


def test_limits_have_their_own_status(small):
    sim, proxy = small
    back = send(proxy, b"GET /v1/models HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 5000 + b"\r\n\r\n")
    assert back.startswith(b"HTTP/1.1 431 ")
    assert requests.post(proxy.url + "/v1/files", data=b"x" * 65537).status_code == 413
    assert send(proxy, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"4000\r\n" + b"x" * 0x4000 + b"\r\n" * 1 +
                b"".join(b"4000\r\n" + b"x" * 0x4000 + b"\r\n" for _ in range(4))).startswith(b"HTTP/1.1 413 ")
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * 65000}]})
    assert requests.post(proxy.url + "/v1/chat/completions", data=body).status_code == 200


def test_slow_senders_are_408_and_hold_up_nobody(small):
    _, proxy = small
    began = time.monotonic()
    backs = []
    threads = [threading.Thread(target=lambda d=d: backs.append(send(proxy, d))) for d in (
        b"GET /v1/models HTTP/1.1\r\nHost:", HEAD + b"Content-Length: 100\r\n\r\nhalf")]
    for thread in threads:
        thread.start()
    assert proxy.chat("meanwhile").status_code == 200 and time.monotonic() - began < 0.8
    for thread in threads:
        thread.join()
    assert all(back.startswith(b"HTTP/1.1 408 ") for back in backs), backs
    assert time.monotonic() - began < 4


def test_connections_above_the_limit_do_not_disturb_those_below(small):
    _, proxy = small
    session = requests.Session()
    session.get(proxy.url + "/v1/models")
    idle = []
    for _ in range(100):
        idle.append(socket.create_connection(("127.0.0.1", proxy.port)))
    assert session.get(proxy.url + "/v1/models").status_code == 200
    for link in idle:
        link.close()
    time.sleep(0.2)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"{}" * 2, b'{"model":"m","model":"n","messages":[]}',
                                  b'{"model":"m","messages":[{"role":"user","content":"\\ud800"}]}', b'{"model":"\xff"}',
                                  b"[" * 100_00, b'{"a":' * 5000 + b"1" + b"}" * 5000, b"\0" * 100, b'{"model":1e999,"messages":{}}'])
def test_what_is_not_strict_json_passes_through_uncached(small, body):
    sim, proxy = small
    for _ in range(2):
        answer = requests.post(proxy.url + "/v1/chat/completions", data=body, headers={"content-type": "application/json"})
        direct = requests.post(sim.url + "/v1/chat/completions", data=body, headers={"content-type": "application/json"})
        assert answer.headers["x-outrigger-cache"] in ("bypass; reason=not_json", "bypass; reason=not_understood")
        assert answer.status_code == direct.status_code


@pytest.mark.parametrize("fault", ["garbage = true", "endless_headers = true", "malformed_chunk = true", "wrong_length = 1000",
                                   "half_utf8 = true", "reset_at = 0", "reset_at = 5", "reset_at = 60", "cut_at = 0",
                                   "cut_at = 100", "error_in_200 = true", "crlf = true", "event_lines = true", "comments = true"])
@pytest.mark.parametrize("stream", [False, True])
def test_nothing_that_an_upstream_sends_does_more_than_fail_its_own_attempt(small, fault, stream):
    sim, proxy = small
    sim.faults(f"[[fault]]\n{fault}\n")
    try:
        answer = proxy.chat("q", stream=stream, timeout=10)
        body = answer.content
        if answer.status_code != 200:
            assert answer.status_code == 502
            own = json.loads(body)["error"]["type"] == "upstream_error"
            assert own or fault == "error_in_200 = true", "only an error hidden in a 200 comes in the provider's own words"
            assert answer.headers["x-should-retry"] == "false"
    except requests.exceptions.ChunkedEncodingError:
        pass
    sim.faults("")
    assert proxy.chat("q", stream=stream).status_code == 200


def test_a_stream_that_never_ends_is_ended(start):
    sim = start(Sim, 'first_token = "0s"\nbetween_tokens = "50ms"\ntokens = 1000000\n')
    proxy = start(Outrigger, upstream(sim) + '[[model]]\nname = "*"\ntimeout = { total = "1s" }\n')
    began = time.monotonic()
    answer = proxy.chat("q", stream=True)
    assert b'"code":"total_timeout"' in answer.content.replace(b" ", b"") and time.monotonic() - began < 5


def test_a_provider_that_stalls_is_noticed_when_limits_are_set(start):
    sim = start(Sim)
    proxy = start(Outrigger, upstream(sim) + '[[model]]\nname = "*"\ntimeout = { first_token = "300ms", between_tokens = "300ms" }\n')
    sim.faults('[[fault]]\nfirst_token = "5s"\n')
    assert proxy.chat("a", stream=True).status_code == 504
    sim.faults('[[fault]]\nstall = "5s"\nafter = 3\n')
    assert b"stall_timeout" in proxy.chat("b", stream=True).content


def test_random_bytes_do_nothing(small):
    _, proxy = small
    good = HEAD + b"Content-Length: 2\r\n\r\n{}"
    for _ in range(300):
        data = bytearray(good)
        for _ in range(random.randrange(1, 8)):
            at = random.randrange(len(data))
            data[at:at + random.randrange(2)] = bytes(random.randrange(256) for _ in range(random.randrange(3)))
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as link:
            link.sendall(bytes(data))
            if random.random() < 0.5:
                link.settimeout(0.01)
                try:
                    link.recv(4096)
                except OSError:
                    pass


def test_pipelined_requests_are_answered_in_order(small):
    _, proxy = small
    one = HEAD + b"Authorization: Bearer k\r\nContent-Length: %d\r\n\r\n%s"
    bodies = [json.dumps({"model": f"model-{n}", "messages": [{"role": "user", "content": "x"}]}).encode() for n in range(20)]
    last = b"GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    back = send(proxy, b"".join(one % (len(b), b) for b in bodies) + last)
    assert back.count(b"HTTP/1.1 200 OK") == 21
    places = [back.index(b'"model":"model-%d"' % n) for n in range(20)]
    assert places == sorted(places)


def test_expect_100_continue(small):
    _, proxy = small
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}]}'
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as link:
        link.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        assert link.recv(100).startswith(b"HTTP/1.1 100 ")
        link.sendall(body)
        assert link.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_http_1_0_gets_an_answer_without_chunks(small):
    _, proxy = small
    body = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}'
    back = send(proxy, b"POST /v1/chat/completions HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    head, rest = back.split(b"\r\n\r\n", 1)
    assert b"200 OK" in head and b"chunked" not in head.lower() and rest.endswith(b"data: [DONE]\n\n")
