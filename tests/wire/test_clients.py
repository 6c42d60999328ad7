"""Limits and budgets of [[client]]s, as the official SDKs see them; with a real Redis, over restarts and replicas."""
import hashlib
import json
import signal
import subprocess
import time

import anthropic
import openai
import pytest
import requests

from conftest import BUILD, Outrigger, Redis, Sim, upstream
from test_redis import wait_until

QUESTION = [{"role": "user", "content": "How long does shipping take?"}]
KEYS = {"desk": "sk-desk-hunter2", "other": "sk-other-hunter2"}
UPSTREAM_KEY = "sk-upstream-hunter2"


def config(sim, desk, extra="", model='name = "*"\nprice = { input = 0, output = 100000 }', other=""):
    """A token of an answer costs ten cents."""
    clients = "".join(f'[[client]]\nname = "{name}"\nkey = "{key}"\n{desk if name == "desk" else other}\n' for name, key in KEYS.items())
    return extra + upstream(sim, extra=f'keys = ["{UPSTREAM_KEY}"]') + f"[[model]]\n{model}\nretry = {{ attempts = 1 }}\n" + clients


def with_redis(redis):
    return f'[redis]\nurl = "{redis.url}"\n'


def ask(proxy, content, client="desk", **members):
    return proxy.chat(content, key=KEYS[client], **members)


def status_of(proxy, client="desk"):
    answer = requests.get(proxy.admin + "/api/status", timeout=10).json()
    return next(one for one in answer["clients"] if one["name"] == client)


def spend(proxy, usd, tag=""):
    """Asks until so much is spent, or a request is refused."""
    for n in range(200):
        if status_of(proxy)["spent_usd"]["day"] >= usd:
            return
        if ask(proxy, f"{tag} {n}").status_code != 200:
            return
    raise AssertionError("it is never spent")


def test_openai_sdk_sees_a_clear_429_and_does_not_retry(start):
    sim = start(Sim)
    proxy = start(Outrigger, config(sim, "budget = { usd_per_day = 0.01, usd_per_month = 500 }"))
    with openai.OpenAI(base_url=proxy.url + "/v1", api_key=KEYS["desk"], max_retries=3, timeout=10) as client:
        first = client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
        began = time.monotonic()
        with pytest.raises(openai.RateLimitError) as refused:
            client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "something else"}])
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "anew"}], stream=True)
        assert time.monotonic() - began < 1
        error = refused.value
        assert error.code == "client_budget_spent" and error.type == "rate_limit_error"
        assert "The client `desk` has used its budget of 0.01 USD for this day. It begins anew on 20" in error.message
        assert error.response.headers["x-should-retry"] == "false"
        assert 0 < int(error.response.headers["retry-after"]) <= 86400
        # What is there goes on being answered.
        again = client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=QUESTION)
        assert again.headers["x-outrigger-cache"] == "hit"
        assert again.parse().choices[0].message.content == first.choices[0].message.content
    assert sim.calls() == 1
    assert ask(proxy, "something else", client="other").status_code == 200
    assert proxy.metric("outrigger_client_requests_total", client="desk", outcome="refused") == 2
    assert proxy.metric("outrigger_client_requests_total", client="desk", outcome="ok") == 2
    assert proxy.metric("outrigger_client_budget_used_ratio", client="desk", period="day") > 1
    assert 0 < proxy.metric("outrigger_client_budget_used_ratio", client="desk", period="month") < 1
    assert proxy.metric("outrigger_client_budget_usd", client="desk", period="month") == 500


def test_anthropic_sdk_sees_a_clear_429_and_does_not_retry(start):
    sim = start(Sim)
    proxy = start(Outrigger, config(sim, "rate = { requests_per_minute = 1 }"))
    with anthropic.Anthropic(base_url=proxy.url, api_key=KEYS["desk"], max_retries=3, timeout=10) as client:
        client.messages.create(model="claude-sonnet-4-20250514", max_tokens=20, messages=QUESTION)
        began = time.monotonic()
        with pytest.raises(anthropic.RateLimitError) as refused:
            client.messages.create(model="claude-sonnet-4-20250514", max_tokens=20, messages=QUESTION)
        assert time.monotonic() - began < 1
    assert refused.value.body["error"]["type"] == "rate_limit_error"
    assert "The client `desk` has used the 1 requests that it may use in a minute." in refused.value.body["error"]["message"]
    assert 50 <= int(refused.value.response.headers["retry-after"]) <= 61
    assert status_of(proxy)["refused"] == 1 and status_of(proxy)["requests"] == 2


