"""The main job: the second identical question costs nothing."""
import copy
import json
import random
import time
import uuid

import pytest
import requests

from conftest import Outrigger, Sim, read_sse, text_of, upstream


def test_a_repeated_question_is_answered_from_the_cache(pair):
    sim, proxy = pair
    first, second = proxy.chat("How do I return goods?"), proxy.chat("How do I return goods?")
    assert first.headers["x-outrigger-cache"] == "miss"
    assert first.headers["x-outrigger-attempts"] == "1"
    assert second.headers["x-outrigger-cache"] == "hit"
    assert second.headers["x-outrigger-attempts"] == "0"
    assert second.headers["x-outrigger-served-by"] == first.headers["x-outrigger-served-by"] == "sim:gpt-4o-mini"
    assert int(second.headers["age"]) <= 5 and "age" not in first.headers
    assert second.headers["x-outrigger-request-id"] != first.headers["x-outrigger-request-id"]
    one, two = first.json(), second.json()
    assert one.pop("id") != two.pop("id")
    one.pop("created"), two.pop("created")
    assert one == two
    assert sim.calls("chat/completions") == 1


def shuffled(value):
    """The same JSON in another member order."""
    if isinstance(value, dict):
        members = list(value.items())
        random.shuffle(members)
        return {k: shuffled(v) for k, v in members}
    return [shuffled(v) for v in value] if isinstance(value, list) else value


def test_a_thousand_dify_users_with_one_question_cost_one_call(pair):
    sim, proxy = pair
    session = requests.Session()
    texts = set()
    for n in range(1000):
        user = str(uuid.uuid4())
        stream = n % 2 == 1
        question = random.choice(["如何退货？ 谢谢", "如何退货？ 谢谢\r\n", "\ufeff如何退货？  谢谢", " 如何退货？ 谢谢\u200b"])
        body = {"model": "gpt-4o-mini", "stream": stream, "temperature": random.choice([0.7, 0.70]), "max_tokens": 512,
                "messages": [{"role": "system", "content": "You are a support desk."}, {"role": "user", "content": question}],
                random.choice(["user", "safety_identifier", "prompt_cache_key"]): user}
        if stream:
            body["stream_options"] = {"include_usage": random.random() < 0.5}
        text = json.dumps(shuffled(body), ensure_ascii=random.random() < 0.5, indent=random.choice([None, 2]))
        answer = session.post(proxy.url + random.choice(["/v1/chat/completions", "/chat/completions"]), data=text.encode(),
                              headers={"authorization": "Bearer sk-test", "content-type": "application/json"})
        assert answer.status_code == 200
        assert answer.headers["x-outrigger-cache"] == ("miss" if n == 0 else "hit"), f"request {n}: {text}"
        texts.add(text_of(answer))
    assert sim.calls("chat/completions") == 1
    assert len(texts) == 1


def test_what_matters_is_never_merged(pair):
    """10,000 pairs that differ in one thing that matters; their keys are compared, and a sample is really asked."""
    sim, proxy = pair
    session = requests.Session()
    base = {"model": "gpt-4o-mini", "temperature": 0.7, "seed": 9007199254740993, "stop": ["\n\n", "END"],
            "messages": [{"role": "system", "content": "Answer in 2 sentences."},
                         {"role": "user", "content": "Is article 4711 in stock in size 42?"}],
            "tools": [{"type": "function", "function": {"name": "stock", "parameters": {
                "type": "object", "properties": {"article": {"type": "integer", "maximum": 9007199254740993}}}}}]}

    def keyed(body, **named):
        answer = session.post(proxy.admin + "/api/explain", params={"path": named.get("path", "/v1/chat/completions")},
                              data=json.dumps(body), headers={"authorization": "Bearer " + named.get("key", "sk-test")}).json()
        assert answer["cacheable"], answer
        return answer["key"]

    def change(body):
        kind = random.randrange(12)
        if kind == 0:
            body["messages"][1]["content"] = body["messages"][1]["content"].replace("4711", str(random.randrange(5000, 10**9)))
        elif kind == 1:
            body["tools"][0]["function"]["name"] = f"stock{random.randrange(10**9)}"
        elif kind == 2:
            body["model"] = f"gpt-4o-mini-{random.randrange(10**9)}"
        elif kind == 3:
            body["messages"][0]["content"] = f"Answer in {random.randrange(3, 10**9)} sentences."
        elif kind == 4:
            body["seed"] = 9007199254740993 + random.choice([-1, 1]) * random.randrange(1, 10**6)
        elif kind == 5:
            body["x_" + str(random.randrange(10**9))] = random.choice([0, "", [], {}, False])
        elif kind == 6:
            body["tools"][0]["function"]["parameters"]["properties"]["article"]["maximum"] = 9007199254740992 - random.randrange(10**6)
        elif kind == 7:
            body["temperature"] = random.uniform(0, 0.69)
        elif kind == 8:
            body["stop"] = [str(random.random())]
        elif kind == 9:
            body["messages"].append({"role": "user", "content": str(random.random())})
        elif kind == 10:
            body["messages"][0]["role"] = random.choice(["developer", "user"])
        else:
            return {"key": f"sk-{random.random()}"}
        return {}

    first = keyed(base)
    for _ in range(10_000):
        other = copy.deepcopy(base)
        named = change(other)
        assert keyed(other, **named) != first, other
    assert keyed(base) == first
    proxy.chat("Is article 4711 in stock?")
    for content in ["Is article 4712 in stock?", "is article 4711 in stock?", "Is article 4711 in stock", "Is article  47 11 in stock?"]:
        assert proxy.chat(content).headers["x-outrigger-cache"] == "miss"
    assert proxy.chat("Is article 4711 in stock?", key="sk-other").headers["x-outrigger-cache"] == "miss"
    assert proxy.chat("Is article 4711 in stock?").headers["x-outrigger-cache"] == "hit"
    assert sim.calls("chat/completions") == 6


