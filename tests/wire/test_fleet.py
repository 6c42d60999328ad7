"""Three instances on one Redis: one account's limit, gates that close together, one probe at a time, and nobody waits for Redis."""
import signal
import threading
import time

import pytest
import requests

from conftest import Outrigger, Redis, Sim, upstream


def wait_until(condition, seconds=5):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


def config(sim, redis, model):
    return f'[redis]\nurl = "{redis.url}"\n' + upstream(sim) + f'[[model]]\nname = "*"\n{model}\n'


def status(proxy):
    return requests.get(proxy.admin + "/api/status", timeout=5).json()


def closed_seconds(proxy):
    return max((key["gate_closed_seconds"] for target in status(proxy)["targets"] for key in target["keys"]), default=0)


def breaker(proxy):
    (target,) = status(proxy)["targets"]
    return target["breaker"]


@pytest.fixture
def fleet(start):
    def begin(model, count=3):
        sim, redis = start(Sim), start(Redis)
        proxies = [start(Outrigger, config(sim, redis, model)) for _ in range(count)]
        for n, proxy in enumerate(proxies):
            assert proxy.chat(f"first of {n}").status_code == 200
        for proxy in proxies:
            wait_until(lambda: proxy.metric("outrigger_fleet_replicas") == count)
            assert status(proxy)["fleet"] == {"configured": True, "replicas": count, "redis_up": True, "last_error": ""}
        return sim, redis, proxies

    return begin


def test_one_limit_for_all(fleet):
    """Each alone would send 5 a second, and a burst of ten: 105 in 5 s."""
    sim, redis, proxies = fleet('rate = { requests_per_minute = 300 }\nqueue = { depth = 100, wait = "20s" }')
    before, began, stop = sim.calls(), time.monotonic(), threading.Event()

    def client(proxy, name):
        n = 0
        while not stop.is_set():
            n += 1
            proxy.chat(f"{name} {n}")

    threads = [threading.Thread(target=client, args=(proxy, f"{p}-{t}")) for p, proxy in enumerate(proxies) for t in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(5)
    sent, seconds = sim.calls() - before, time.monotonic() - began
    stop.set()
    for thread in threads:
        thread.join()
    # A burst, and until each has seen how fast the others are, a little more.
    assert 0.9 * 5 * seconds <= sent <= 20 + 1.1 * 5 * seconds, f"{sent} in {seconds:.1f} s"
    notes = redis.command("KEYS", "*fleet:*")
    assert len(notes) == 3
    for key in notes:
        assert redis.command("PTTL", key) > 0
        note = redis.command("GET", key)
        assert b"\na " in note and b"sk-test" not in note and b"gpt" not in note and b"sim" not in note


def test_a_429_closes_the_gate_of_all(fleet):
    sim, _, proxies = fleet('retry = { attempts = 1 }\nqueue = { depth = 0 }')
    sim.faults('[[fault]]\nstatus = 429\nretry_after = "5s"\n')
    assert proxies[0].chat("too much").status_code == 429
    began = time.monotonic()
    wait_until(lambda: all(closed_seconds(proxy) > 3 for proxy in proxies), seconds=1)
    assert time.monotonic() - began < 0.5
    calls = sim.calls()
    for proxy in proxies:
        assert proxy.chat("still too much").status_code == 429
    assert sim.calls() == calls


def test_one_probe_at_a_time(fleet):
    sim, _, proxies = fleet('retry = { attempts = 1 }\nqueue = { depth = 0 }\nbreaker = { failures = 2, open = "1s" }')
    sim.faults("[[fault]]\nstatus = 500\n")
    for proxy in proxies:
        wait_until(lambda: proxy.chat("broken").status_code >= 500 and breaker(proxy) == "open")
    sim.faults('[[fault]]\nfirst_token = "1500ms"\n')
    time.sleep(1.6)
    calls, stop = sim.calls(), time.monotonic() + 1.2
    threads = []
    while time.monotonic() < stop:
        for proxy in proxies:
            threads.append(threading.Thread(target=proxy.chat, args=(f"probe {len(threads)}",)))
            threads[-1].start()
        time.sleep(0.1)
    assert sim.calls() == calls + 1
    for thread in threads:
        thread.join()
    sim.faults("")
    for proxy in proxies:
        wait_until(lambda: proxy.chat("back?").status_code == 200)


@pytest.mark.parametrize("trouble", ["frozen", "killed"])
def test_nobody_waits_for_redis(fleet, trouble):
    sim, redis, proxies = fleet("rate = { requests_per_minute = 6000 }\ncache = { mode = \"off\" }")
    redis.send_signal(signal.SIGSTOP if trouble == "frozen" else signal.SIGKILL)
    try:
        slowest = 0
        for n in range(60):
            began = time.monotonic()
            assert proxies[n % 3].chat(f"{n}").status_code == 200
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < 0.3
        wait_until(lambda: all(proxy.metric("outrigger_fleet_replicas") == 1 for proxy in proxies))
        assert not status(proxies[0])["fleet"]["redis_up"]
    finally:
        if trouble == "frozen":
            redis.send_signal(signal.SIGCONT)
    if trouble == "frozen":
        wait_until(lambda: all(proxy.metric("outrigger_fleet_replicas") == 3 for proxy in proxies), seconds=8)
