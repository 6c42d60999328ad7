"""A real Redis: shared answers, and a cache that may fail without anybody noticing."""
import signal
import socket
import threading
import time

import pytest
import requests

from conftest import Outrigger, Redis, Sim, text_of, upstream


def redis_config(redis, timeout="20ms", extra=""):
    return f'[redis]\nurl = "{redis.url}"\ntimeout = "{timeout}"\n{extra}'


def wait_until(condition, seconds=8):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def wait_for_keys(redis, count):
    wait_until(lambda: len([k for k in redis.command("KEYS", "*") if b"v1:" in k]) >= count)


def test_two_instances_and_a_restart_share_answers(start):
    sim, redis = start(Sim), start(Redis)
    first = start(Outrigger, redis_config(redis) + upstream(sim))
    second = start(Outrigger, redis_config(redis) + upstream(sim))
    text = text_of(first.chat("q"))
    wait_for_keys(redis, 1)
    answer = second.chat("q", stream=True)
    assert answer.headers["x-outrigger-cache"] == "hit" and text_of(answer) == text
    first.stop()
    third = start(Outrigger, redis_config(redis) + upstream(sim))
    answer = third.chat("q")
    assert answer.headers["x-outrigger-cache"] == "hit" and text_of(answer) == text
    assert third.chat("q", key="sk-other").headers["x-outrigger-cache"] == "miss"
    assert sim.calls("chat/completions") == 2
    assert third.metric("outrigger_redis_up") == 1


def test_every_key_has_a_ttl_and_shows_no_text(start):
    sim, redis = start(Sim), start(Redis)
    proxy = start(Outrigger, redis_config(redis, extra='prefix = "shop:"\n') + upstream(sim))
    for n in range(20):
        proxy.chat(f"a secret question {n}")
    wait_for_keys(redis, 20)
    for key in redis.command("KEYS", "*"):
        assert key.startswith(b"shop:")
        assert redis.command("PTTL", key) > 0
        assert b"secret question" not in redis.command("GET", key)


def test_a_value_under_another_key_is_a_miss(start):
    sim, redis = start(Sim), start(Redis)
    writer = start(Outrigger, redis_config(redis) + upstream(sim))
    writer.chat("one")
    wait_for_keys(redis, 1)
    (one,) = [k for k in redis.command("KEYS", "*v1:*")]
    writer.chat("two")
    wait_for_keys(redis, 2)
    (two,) = [k for k in redis.command("KEYS", "*v1:*") if k != one]
    value = redis.command("GET", one)
    redis.command("SET", two, value, "PX", "100000")
    reader = start(Outrigger, redis_config(redis) + upstream(sim))
    assert reader.chat("two").headers["x-outrigger-cache"] == "miss"
    assert reader.chat("one").headers["x-outrigger-cache"] == "hit"


