"""Nothing is left that could answer: what the client is told, how soon, and how often anything is tried."""
import json
import shutil
import subprocess
import time

import openai
import pytest
import requests

from chains import FIRST, SECOND, Chain, read_sse, soon, text_of, together
from conftest import ROOT, Outrigger, Sim, upstream

# The ten bad minutes begin here and go on beside these tests, which mostly wait.
pytestmark = pytest.mark.usefixtures("ten_minutes")

QUESTION = [{"role": "user", "content": "How long does shipping take?"}]
SORRY = "We are sorry, the assistant is busy."


@pytest.mark.parametrize("stream", [False, True], ids=["blocking", "streamed"])
def test_the_first_targets_own_error_reaches_the_client(start, stream):
    chain = Chain(start, "retry = { attempts = 1 }")
    chain.primary.faults('[[fault]]\nstatus = 503\ncode = "engine_on_fire"\nretry_after = 7\n')
    chain.backup.faults('[[fault]]\nstatus = 500\ncode = "another_story"\n')
    answer = chain.ask(stream=stream)
    assert answer.status_code == 503 and answer.json()["error"]["code"] == "engine_on_fire"
    assert answer.headers["x-should-retry"] == "false" and answer.headers["retry-after"] == "7"
    assert int(answer.headers["x-outrigger-attempts"]) == 2
    assert [t["outcome"] for t in chain.proxy.access_log(1)[0]["tried"]] == ["status_503", "status_500"]


def test_retries_are_few_and_rationed(start):
    chain = Chain(start, 'breaker = { failures = 1000 }\nretry = { attempts = 3, budget = 0.1 }')
    for sim in (chain.primary, chain.backup):
        sim.faults("[[fault]]\nstatus = 500\n")
    answers = together(40, lambda n: chain.ask(f"q{n}"))
    assert {a.status_code for a in answers} == {500}
    most = max(int(a.headers["x-outrigger-attempts"]) for a in answers)
    tried = chain.primary.calls() + chain.backup.calls()
    # Two targets for each, and fewer when the breakers have seen enough; beyond that a reserve of ten and one in ten, each of which
    # may try both again.
    assert 3 <= most <= 4 and 40 < tried <= 80 + 2 * (10 + 40 * 0.1) and tried == chain.proxy.metric("outrigger_attempts_total")


@pytest.mark.parametrize("stream", [False, True], ids=["blocking", "streamed"])
def test_fixed_words_stand_in(start, stream):
    chain = Chain(start, f'answer = "{SORRY}"\nretry = {{ attempts = 1 }}')
    for sim in (chain.primary, chain.backup):
        sim.faults("[[fault]]\nstatus = 503\n")
    answer = chain.ask(stream=stream, stream_options={"include_usage": True} if stream else None)
    assert answer.status_code == 200 and text_of(answer) == SORRY and answer.headers["x-outrigger-served-by"] == "fixed"
    if stream:
        events = read_sse(answer)
        assert events[-1] == "[DONE]" and events[-2]["usage"]["total_tokens"] == 0
        assert any(c["finish_reason"] == "stop" for e in events[:-1] for c in e["choices"])
    # It is said, not kept.
    for sim in (chain.primary, chain.backup):
        sim.faults("")
    soon(lambda: text_of(chain.ask(stream=stream)) != SORRY, "the fixed words go on")


def test_fixed_words_are_for_what_passes(start):
    chain = Chain(start, f'answer = "{SORRY}"')
    chain.primary.faults('[[fault]]\nstatus = 400\ncode = "invalid_value"\n')
    assert chain.ask().status_code == 400


def test_a_stale_answer_stands_in(start):
    chain = Chain(start, f'answer = "{SORRY}"\nretry = {{ attempts = 1 }}', more='[cache]\nttl = "1s"\nstale_if_error = "1h"\n')
    first = chain.ask("Where is my parcel?")
    time.sleep(1.1)
    for sim in (chain.primary, chain.backup):
        sim.faults("[[fault]]\nstatus = 503\n")
    for stream in (False, True):
        answer = chain.ask("Where is my parcel?", stream=stream)
        assert answer.status_code == 200 and answer.headers["x-outrigger-cache"] == "stale" and text_of(answer) == text_of(first)
        assert answer.headers["x-outrigger-served-by"] == FIRST and int(answer.headers["age"]) >= 1
    # Better yesterday's answer than none, better another model's than yesterday's.
    chain.backup.faults("")
    soon(lambda: chain.ask("Where is my parcel?").headers["x-outrigger-served-by"] == SECOND, "the fallback is not asked")


def test_a_target_that_rests_is_an_answer_at_once(start):
    chain = Chain(start, 'retry = { attempts = 1 }\nbreaker = { failures = 2, open = "20s", max_open = "20s" }', fallback=None)
    chain.primary.faults("[[fault]]\nstatus = 503\n")
    for number in range(2):
        assert chain.ask(f"q{number}").status_code == 503
    began = time.monotonic()
    answer = chain.ask("q3")
    assert time.monotonic() - began < 1 and chain.primary.calls() == 2
    assert answer.status_code == 503 and answer.json()["error"]["code"] == "no_target"
    assert answer.headers["x-should-retry"] == "false" and 1 <= int(answer.headers["retry-after"]) <= 20
    assert 0 < int(answer.headers["retry-after-ms"]) <= 20_000
    assert chain.proxy.access_log(3)[2]["error"] == "no_target"


