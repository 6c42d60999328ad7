"""Dify's plugin SDK: the classes that every OpenAI-compatible plugin of Dify is made of, talking to the real binary."""
import importlib.util
import json
import pathlib
import subprocess
import sys

import pytest

from chains import sha256
from conftest import Outrigger, Sim, upstream

pytestmark = pytest.mark.skipif(importlib.util.find_spec("dify_plugin") is None, reason="Dify's plugin SDK is not installed")

QUESTION = [{"role": "system", "content": "You are the support desk."}, {"role": "user", "content": "退货政策是什么？"}]


@pytest.fixture(scope="module")
def dify():
    child = subprocess.Popen([sys.executable, pathlib.Path(__file__).with_name("dify_models.py")], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    ready = child.stdout.readline()
    assert ready == "ready\n", child.stderr.read()

    def work(what, **named):
        child.stdin.write(json.dumps({"work": what, **named}) + "\n")
        child.stdin.flush()
        return json.loads(child.stdout.readline())

    yield work
    child.stdin.close()
    child.wait(10)


def credentials(proxy, path="/v1", **more):
    return {"endpoint_url": proxy.url + path, "api_key": "sk-dify", "mode": "chat", "function_calling_type": "tool_call",
            "context_size": "8192", **more}


def say(dify, proxy, messages=None, stream=True, model="gpt-4o-mini", path="/v1", **more):
    return dify("say", name=model, credentials=credentials(proxy, path), messages=messages or QUESTION, stream=stream, **more)


@pytest.mark.parametrize("path", ["/v1", "/v1/", "", "/sim/v1"])
def test_saving_credentials_reaches_the_provider_each_time(dify, pair, path):
    sim, proxy = pair
    for calls in (1, 2):
        assert dify("validate", model="llm", name="gpt-4o-mini", credentials=credentials(proxy, path)) == {}
        assert sim.calls("chat/completions") == calls and sim.last()["credential_sha256"] == sha256("sk-dify")
    assert dify("validate", model="llm", name="gpt-4o-mini", credentials=credentials(proxy, path, mode="completion")) == {}
    assert dify("validate", model="llm", name="gpt-4o-mini", credentials=credentials(proxy, path, stream_mode_auth="use")) == {}
    assert dify("validate", model="embedding", name="text-embedding-3-small", credentials=credentials(proxy, path)) == {}
    sim.faults("[[fault]]\nstatus = 401\n")
    for model in ("llm", "embedding", "rerank"):
        refused = dify("validate", model=model, name="gpt-4o-mini", credentials=credentials(proxy, path))
        assert refused["error"] == "CredentialsValidateFailedError" and "401" in refused["message"], model


def test_a_reranker_is_checked_at_the_provider_too(dify, pair):
    sim, proxy = pair
    for calls in (1, 2):
        assert dify("validate", model="rerank", name="jina-reranker-v2", credentials=credentials(proxy)) == {}
        assert sim.calls("rerank") == calls


def test_a_check_is_never_answered_by_a_fallback(dify, start):
    sim, backup = start(Sim), start(Sim)
    proxy = start(Outrigger, upstream(sim) + upstream(backup, "backup", 'dialect = "anthropic"\nkeys = ["sk-b"]')
                  + '[[model]]\nname = "*"\nfallback = ["backup:claude-haiku-4-5"]\nretry = { attempts = 1 }\n')
    for status in (401, 503):
        sim.faults(f"[[fault]]\nstatus = {status}\n")
        assert str(status) in dify("validate", model="llm", name="gpt-4o-mini", credentials=credentials(proxy))["message"]
    assert backup.calls() == 0


@pytest.mark.parametrize("first", [True, False], ids=["streamed first", "blocking first"])
def test_a_question_is_asked_once(dify, pair, first):
    sim, proxy = pair
    answers = [say(dify, proxy, stream=stream, user=user, temperature=0.7)
               for stream, user in ((first, "7f1e"), (not first, "2ad3"), (first, "99aa"))]
    assert sim.calls() == 1 and len({a["text"] for a in answers}) == 1 and answers[0]["text"]
    # Without the usage, which this SDK does not ask for in streams, it estimates what it tells Dify.
    assert all(a["usage"][0] > 0 and a["usage"][1] > 10 for a in answers) and (first or answers[0]["usage"][1] == 40)
    assert not first or answers[0]["pieces"] == answers[2]["pieces"] > 10, "replayed in its pieces"
    assert {a["finish"] for a in answers} <= {"stop", None}


def agent(dify, proxy, stream, model="gpt-4o-mini"):
    messages = [{"role": "user", "content": "Use the tools stock and price for the blue lamp."}]
    called = say(dify, proxy, messages, stream, model, tools=["stock", "price"])
    assert [c[1] for c in called["calls"]] == ["stock", "price"], called
    assert all(json.loads(c[2])["item"] for c in called["calls"])
    messages.append({"role": "assistant", "calls": called["calls"]})
    messages += [{"role": "tool", "id": c[0], "name": c[1], "content": "7"} for c in called["calls"]]
    said = say(dify, proxy, messages, stream, model, tools=["stock", "price"])
    assert said["text"] and not said["calls"], said
    return called, said


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "blocking"])
def test_an_agent_with_tools(dify, pair, stream):
    sim, proxy = pair
    called, said = agent(dify, proxy, stream)
    again, same = agent(dify, proxy, not stream)
    assert sim.calls() == 2 and same["text"] == said["text"] and [c[1:] for c in again["calls"]] == [c[1:] for c in called["calls"]]