def test_money_in_log_metrics_and_status(start):
    sim = start(Sim)
    proxy = start(Outrigger, config(sim, "", model='name = "*"\nprice = { input = 1000, output = 100000 }'))
    first = ask(proxy, "one").json()["usage"]
    for _ in ask(proxy, "two", stream=True, stream_options={"include_usage": True}).iter_content():
        pass
    ask(proxy, "one")
    cost = (first["prompt_tokens"] * 1000 + first["completion_tokens"] * 100000) / 1e6
    log = proxy.access_log(3)
    assert log[0]["spent_usd"] == pytest.approx(cost) and log[0]["client"] == "desk"
    assert log[1]["spent_usd"] > 0 and "spent_usd" not in log[2] and log[2]["saved_usd"] == pytest.approx(cost)
    total = log[0]["spent_usd"] + log[1]["spent_usd"]
    assert proxy.metric("outrigger_spent_usd_total", model="gpt-4o-mini") == pytest.approx(total)
    assert proxy.metric("outrigger_client_spent_usd_total", client="desk") == pytest.approx(total)
    status = requests.get(proxy.admin + "/api/status", timeout=10).json()
    assert status["spending"]["usd"] == pytest.approx(total) and status["spending"]["requests"] == 2
    assert status["spending"]["models"][0]["model"] == "gpt-4o-mini"
    assert status["spending"]["prompt_tokens"] == log[0]["prompt_tokens"] + log[1]["prompt_tokens"]
    assert status_of(proxy)["spent_usd"]["day"] == pytest.approx(total) and status_of(proxy)["budget_usd"] == {}
    assert status_of(proxy, "other") == {"name": "other", "requests": 0, "refused": 0, "spent_usd": {"day": 0.0, "month": 0.0},
                                         "budget_usd": {}}


def test_keys_appear_nowhere(start):
    sim, redis = start(Sim), start(Redis)
    proxy = start(Outrigger, config(sim, "rate = { requests_per_minute = 4 }\nbudget = { usd_per_day = 0.01 }", with_redis(redis)))
    answers = [ask(proxy, str(n)) for n in range(6)] + [proxy.chat("x", key="sk-wrong-hunter2")]
    assert [answer.status_code for answer in answers] == [200, 429, 429, 429, 429, 429, 401]
    for path in ("/gemini", "/v1/models/m:generateContent"):
        requests.post(proxy.url + path, json={"model": "m"}, headers={"x-goog-api-key": KEYS["other"]}, timeout=10)
    wait_until(lambda: redis.command("KEYS", "outrigger:spent:*"))
    shown = [answer.text + str(answer.headers) for answer in answers]
    shown += [requests.get(proxy.admin + path, timeout=10).text for path in ("/api/status", "/metrics")]
    shown += [proxy.text(), str(redis.command("KEYS", "*")), json.dumps(sim.stats())]
    for text in shown:
        for key in KEYS.values():
            assert key not in text
        assert "sk-wrong-hunter2" not in text


def month(proxy):
    return status_of(proxy)["spent_usd"]["month"]


def test_two_replicas_and_a_restart_keep_one_budget(start):
    sim, redis = start(Sim), start(Redis)
    text = config(sim, "budget = { usd_per_month = 20 }", with_redis(redis))
    first, second = start(Outrigger, text), start(Outrigger, text)
    spend(first, 8, "first")
    wait_until(lambda: month(second) == pytest.approx(month(first)))
    spend(second, 20, "second")
    spent = month(second)
    assert spent >= 20
    wait_until(lambda: month(first) == pytest.approx(spent))
    assert ask(first, "more").status_code == 429 and ask(second, "and here").status_code == 429
    for key in redis.command("KEYS", "outrigger:spent:*"):
        assert key.startswith(b"outrigger:spent:desk:20") or key.startswith(b"outrigger:spent:other:20")
        assert redis.command("PTTL", key) > 24 * 3600 * 1000
    first.stop()
    second.stop()
    third = start(Outrigger, text)
    wait_until(lambda: month(third) == pytest.approx(spent))
    assert ask(third, "anew").status_code == 429


def test_a_process_that_is_stopped_forgets_nothing(start):
    sim, redis = start(Sim), start(Redis)
    text = config(sim, "budget = { usd_per_day = 1000 }", with_redis(redis))
    for n in range(3):
        proxy = start(Outrigger, text)
        ask(proxy, f"question {n}")
        assert proxy.stop() == 0  # at once
    proxy = start(Outrigger, text)
    paid = sum(json.loads(line)["spent_usd"] for log in proxy.config.parent.glob("outrigger-*.log")
               for line in log.read_text().splitlines() if "spent_usd" in line)
    assert paid > 0
    wait_until(lambda: status_of(proxy)["spent_usd"]["day"] == pytest.approx(paid))


def test_redis_goes_and_comes_back(start):
    sim, redis = start(Sim), start(Redis)
    proxy = start(Outrigger, config(sim, "budget = { usd_per_day = 1000 }", with_redis(redis)))
    ask(proxy, "one")
    wait_until(lambda: redis.command("KEYS", "outrigger:spent:*"))
    redis.command("FLUSHALL")
    redis.send_signal(signal.SIGSTOP)
    for n in range(5):
        assert ask(proxy, f"two {n}").status_code == 200
        time.sleep(0.3)
    redis.send_signal(signal.SIGCONT)
    spent = round(status_of(proxy)["spent_usd"]["day"] * 1e9)
    wait_until(lambda: [int(value) for key in redis.command("KEYS", "outrigger:spent:desk:*-*-*")
                        for value in redis.command("HGETALL", key)[1::2]] == [spent], 15)