@pytest.mark.parametrize("fault,kind", [("status = 503", openai.InternalServerError), ("refuse = true", openai.InternalServerError),
                                        ('status = 429\ncode = "insufficient_quota"', openai.RateLimitError)])
def test_the_python_sdk_does_not_multiply_attempts(start, fault, kind):
    chain = Chain(start, "retry = { attempts = 1 }")
    for sim in (chain.primary, chain.backup):
        sim.faults(f"[[fault]]\n{fault}\n")
    with openai.OpenAI(base_url=chain.proxy.url + "/v1", api_key="sk-test", max_retries=4, timeout=10) as client:
        with pytest.raises(kind):
            client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
    assert len(chain.proxy.access_log(1)) == 1 and chain.proxy.metric("outrigger_requests_total") == 1
    assert chain.proxy.metric("outrigger_attempts_total") == 2


def test_the_python_sdk_sees_the_fallbacks_answer(start):
    chain = Chain(start)
    chain.primary.faults("[[fault]]\nstatus = 500\n")
    with openai.OpenAI(base_url=chain.proxy.url + "/v1", api_key="sk-test", max_retries=0, timeout=10) as client:
        raw = client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=QUESTION)
        assert raw.parse().model == "gpt-4o" and raw.headers["x-outrigger-served-by"] == SECOND
        chunks = list(client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION, stream=True))
        assert {c.model for c in chunks} == {"gpt-4o"} and chunks[-1].choices[0].finish_reason == "stop"


def test_the_node_sdk_does_not_multiply_attempts(start):
    modules = ROOT / "build/wire/node"
    if shutil.which("node") is None or not (modules / "node_modules/openai").exists():
        pytest.skip("the Node SDK is not installed")
    chain = Chain(start, "retry = { attempts = 1 }")
    shutil.copy(ROOT / "tests/wire/node/failed.mjs", modules / "failed.mjs")
    done = subprocess.run(["node", "failed.mjs", chain.proxy.url, chain.primary.url, chain.backup.url], cwd=modules,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "all good" in done.stdout, done.stdout + done.stderr
    # One answered by the fallback, one that nobody answered: two attempts each.
    assert chain.proxy.metric("outrigger_requests_total") == 2 and chain.proxy.metric("outrigger_attempts_total") == 4


def timed(work):
    began = time.monotonic()
    result = work()
    return result, time.monotonic() - began


def test_the_clients_own_limit_is_kept(start):
    chain = Chain(start, "retry = { attempts = 1 }")
    for sim in (chain.primary, chain.backup):
        sim.faults('[[fault]]\nfirst_token = "30s"\n')
    answer, took = timed(lambda: chain.ask(headers={"x-outrigger-timeout": "500ms"}))
    assert answer.status_code == 504 and 0.4 < took < 2
    assert answer.headers["x-should-retry"] == "false" and answer.json()["error"]["type"] == "timeout_error"
    for nonsense in ("soon", "-1s", "0s", "1e9", ""):
        chain.primary.faults("")
        answer = chain.ask(f"nonsense {nonsense}", headers={"x-outrigger-timeout": nonsense})
        assert answer.status_code == 200, nonsense


@pytest.mark.parametrize("headers,least,most", [({"x-stainless-read-timeout": "1"}, 0.0, 1.0),
                                                ({"x-outrigger-timeout": "700ms"}, 0.0, 0.9)])
def test_nobody_is_left_waiting_until_he_hangs_up(start, headers, least, most):
    # One place, which is taken for longer than the client will wait: it is told before it gives up.
    chain = Chain(start, "concurrency = 1", primary='first_token = "4s"\n', fallback=None)
    slow = subprocess.Popen(["curl", "-s", "-o", "/dev/null", chain.proxy.url + "/v1/chat/completions",
                             "-H", "authorization: Bearer sk-test", "-d", json.dumps({"model": "gpt-4o-mini", "messages": QUESTION})])
    try:
        soon(lambda: chain.primary.calls() == 1, "the place is not taken")
        answer, took = timed(lambda: chain.ask("another", headers=headers))
    finally:
        slow.kill()
        slow.wait()
    assert answer.status_code == 429 and answer.json()["error"]["code"] == "queue_wait" and least <= took < most
    assert answer.headers["x-should-retry"] == "false"
    assert int(answer.headers["retry-after"]) >= 1 and int(answer.headers["retry-after-ms"]) >= 1
    assert chain.primary.calls() == 1


def test_a_single_provider_of_old_still_fails_as_before(start):
    sim = start(Sim)
    proxy = start(Outrigger, upstream(sim))
    sim.faults('[[fault]]\nstatus = 418\nheaders = { x-request-note = "keep" }\n')
    answer = proxy.chat()
    assert answer.status_code == 418 and answer.headers["x-request-note"] == "keep"
    assert requests.get(proxy.url + "/v1/models", headers={"authorization": "Bearer sk-test"}).status_code == 418