def test_embeddings_one_by_one_and_again(dify, pair):
    sim, proxy = pair
    texts = ["alpha", "beta", "gamma"]
    first = dify("embed", name="text-embedding-3-small", credentials=credentials(proxy), texts=texts, user="u1")
    assert len(first["embeddings"]) == 3 and first["tokens"] > 0
    calls = sim.calls("embeddings")
    again = dify("embed", name="text-embedding-3-small", credentials=credentials(proxy), texts=texts[::-1], user="u2")
    assert again["embeddings"] == first["embeddings"][::-1] and sim.calls("embeddings") == calls


def test_rerank_and_again(dify, pair):
    sim, proxy = pair
    docs = ["Shipping takes two days.", "The lamp is blue.", "Returns are free."]
    first, again = (dify("rerank", name="jina-reranker-v2", credentials=credentials(proxy), query="How long does shipping take?",
                         docs=docs, top_n=2) for _ in range(2))
    assert first == again and [d[1] for d in first["docs"]][0] == docs[0] and sim.calls("rerank") == 1


@pytest.fixture
def claude_behind(start):
    sim, backup = start(Sim), start(Sim)
    proxy = start(Outrigger, upstream(sim) + upstream(backup, "backup", 'dialect = "anthropic"\nkeys = ["sk-b"]')
                  + '[[model]]\nname = "*"\nfallback = ["backup:claude-haiku-4-5"]\nretry = { attempts = 1 }\nbreaker = { failures = 50 }\n')
    return sim, backup, proxy


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "blocking"])
def test_a_fallback_on_anthropics_wire_answers(dify, claude_behind, stream):
    sim, backup, proxy = claude_behind
    sim.faults("[[fault]]\nstatus = 503\n")
    said = say(dify, proxy, stream=stream, stop=["zzz"], user="2ad3", temperature=0.7, max_tokens=500)
    assert "退货政策" in said["text"] and said["finish"] == ("stop" if stream else None), said
    assert stream or said["usage"][1] == 40
    sent = json.loads(backup.last()["body"])
    assert sent["model"] == "claude-haiku-4-5" and sent["stop_sequences"] == ["zzz"] and sent["max_tokens"] == 500
    assert sent["metadata"] == {"user_id": "2ad3"} and backup.last()["credential_sha256"] == sha256("sk-b")
    agent(dify, proxy, stream)
    assert backup.calls("messages") == 3 and "sk-" not in proxy.text()


@pytest.mark.parametrize("fault", ["error_in_stream = true", "truncate = true", "no_done = true"])
def test_a_fallback_that_breaks_off_is_an_error_in_dify(dify, claude_behind, fault):
    sim, backup, proxy = claude_behind
    sim.faults("[[fault]]\nstatus = 503\n")
    backup.faults(f"[[fault]]\nafter = 5\n{fault}\n")
    said = say(dify, proxy)
    assert said.get("error") == "ValueError" and "127.0.0.1" not in said["message"], said


def test_errors_keep_the_providers_words(dify, pair):
    sim, proxy = pair
    sim.faults("[[fault]]\nstatus = 400\n")
    for stream in (True, False):
        said = say(dify, proxy, stream=stream)
        assert said["error"] == "InvokeError" and "400" in said["message"] and "The request is not valid." in said["message"]
