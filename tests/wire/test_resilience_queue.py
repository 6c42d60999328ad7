"""More is asked than a provider takes: waiting in turn, refusing at once, pacing, and a second attempt beside a late one."""
import json
import socket
import threading
import time

import pytest
import requests

from chains import FIRST, SECOND, Chain, Outrigger, Sim, model_of, soon, target_status, together, upstream_of

SLOW = 'first_token = "{}"\nbetween_tokens = "0s"\ntokens = 4\n'


def waiting(chain):
    shown = target_status(chain.proxy, FIRST)
    return shown["queue"]["waiting"] if shown else 0


class Later:
    """A request in a thread of its own."""

    def __init__(self, chain, content, key="sk-test", path="/v1/chat/completions", **named):
        self.answer = None
        headers = {"authorization": f"Bearer {key}", **named.pop("headers", {})}
        body = {"model": "gpt-4o-mini", **named}
        body.update({"input": content} if path.endswith("embeddings") else {"messages": [{"role": "user", "content": content}]})

        def work():
            self.answer = requests.post(chain.proxy.url + path, json=body, headers=headers, timeout=30)

        self.thread = threading.Thread(target=work, daemon=True)
        self.thread.start()

    def get(self):
        self.thread.join(30)
        return self.answer


def held(start):
    """A target with one place, which somebody holds for long enough that others come to wait."""
    chain = Chain(start, "concurrency = 1", primary=SLOW.format("5ms"), fallback=None)
    chain.primary.faults('[[fault]]\nrequests = 1\nfirst_token = "1500ms"\n')
    first = Later(chain, "holds the place", user="nobody")
    soon(lambda: chain.primary.calls() == 1, "not asked")
    return chain, first


def test_no_more_at_once_than_the_target_takes(start):
    chain = Chain(start, "concurrency = 2", primary=SLOW.format("150ms") + "concurrency = 2\n", fallback=None)
    began = time.monotonic()
    answers = together(8, lambda n: chain.ask(f"q{n}", user=f"user-{n}", stream=n % 2 == 0))
    took = time.monotonic() - began
    assert [a.status_code for a in answers] == [200] * 8 and {chain.served(a) for a in answers} == {(FIRST, 1)}
    stats = chain.primary.stats()
    assert stats["in_flight_max"] == 2 and stats["over_concurrency"] == 0 and stats["requests"] == 8
    assert 0.6 <= took < 3
    log = chain.proxy.access_log(8)
    assert sum(line.get("queued_ms", 0) > 0 for line in log) == 6
    assert chain.proxy.metric("outrigger_queue_wait_seconds_count", model="gpt-4o-mini") == 6
    assert chain.proxy.metric("outrigger_queue_depth") == 0 and chain.proxy.metric("outrigger_in_flight", target=FIRST) == 0


def test_a_full_queue_refuses_at_once(start):
    chain = Chain(start, 'concurrency = 1\nqueue = { depth = 2, wait = "20s" }', primary=SLOW.format("500ms"), fallback=None)
    first = Later(chain, "first")
    soon(lambda: chain.primary.calls() == 1, "not asked")
    inside = [Later(chain, f"waits {n}") for n in range(2)]
    soon(lambda: waiting(chain) == 2, "they do not wait")
    began = time.monotonic()
    answer = chain.ask("too many")
    assert time.monotonic() - began < 0.3
    assert answer.status_code == 429 and answer.json()["error"]["code"] == "queue_full"
    assert answer.json()["error"]["type"] == "rate_limit_error" and answer.headers["x-should-retry"] == "false"
    whole, exact = int(answer.headers["retry-after"]), int(answer.headers["retry-after-ms"])
    assert 1 <= exact <= whole * 1000 <= 30_000
    assert [later.get().status_code for later in [first, *inside]] == [200] * 3
    assert chain.proxy.metric("outrigger_queue_shed_total", target=FIRST, reason="queue_full") == 1
    assert chain.primary.calls() == 3


def test_a_full_queue_leads_to_the_fallback(start):
    chain = Chain(start, 'concurrency = 1\nqueue = { depth = 1, wait = "20s" }', primary=SLOW.format("600ms"))
    answers = together(6, lambda n: chain.ask(f"q{n}"))
    assert {a.status_code for a in answers} == {200}
    served = sorted(chain.served(a)[0] for a in answers)
    assert served.count(SECOND) >= 4 and served.count(FIRST) >= 1 and {chain.served(a)[1] for a in answers} == {1}