def test_rubbish_in_redis_is_a_miss(start):
    sim, redis = start(Sim), start(Redis)
    writer = start(Outrigger, redis_config(redis) + upstream(sim))
    writer.chat("one")
    wait_for_keys(redis, 1)
    (key,) = redis.command("KEYS", "*v1:*")
    value = redis.command("GET", key)
    for rubbish in (b"", b"x" * 100, value[:40], value[: len(value) // 2], value[:-1], bytes(reversed(value)),
                    value[:-9] + b"\0" + value[-8:]):
        redis.command("SET", key, rubbish, "PX", "100000")
        reader = start(Outrigger, redis_config(redis) + upstream(sim))
        assert reader.chat("one").headers["x-outrigger-cache"] == "miss"
        reader.stop()


@pytest.mark.parametrize("trouble", ["killed", "frozen", "full"])
def test_redis_in_trouble_fails_no_request_and_holds_up_one_at_most(start, trouble):
    sim = start(Sim)
    redis = start(Redis, *(["--maxmemory", "2mb", "--maxmemory-policy", "noeviction"] if trouble == "full" else []))
    limit = 0.1
    proxy = start(Outrigger, redis_config(redis, timeout="100ms") + upstream(sim))
    times, failures = [], []
    stop = threading.Event()

    def traffic(worker):
        session = requests.Session()
        n = 0
        while not stop.is_set():
            n += 1
            began = time.monotonic()
            answer = session.post(proxy.url + "/v1/chat/completions", headers={"authorization": "Bearer k"}, timeout=10,
                                  json={"model": "m", "messages": [{"role": "user", "content": f"{worker} {n}"}]})
            times.append((began, time.monotonic() - began))
            if answer.status_code != 200:
                failures.append(answer.text)
            time.sleep(0.005)

    threads = [threading.Thread(target=traffic, args=(w,)) for w in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    began = time.monotonic()
    if trouble == "killed":
        redis.send_signal(signal.SIGKILL)
    elif trouble == "frozen":
        redis.send_signal(signal.SIGSTOP)
    else:
        for n in range(40):
            try:
                redis.command("SET", f"filler{n}", b"x" * 100_000)
            except RuntimeError as error:
                assert "OOM" in str(error)
    time.sleep(2)
    stop.set()
    for thread in threads:
        thread.join()
    if trouble == "frozen":
        redis.send_signal(signal.SIGCONT)
    assert not failures
    during = sorted((t for at, t in times if at >= began - limit), reverse=True)
    slow = [t for t in during if t > limit * 0.8]
    assert len(slow) <= 4, f"the time limit was paid more than once per request in flight: {slow[:10]}"
    assert max(during) < limit + 0.25
    if trouble == "frozen":
        wait_until(lambda: proxy.metric("outrigger_redis_up") == 1)
        proxy.chat("after")
        assert start(Outrigger, redis_config(redis) + upstream(sim)).chat("after").status_code == 200
    if trouble == "killed":
        assert proxy.metric("outrigger_redis_up") == 0
    assert proxy.alive()


def test_password_user_and_database(start):
    sim = start(Sim)
    redis = start(Redis, "--requirepass", "top secret")
    url = f"redis://:top%20secret@127.0.0.1:{redis.port}/3"
    one = start(Outrigger, f'[redis]\nurl = "{url}"\n' + upstream(sim))
    one.chat("q")
    wait_until(lambda: one.metric("outrigger_redis_up") == 1)
    time.sleep(0.1)
    two = start(Outrigger, f'[redis]\nurl = "{url}"\n' + upstream(sim))
    assert two.chat("q").headers["x-outrigger-cache"] == "hit"
    wrong = start(Outrigger, f'[redis]\nurl = "redis://:wrong@127.0.0.1:{redis.port}/3"\n' + upstream(sim))
    assert wrong.chat("q").headers["x-outrigger-cache"] == "miss"
    status = requests.get(wrong.admin + "/api/status", timeout=5).json()["cache"]["redis"]
    assert not status["up"] and "WRONGPASS" in status["last_error"]
    assert "top secret" not in one.text() + two.text() and "wrong@" not in wrong.text()


def test_redis_without_room_for_another_connection(start):
    redis, sim = start(Redis, "--maxclients", "1"), start(Sim)
    with socket.create_connection(("127.0.0.1", redis.port)):
        proxy = start(Outrigger, redis_config(redis) + upstream(sim))
        assert proxy.chat("q").headers["x-outrigger-cache"] == "miss"
        status = requests.get(proxy.admin + "/api/status", timeout=5).json()["cache"]["redis"]
        assert not status["up"] and status["last_error"] == "ERR: Redis takes no more connections (maxclients)"
        assert "redis: ERR: Redis takes no more connections (maxclients)" in proxy.text()


def test_redis_that_comes_later_is_used(start, tmp_path):
    sim, redis = start(Sim), start(Redis)
    port = redis.port
    redis.stop()
    proxy = start(Outrigger, redis_config(redis) + upstream(sim))
    assert proxy.ready_after < 2
    assert proxy.chat("q").headers["x-outrigger-cache"] == "miss"
    assert proxy.chat("q").headers["x-outrigger-cache"] == "hit"
    import subprocess
    child = subprocess.Popen(["redis-server", "--port", str(port), "--save", "", "--dir", str(tmp_path)],
                             stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: proxy.metric("outrigger_redis_up") == 1, 15)
        proxy.chat("r")
        time.sleep(0.2)
        assert start(Outrigger, redis_config(redis) + upstream(sim)).chat("r").headers["x-outrigger-cache"] == "hit"
    finally:
        child.terminate()
        child.wait()


def test_purge_reaches_both_tiers(start):
    sim, redis = start(Sim), start(Redis)
    config = redis_config(redis) + upstream(sim) + '[[route]]\npath = "/faq"\ncache = { tags = ["shop"] }\n'
    one, two = start(Outrigger, config), start(Outrigger, config)
    one.chat("a", model="gpt-4o")
    one.chat("b", model="gpt-4o-mini")
    one.chat("c", path="/faq/v1/chat/completions")
    wait_for_keys(redis, 3)

    def purge(**what):
        return requests.post(one.admin + "/api/cache/purge", json=what, timeout=10).json()

    assert purge(model="gpt-4o", dry_run=True)["redis"] == 1
    assert purge(tag="shop", dry_run=True)["memory"] == 1
    assert purge(route="/faq", dry_run=True)["redis"] == 1
    assert one.chat("a", model="gpt-4o").headers["x-outrigger-cache"] == "hit"
    assert purge(model="gpt-4o")["memory"] == 1
    assert one.chat("b", model="gpt-4o-mini").headers["x-outrigger-cache"] == "hit"
    assert two.chat("a", model="gpt-4o").headers["x-outrigger-cache"] == "miss"
    key = one.explain({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "b"}]})["key"]
    assert purge(key=key)["redis"] == 1
    assert purge(all=True)["redis"] >= 1
    assert not redis.command("KEYS", "*v1:*")
    assert requests.post(one.admin + "/api/cache/purge", json={"models": "x"}).status_code == 400
    assert requests.post(one.admin + "/api/cache/purge", json={"dry_run": True}).status_code == 400