@pytest.mark.parametrize("first_streams", [False, True])
def test_one_stored_answer_serves_both_forms(pair, first_streams):
    sim, proxy = pair
    first = proxy.chat("Tell me something.", stream=first_streams, **({"stream_options": {"include_usage": True}} if first_streams else {}))
    text = text_of(first)
    blocking = proxy.chat("Tell me something.")
    assert blocking.headers["x-outrigger-cache"] == "hit"
    body = blocking.json()
    assert body["object"] == "chat.completion" and body["choices"][0]["message"]["content"] == text
    assert body["choices"][0]["finish_reason"] == "stop" and body["usage"]["completion_tokens"] > 0
    assert body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] + body["usage"]["completion_tokens"]
    plain = read_sse(proxy.chat("Tell me something.", stream=True))
    counted = read_sse(proxy.chat("Tell me something.", stream=True, stream_options={"include_usage": True}))
    assert plain[-1] == counted[-1] == "[DONE]"
    assert all(e["choices"] for e in plain[:-1])
    assert counted[-2]["choices"] == [] and counted[-2]["usage"]["prompt_tokens"] == body["usage"]["prompt_tokens"]
    for events in (plain, counted):
        assert len({e["id"] for e in events[:-1]}) == 1 and abs(events[0]["created"] - time.time()) < 5
        assert "".join(c["delta"].get("content") or "" for e in events[:-1] for c in e["choices"]) == text
    if first_streams:  # in the original pieces
        pieces = [e["choices"][0]["delta"].get("content") for e in read_sse(first) if e != "[DONE]" and e["choices"]]
        assert [e["choices"][0]["delta"].get("content") for e in plain[:-1]] == pieces
    assert sim.calls("chat/completions") == 1