def test_who_leaves_makes_place(start):
    chain = Chain(start, 'concurrency = 1\nqueue = { depth = 1, wait = "20s" }', primary=SLOW.format("800ms"), fallback=None)
    first = Later(chain, "first")
    soon(lambda: chain.primary.calls() == 1, "not asked")
    # Raw, so that it can hang up while it waits.
    body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "leaves"}]}).encode()
    leaver = socket.create_connection(("127.0.0.1", chain.proxy.port))
    leaver.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-test\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    soon(lambda: waiting(chain) == 1, "it does not wait")
    assert chain.ask("no place").status_code == 429
    leaver.close()
    soon(lambda: waiting(chain) == 0, "it still waits")
    assert chain.ask("has place").status_code == 200 and first.get().status_code == 200
    assert chain.primary.calls() == 2, "nothing was asked for the one who left"
    # One who is being served leaves, too: the target is free at once, and it is nobody's failure.
    chain.primary.faults('[[fault]]\nrequests = 1\nfirst_token = "30s"\n')
    leaver = socket.create_connection(("127.0.0.1", chain.proxy.port))
    leaver.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-test\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    soon(lambda: chain.primary.calls() == 3, "not asked")
    leaver.close()
    assert chain.ask("after that").status_code == 200 and chain.breaker(FIRST) == 0


def test_embeddings_do_not_hold_up_a_chat(start):
    chain, first = held(start)
    batch = [Later(chain, f"text {n}", path="/v1/embeddings") for n in range(8)]
    soon(lambda: waiting(chain) == 8, "they do not wait")
    chat = Later(chain, "a person waits", stream=True)
    soon(lambda: waiting(chain) == 9, "it does not wait")
    for later in [first, chat, *batch]:
        assert later.get().status_code == 200
    order = [seen["path"] for seen in chain.primary.stats()["last"]]
    assert order.index("/v1/chat/completions", 1) == 1, order


def test_priority_within_a_class(start):
    chain, first = held(start)
    all_of = [first]
    for number, priority in enumerate(["low", "low", "normal", "normal", "high", "high"]):
        all_of.append(Later(chain, f"{priority} {number}", headers={"x-outrigger-priority": priority}))
        soon(lambda: waiting(chain) == number + 1, "it does not wait")
    for later in all_of:
        assert later.get().status_code == 200
    order = [json.loads(seen["body"])["messages"][0]["content"].split()[0] for seen in chain.primary.stats()["last"]][1:]
    assert order == ["high", "high", "normal", "normal", "low", "low"]


def test_one_user_does_not_starve_the_others(start):
    chain, first = held(start)
    greedy = [Later(chain, f"greedy {n}", user="greedy") for n in range(12)]
    soon(lambda: waiting(chain) == 12, "they do not wait")
    modest = Later(chain, "modest", user="modest")
    soon(lambda: waiting(chain) == 13, "it does not wait")
    for later in [first, modest, *greedy]:
        assert later.get().status_code == 200
    order = [json.loads(seen["body"])["messages"][0]["content"] for seen in chain.primary.stats()["last"]]
    assert order.index("modest") <= 4, order


def test_a_configured_rate_is_kept(start):
    # 20 a second for us, a few more at the beginning, and a provider that counts what it refuses: it must never have to refuse.
    chain = Chain(start, "rate = { requests_per_minute = 1200 }", primary='window_requests = 32\nwindow = "1s"\n', fallback=None)
    began = time.monotonic()
    answers = together(50, lambda n: chain.ask(f"q{n}", user=f"user-{n}"))
    took = time.monotonic() - began
    stats = chain.primary.stats()
    assert [a.status_code for a in answers] == [200] * 50 and stats["rate_limited"] == 0 and stats["requests"] == 50
    assert 1.5 < took < 6, took
    assert {chain.served(a) for a in answers} == {(FIRST, 1)}