def test_a_redis_that_forgets_hands_no_budget_out_twice(start):
    sim, redis = start(Sim), start(Redis)
    text = config(sim, "budget = { usd_per_month = 2 }", with_redis(redis))
    first = start(Outrigger, text)
    spend(first, 2)
    spent = month(first)
    first.stop()
    second = start(Outrigger, text)
    wait_until(lambda: month(second) == pytest.approx(spent))
    redis.command("FLUSHALL")
    wait_until(lambda: redis.command("KEYS", "outrigger:spent:desk:*"))
    for key in redis.command("KEYS", "outrigger:spent:*"):
        assert redis.command("PTTL", key) > 24 * 3600 * 1000
    second.stop()
    third = start(Outrigger, text)
    wait_until(lambda: month(third) == pytest.approx(spent))
    assert ask(third, "anew").status_code == 429


def test_a_reload_raises_a_budget_and_forgets_nothing(start):
    sim = start(Sim)
    proxy = start(Outrigger, config(sim, "budget = { usd_per_day = 0.01 }"))
    ask(proxy, "one")
    assert ask(proxy, "two").status_code == 429
    spent = status_of(proxy)["spent_usd"]["day"]
    proxy.config.write_text(proxy.config.read_text().replace("usd_per_day = 0.01", "usd_per_day = 500"))
    wait_until(lambda: status_of(proxy)["budget_usd"].get("day") == 500)
    assert status_of(proxy)["spent_usd"]["day"] == spent
    assert ask(proxy, "two").status_code == 200


@pytest.mark.parametrize("limits", ['models = ["whisper*"]', "budget = { usd_per_day = 5 }"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_upload_names_its_model_before_it_goes_on(start, limits, chunked):
    sim = start(Sim)
    proxy = start(Outrigger, config(sim, limits, model='name = "whisper*"\nprice = { input = 1, output = 1 }'))

    def upload(model, size=100_000):
        boundary = b"a-boundary-of-these-tests"
        body = (b'--%s\r\nContent-Disposition: form-data; name="model"\r\n\r\n%s\r\n'
                b'--%s\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n%s\r\n'
                b"--%s--\r\n" % (boundary, model, boundary, b"x" * size, boundary))
        pieces = (body[at:at + 3000] for at in range(0, len(body), 3000))
        answer = requests.post(proxy.url + "/v1/audio/transcriptions", data=pieces if chunked else body, timeout=10,
                               headers={"authorization": f"Bearer {KEYS['desk']}",
                                        "content-type": f"multipart/form-data; boundary={boundary.decode()}"})
        return answer, body

    for size in (100, 100_000, 3_000_000):
        answer, body = upload(b"whisper-1", size)
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-outrigger-served-by"] == "sim:whisper-1"
        assert hashlib.sha256(body).hexdigest()[:8] in answer.text
    refused, _ = upload(b"another")
    assert refused.status_code == 403 and refused.json()["error"]["code"] in ("forbidden", "client_price_unknown")
    assert sim.calls("audio/transcriptions") == 3


def check(tmp_path, text):
    file = tmp_path / "checked.toml"
    file.write_text(text)
    return subprocess.run([BUILD / "outrigger", "check", "--config", file], capture_output=True, text=True, timeout=10)


def test_check_tells_what_would_surprise(start, tmp_path):
    sim = start(Sim)
    budget = "budget = { usd_per_day = 5 }"
    told = check(tmp_path, config(sim, budget, model='name = "mystery"'))
    assert told.returncode == 0
    assert "warning: the price of [[model]] `mystery` is not known, so requests of [[client]] `desk`" in told.stderr
    assert "without [redis] a restart forgets what [[client]] `desk` has spent" in told.stderr
    assert "desk  all models, 5.00 USD a day" in told.stdout
    known = check(tmp_path, config(sim, budget, '[redis]\nurl = "redis://r"\n', model='name = "mystery"\ntarget = "sim:gpt-4o"'))
    assert known.returncode == 0 and "warning" not in known.stderr
    for wrong, word in (("budget = { usd_per_day = 0 }", "must be from 0.01"), ("budget = { usd_per_week = 5 }", "did you mean"),
                        ("budget = 5", "must be a table"), ("budget = { usd_per_month = -1e300 }", "must be from 0.01"),
                        ("rate = { requests_per_minute = 1.5 }", "whole number"), ("queue = { depth = 5 }", "belongs to a [[model]]"),
                        ("budgets = { usd_per_day = 5 }", "did you mean `budget`")):
        told = check(tmp_path, config(sim, wrong))
        assert told.returncode == 1 and word in told.stderr, (wrong, told.stderr)