def test_usage_can_be_reported_as_zero_on_a_hit(start):
    sim = start(Sim)
    proxy = start(Outrigger, '[cache]\nusage = "zero"\n' + upstream(sim))
    assert proxy.chat().json()["usage"]["total_tokens"] > 0
    assert proxy.chat().json()["usage"] == {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


def test_steering_by_cache_control(pair):
    sim, proxy = pair
    proxy.chat()
    stored = proxy.chat(headers={"cache-control": "no-store"})
    assert stored.headers["x-outrigger-cache"] == "bypass; reason=no_store"
    assert proxy.chat(headers={"cache-control": "no-cache"}).headers["x-outrigger-cache"] == "miss"
    assert proxy.chat(headers={"cache-control": "max-age=600"}).headers["x-outrigger-cache"] == "hit"
    time.sleep(1.1)
    assert proxy.chat(headers={"cache-control": "max-age=1"}).headers["x-outrigger-cache"] == "miss"
    assert sim.calls("chat/completions") == 4


def test_an_answer_lives_as_long_as_its_ttl(start):
    sim = start(Sim)
    proxy = start(Outrigger, '[cache]\nttl = "1s"\n' + upstream(sim))
    proxy.chat()
    assert proxy.chat().headers["x-outrigger-cache"] == "hit"
    time.sleep(1.1)
    assert proxy.chat().headers["x-outrigger-cache"] == "miss"


def test_a_stale_answer_stands_in_when_the_provider_is_down(start):
    sim = start(Sim)
    proxy = start(Outrigger, '[cache]\nttl = "1s"\n' + upstream(sim))
    text = text_of(proxy.chat())
    time.sleep(1.1)
    sim.faults("[[fault]]\nstatus = 503\n")
    answer = proxy.chat()
    assert answer.headers["x-outrigger-cache"] == "stale" and text_of(answer) == text
    assert int(answer.headers["age"]) >= 1
    assert proxy.chat("another").status_code == 503
    sim.stop()
    assert proxy.chat().headers["x-outrigger-cache"] == "stale"
    # Not reached, or not even tried any more.
    assert proxy.chat("another").status_code in (502, 503)


@pytest.mark.parametrize("scope,shared", [("credential", False), ("global", True)])
def test_scope_says_who_shares_answers(start, scope, shared):
    sim = start(Sim)
    proxy = start(Outrigger, f'[cache]\nscope = "{scope}"\n' + upstream(sim))
    proxy.chat(key="sk-a")
    assert proxy.chat(key="sk-b").headers["x-outrigger-cache"] == ("hit" if shared else "miss")
    assert proxy.chat(key="sk-a").headers["x-outrigger-cache"] == "hit"


def test_scope_user_needs_a_user(start):
    sim = start(Sim)
    proxy = start(Outrigger, '[cache]\nscope = "user"\n' + upstream(sim))
    assert proxy.chat().headers["x-outrigger-cache"] == "bypass; reason=no_scope_value"
    proxy.chat(user="a")
    assert proxy.chat(user="a").headers["x-outrigger-cache"] == "hit"
    assert proxy.chat(user="b").headers["x-outrigger-cache"] == "miss"


def test_a_route_has_a_cache_policy_of_its_own(start):
    sim = start(Sim)
    proxy = start(Outrigger, upstream(sim) + upstream(sim, "other") +
                  '[[route]]\npath = "/faq"\nupstream = "other"\ncache = { scope = "global", ttl = "24h" }\n'
                  '[[route]]\npath = "/live"\nupstream = "sim"\ncache = { mode = "off" }\n')
    proxy.chat(path="/faq/v1/chat/completions", key="sk-a")
    answer = proxy.chat(path="/faq/chat/completions", key="sk-b")
    assert answer.headers["x-outrigger-cache"] == "hit" and answer.headers["x-outrigger-served-by"] == "other:gpt-4o-mini"
    for _ in range(2):
        assert proxy.chat(path="/live/v1/chat/completions").headers["x-outrigger-cache"] == "bypass; reason=cache_off"
    assert proxy.chat(path="/sim/v1/chat/completions").headers["x-outrigger-served-by"] == "sim:gpt-4o-mini"
    assert proxy.chat().headers["x-outrigger-cache"] == "hit"


def test_observe_mode_counts_and_never_serves(start):
    sim = start(Sim)
    proxy = start(Outrigger, '[cache]\nmode = "observe"\n' + upstream(sim))
    results = [proxy.chat().headers["x-outrigger-cache"] for _ in range(3)]
    assert results == ["miss", "observe", "observe"]
    assert sim.calls("chat/completions") == 3
    assert proxy.metric("outrigger_cache_requests_total", result="observe") == 2


def test_a_credential_ping_always_reaches_the_provider(pair):
    sim, proxy = pair
    for n in range(3):
        answer = proxy.chat("ping", max_tokens=5)
        assert answer.headers["x-outrigger-cache"] == "bypass; reason=ping"
        assert answer.json()["object"] == "chat.completion"
        assert sim.calls("chat/completions") == n + 1


@pytest.mark.parametrize("members,reason", [
    ({"n": 2}, "several_answers"),
    ({"tools": [{"type": "web_search"}]}, "hosted_tool"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]}]}, "mutable_url"),
    ({"messages": "hello"}, "not_understood"),
])
def test_what_cannot_be_cached_says_why(pair, members, reason):
    _, proxy = pair
    for _ in range(2):
        assert proxy.chat(**members).headers["x-outrigger-cache"] == f"bypass; reason={reason}"
    assert proxy.metric("outrigger_cache_bypass_total", reason=reason) == 2