def test_a_429_closes_the_gate_and_the_others_wait(start):
    chain = Chain(start, primary=SLOW.format("20ms"), fallback=None)
    # What it took lately is what it is taken to take afterwards: a rejection at the first request of the day would be another story.
    together(6, lambda n: [chain.ask(f"warm {n} {i}") for i in range(8)])
    chain.primary.faults("[[fault]]\nrequests = 1\nstatus = 429\nretry_after = 1\n")
    began = time.monotonic()
    first = Later(chain, "is rejected")
    soon(lambda: chain.primary.calls() == 49, "not asked")
    soon(lambda: chain.proxy.metric("outrigger_rate_gate_seconds", target=FIRST) > 0.5, "the gate is open")
    answers = together(10, lambda n: chain.ask(f"q{n}", user=f"user-{n}"))
    assert [a.status_code for a in answers] == [200] * 10 and time.monotonic() - began >= 1
    assert {chain.served(a) for a in answers} == {(FIRST, 1)}, "nobody ran into the closed gate"
    assert chain.served(first.get()) == (FIRST, 2)
    assert chain.primary.calls() == 48 + 2 + 10
    # It is no failure.
    assert chain.breaker(FIRST) == 0 and target_status(chain.proxy, FIRST)["failures_in_a_row"] == 0


def test_a_long_429_leads_to_the_fallback(start):
    chain = Chain(start)
    chain.primary.faults("[[fault]]\nstatus = 429\nretry_after = 60\n")
    assert chain.served(chain.ask("q0")) == (SECOND, 2)
    assert [chain.served(chain.ask(f"r{n}")) for n in range(4)] == [(SECOND, 1)] * 4 and chain.primary.calls() == 1


def test_a_429_that_nobody_can_wait_for_is_told(start):
    chain = Chain(start, 'queue = { wait = "1s" }', fallback=None)
    chain.primary.faults("[[fault]]\nstatus = 429\nretry_after = 60\n")
    own = chain.ask("q0")
    assert own.status_code == 429 and own.json()["error"]["code"] == "rate_limit_exceeded" and own.headers["retry-after"] == "60"
    began = time.monotonic()
    ours = chain.ask("q1")
    assert time.monotonic() - began < 0.5 and ours.status_code == 429 and ours.json()["error"]["code"] == "queue_wait"
    assert 50 <= int(ours.headers["retry-after"]) <= 75 and int(ours.headers["retry-after-ms"]) > 50_000
    assert {a.headers["x-should-retry"] for a in (own, ours)} == {"false"} and chain.primary.calls() == 1


@pytest.mark.parametrize("stream,hedge", [(True, "true"), (False, "{ budget = 0.05, quantile = 0.9 }")], ids=["streamed", "blocking"])
def test_a_late_answer_is_hedged(start, stream, hedge):
    chain = Chain(start, f"hedge = {hedge}", primary=SLOW.format("10ms"))
    for number in range(40):
        chain.ask(f"warm {number}", stream=stream)
    before = chain.backup.calls()
    assert before <= 4, "more than the budget"
    chain.primary.faults('[[fault]]\nfirst_token = "10s"\n')
    began = time.monotonic()
    answer = chain.ask("late", stream=stream)
    assert time.monotonic() - began < 2 and chain.served(answer) == (SECOND, 2) and chain.backup.calls() == before + 1
    # The late one is cut off, and its client's luck is not held against it.
    soon(lambda: chain.primary.stats()["clients_gone"] >= 1, "the late one goes on")
    line = chain.proxy.access_log(41)[40]
    assert {(t["target"], t["outcome"]) for t in line["tried"]} == {(FIRST, "lost"), (SECOND, "ok")}
    assert chain.breaker(FIRST) == 0


def test_without_hedging_nothing_is_asked_twice(start):
    chain = Chain(start, primary=SLOW.format("10ms"))
    for number in range(30):
        chain.ask(f"warm {number}", stream=True)
    chain.primary.faults('[[fault]]\nfirst_token = "700ms"\n')
    assert chain.served(chain.ask("late", stream=True)) == (FIRST, 1) and chain.backup.calls() == 0


def test_two_models_of_one_upstream_do_not_wait_for_each_other(start):
    sim = start(Sim, SLOW.format("400ms"))
    proxy = start(Outrigger, upstream_of(sim, "only") + model_of("concurrency = 1", name="*", target='"only"', fallback=None))

    def ask(number):
        return proxy.chat(f"q{number}", model=("a", "b", "c")[number])

    began = time.monotonic()
    assert [a.status_code for a in together(3, ask)] == [200] * 3 and time.monotonic() - began < 1.1