def test_temperature_above_the_limit_is_not_cached(start):
    sim = start(Sim)
    proxy = start(Outrigger, "[cache]\nmax_temperature = 0.5\n" + upstream(sim))
    assert proxy.chat(temperature=0.6).headers["x-outrigger-cache"] == "bypass; reason=temperature"
    assert proxy.chat(temperature=0.5).headers["x-outrigger-cache"] == "miss"


@pytest.mark.parametrize("fault", ["status = 500", "status = 429", 'finish_reason = "length"', 'finish_reason = "content_filter"',
                                   "empty = true", "refusal = true", "error_in_200 = true", "truncate = true",
                                   "no_finish_reason = true", "cut_at = 400", "error_in_stream = true", "wrong_length = 10"])
@pytest.mark.parametrize("stream", [False, True])
def test_nothing_is_stored_from_an_answer_that_is_not_whole_and_good(start, fault, stream):
    sim = start(Sim)
    proxy = start(Outrigger, upstream(sim) + '[[model]]\nname = "*"\nretry = { attempts = 1 }\n')
    sim.faults(f"[[fault]]\n{fault}\n")
    try:
        proxy.chat("A question?", stream=stream, max_tokens=100).content
    except requests.RequestException:
        pass
    sim.faults("")
    calls = sim.calls("chat/completions")
    answer = proxy.chat("A question?", stream=stream, max_tokens=100)
    whole = stream is False and fault in ("truncate = true", "error_in_stream = true") or stream and fault == "wrong_length = 10"
    if not whole:  # these faults do nothing to the other form
        assert answer.headers["x-outrigger-cache"] == "miss"
        assert sim.calls("chat/completions") == calls + 1
    assert text_of(answer)


def test_the_epoch_empties_the_cache_logically(start):
    sim = start(Sim)
    proxy = start(Outrigger, upstream(sim))
    before = proxy.explain({"model": "m", "messages": [{"role": "user", "content": "x"}]})["key"]
    other = start(Outrigger, '[cache]\nsecret = "s"\nepoch = "1"\n' + upstream(sim))
    third = start(Outrigger, '[cache]\nsecret = "s"\nepoch = "2"\n' + upstream(sim))
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    assert len({before, other.explain(body)["key"], third.explain(body)["key"]}) == 3


def test_embeddings_are_cached_per_text(pair):
    sim, proxy = pair

    def embed(texts, **members):
        return requests.post(proxy.url + "/v1/embeddings", headers={"authorization": "Bearer sk-test"},
                             json={"model": "text-embedding-3-small", "input": texts, "dimensions": 8, **members})

    first = embed(["one", "two", "three"])
    assert first.headers["x-outrigger-cache"] == "miss"
    second = embed(["three", "four", "one", "four"])
    assert second.headers["x-outrigger-cache"] == "miss"
    assert json.loads(sim.last()["body"])["input"] == ["four"]
    by_text = {t: d["embedding"] for t, d in zip(["one", "two", "three"], first.json()["data"])}
    data = second.json()["data"]
    assert [d["index"] for d in data] == [0, 1, 2, 3]
    assert data[0]["embedding"] == by_text["three"] and data[2]["embedding"] == by_text["one"]
    assert data[1]["embedding"] == data[3]["embedding"]
    single = embed("two")
    assert single.headers["x-outrigger-cache"] == "hit" and single.json()["data"][0]["embedding"] == by_text["two"]
    assert single.json()["object"] == "list" and single.json()["usage"]["prompt_tokens"] > 0
    assert embed("two", dimensions=16).headers["x-outrigger-cache"] == "miss"
    assert embed(["ping"]).headers["x-outrigger-cache"] == "bypass; reason=ping"
    assert sim.stats()["texts_embedded"] == 3 + 1 + 1 + 1


def test_completions_are_cached_as_well(pair):
    sim, proxy = pair
    for stream in (False, True, False):
        answer = requests.post(proxy.url + "/v1/completions", headers={"authorization": "Bearer sk-test"},
                               json={"model": "gpt-3.5-turbo-instruct", "prompt": "Say hello", "stream": stream})
        assert answer.status_code == 200
    assert answer.headers["x-outrigger-cache"] == "hit" and answer.json()["object"] == "text_completion"
    assert sim.calls("completions") == 1
