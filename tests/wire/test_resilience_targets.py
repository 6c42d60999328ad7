"""Which target is asked, with which key, and for what; what an operator sees and does; what nonsense does."""
import collections
import email.utils
import json
import pathlib
import subprocess
import time

import pytest
import requests

from chains import FIRST, SECOND, Chain, Outrigger, Sim, model_of, sha256, soon, target_status, upstream_of
from conftest import BUILD

KEYS = ["sk-one", "sk-two", "sk-three"]


def keys_seen(sim):
    return collections.Counter(seen["credential_sha256"] for seen in sim.stats()["last"])


def reload(proxy, old, new):
    text = proxy.config.read_text()
    assert old in text
    proxy.config.write_text(text.replace(old, new))
    requests.post(proxy.admin + "/api/reload", timeout=10).raise_for_status()


def test_keys_take_turns_and_a_refused_one_is_set_aside_until_it_is_changed(start):
    chain = Chain(start, keys=KEYS)
    for number in range(9):
        assert chain.served(chain.ask(f"q{number}")) == (FIRST, 1)
    assert keys_seen(chain.primary) == {sha256(key): 3 for key in KEYS}
    chain.primary.reset()
    chain.primary.faults('[[fault]]\nkey = "sk-two"\nstatus = 401\n')
    # The client does not notice: another key of the same target is taken.
    served = [chain.served(chain.ask(f"r{number}")) for number in range(9)]
    assert sorted(served) == [(FIRST, 1)] * 8 + [(FIRST, 2)] and chain.backup.calls() == 0
    seen = keys_seen(chain.primary)
    assert seen[sha256("sk-two")] == 1 and seen[sha256("sk-one")] + seen[sha256("sk-three")] == 9
    shown = target_status(chain.proxy, FIRST)["keys"]
    assert [k["refused"] for k in shown] == [False, True, False] and shown[1]["why"] == "invalid_api_key"
    assert chain.breaker(FIRST) == 0 and "key 2 of 3 was refused" in chain.proxy.text()
    assert not any(key in chain.proxy.text() + json.dumps(shown) for key in KEYS)

    reload(chain.proxy, "sk-two", "sk-four")
    chain.primary.reset()
    for number in range(9):
        assert chain.served(chain.ask(f"s{number}")) == (FIRST, 1)
    assert keys_seen(chain.primary) == {sha256(key): 3 for key in ("sk-one", "sk-four", "sk-three")}


@pytest.mark.parametrize("fault", ["status = 401", "status = 403", 'status = 429\ncode = "insufficient_quota"', "status = 402"])
def test_a_target_without_a_key_that_works_is_not_asked_any_more(start, fault):
    chain = Chain(start, keys=KEYS[:2])
    chain.primary.faults(f"[[fault]]\n{fault}\n")
    assert chain.served(chain.ask("q1")) == (SECOND, 3)
    assert [chain.served(chain.ask(f"r{n}")) for n in range(3)] == [(SECOND, 1)] * 3
    assert chain.primary.calls() == 2 and chain.breaker(FIRST) == 0
    # Any reload gives them another chance: money may have come.
    chain.primary.faults("")
    reload(chain.proxy, "[[model]]", "# paid\n[[model]]")
    assert chain.served(chain.ask("s1")) == (FIRST, 1)


def test_a_user_stays_with_his_model(start):
    chain = Chain(start, fallback=None, more=model_of(name="chat", target='[{ to = "primary:a", weight = 3 }, { to = "backup:b", weight = 1 }]',
                                                       fallback=None))

    def target_of(user, question):
        return chain.served(chain.proxy.chat(question, model="chat", user=user))[0]

    users = [f"user-{n}" for n in range(80)]
    first = {user: target_of(user, f"1 {user}") for user in users}
    assert {user: target_of(user, f"2 {user}") for user in users} == first
    counted = collections.Counter(first.values())
    assert set(counted) == {"primary:a", "backup:b"} and 45 <= counted["primary:a"] <= 72, counted
    # More weight moves some users over, and nobody away.
    reload(chain.proxy, "weight = 1 ", "weight = 9 ")
    then = {user: target_of(user, f"3 {user}") for user in users}
    assert all(then[user] == "backup:b" for user in users if first[user] == "backup:b") and then != first


PICTURE = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]
TOOL = [{"type": "function", "function": {"name": "stock", "parameters": {"type": "object", "properties": {}}}}]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}


@pytest.mark.parametrize("trait,members", [
    ("tools = false", {"tools": TOOL}), ("vision = false", {"messages": [{"role": "user", "content": PICTURE}]}),
    ("json_schema = false", {"response_format": SCHEMA}), ("stream = false", {"stream": True}),
    ("context = 2000", {"messages": [{"role": "user", "content": "word " * 3000}]})], ids=lambda v: v if isinstance(v, str) else "")
def test_a_target_is_not_asked_for_what_it_cannot_do(start, trait, members):
    # Three in the chain; the one in the middle cannot do it.
    third = start(Sim)
    chain = Chain(start, fallback='["backup:gpt-4o", "third:gpt-4.1"]',
                  more=upstream_of(third, "third", ["sk-third"]) + f'[[target]]\nname = "backup:gpt-4o"\n{trait}\n')
    chain.primary.faults("[[fault]]\nstatus = 503\n")
    answer = chain.ask(**members)
    assert answer.status_code == 200 and chain.served(answer) == ("third:gpt-4.1", 2) and chain.backup.calls() == 0
    assert chain.served(chain.ask("a plain question")) == (SECOND, 2)


def test_a_request_is_put_into_the_targets_words(start):
    chain = Chain(start, more='[[target]]\nname = "backup:gpt-4o"\ndrop = ["temperature"]\nrename = { max_tokens = "max_completion_tokens" }\n'
                              "max_output = 100\n")
    chain.primary.faults("[[fault]]\nstatus = 503\n")
    asked = {"temperature": 0.7, "max_tokens": 4000, "top_p": 0.5, "vendor": {"keep": [1, 2.50]}}
    assert chain.served(chain.ask(**asked)) == (SECOND, 2)
    sent = json.loads(chain.primary.last()["body"])
    assert {k: sent[k] for k in asked} == asked and sent["model"] == "gpt-4o-mini"
    sent = json.loads(chain.backup.last()["body"])
    assert sent == {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}], "max_completion_tokens": 100, "top_p": 0.5,
                    "vendor": {"keep": [1, 2.50]}}


def test_an_operator_shuts_a_target_and_opens_it_again(start):
    chain = Chain(start)

    def steer(name, verb):
        return requests.post(f"{chain.proxy.admin}/api/targets/{name}/{verb}", timeout=10)

    assert steer(FIRST, "open").status_code == 404, "nobody has asked for it yet"
    chain.ask("q0")
    assert steer(FIRST, "open").json()["breaker"] == "open"
    assert [chain.served(chain.ask(f"q{n}")) for n in range(1, 4)] == [(SECOND, 1)] * 3
    shown = target_status(chain.proxy, FIRST)
    assert shown["breaker"] == "open" and shown["by_hand"] and "retry_in_seconds" not in shown and chain.breaker(FIRST) == 2
    # A reload is not an operator's word on a target.
    reload(chain.proxy, "[[model]]", "# \n[[model]]")
    assert chain.served(chain.ask("q5")) == (SECOND, 1)
    assert steer(FIRST, "close").json()["breaker"] == "closed"
    assert chain.served(chain.ask("q6")) == (FIRST, 1) and chain.breaker(FIRST) == 0
    assert steer(FIRST, "shove").status_code == 404 and steer("nobody:x", "open").status_code == 404


def test_what_was_learned_outlives_a_reload(start):
    chain = Chain(start, 'breaker = { failures = 2, open = "30s", max_open = "30s" }')
    chain.primary.faults("[[fault]]\nstatus = 503\n")
    for number in range(3):
        chain.ask(f"q{number}")
    calls = chain.primary.calls()
    assert chain.breaker(FIRST) == 2 and calls == 2
    reload(chain.proxy, "failures = 2", "failures = 5")
    assert chain.served(chain.ask("q9")) == (SECOND, 1) and chain.breaker(FIRST) == 2 and chain.primary.calls() == calls


def test_status_shows_the_targets(start):
    chain = Chain(start, "concurrency = 7\nrate = { requests_per_minute = 6000 }\nqueue = { depth = 9, wait = \"1s\" }")
    chain.ask(stream=True)
    shown = target_status(chain.proxy, FIRST)
    assert shown["breaker"] == "closed" and shown["in_flight"] == 0 and shown["concurrency"] == 7
    assert shown["queue"] == {"waiting": 0, "depth": 9} and len(shown["keys"]) == 1 and not shown["keys"][0]["refused"]
    # The fallback is in the chain, and rests.
    shown = target_status(chain.proxy, SECOND)
    assert shown["breaker"] == "closed" and "concurrency" not in shown and shown["queue"]["depth"] == 100
    assert target_status(chain.proxy, "nobody:x") is None


PAST = email.utils.formatdate(time.time() - 3600, usegmt=True)
FAR = email.utils.formatdate(time.time() + 10 * 365 * 86400, usegmt=True)


@pytest.mark.parametrize("value", ["1e9", "1000000000", "-5", "soon", "", "nan", "inf", PAST, FAR, "9" * 400])
def test_an_absurd_retry_after_closes_nothing_for_long(start, value):
    chain = Chain(start, fallback=None)
    chain.primary.faults(f"[[fault]]\nrequests = 1\nstatus = 429\nheaders = {{ retry-after = {json.dumps(value)} }}\n")
    began = time.monotonic()
    answer = chain.ask(timeout=20)
    assert answer.status_code == 200 and chain.served(answer) == (FIRST, 2) and time.monotonic() - began < 8
    assert chain.proxy.alive()
    assert chain.proxy.metric("outrigger_odd_limits_total") >= 1


ODD = {"x-ratelimit-limit-requests": "-5", "x-ratelimit-remaining-requests": "-1", "x-ratelimit-reset-requests": "-3s",
       "x-ratelimit-limit-tokens": "many", "anthropic-ratelimit-requests-limit": "1e400"}


def test_absurd_limits_are_ignored_and_counted(start):
    chain = Chain(start, fallback=None)
    fields = ", ".join(f'{name} = "{value}"' for name, value in ODD.items())
    chain.primary.faults(f"[[fault]]\nheaders = {{ {fields} }}\n")
    began = time.monotonic()
    for number in range(5):
        assert chain.ask(f"q{number}").status_code == 200
    assert time.monotonic() - began < 2
    assert chain.proxy.metric("outrigger_odd_limits_total") == 5 * len(ODD)
    assert chain.proxy.metric("outrigger_rate_gate_seconds", target=FIRST) == 0


def check(text, tmp_path):
    file = pathlib.Path(tmp_path) / "bad.toml"
    file.write_text(text)
    done = subprocess.run([BUILD / "outrigger", "check", "--config", file], capture_output=True, timeout=20)
    return done.returncode, done.stderr.decode()


TWO = ('[[upstream]]\nname = "a"\nurl = "https://a.example/v1"\nkeys = ["sk-a"]\n'
       '[[upstream]]\nname = "b"\nurl = "https://b.example/v1"\nkeys = ["sk-b"]\n')


@pytest.mark.parametrize("model,word", [
    ('target = "a"\nfallback = ["c:gpt"]', "c"), ('target = "nobody"', "nobody"),
    ('target = "a:m"\nfallback = ["a:m"]', "a:m"), ('target = "a"\nfallback = ["b", "b"]', "b"),
    ('queue = { depth = -1 }', "depth"), ('retry = { attempts = 0 }', "attempts"), ('concurrency = 0', "concurrency"),
    ('rate = { requests_per_minute = 0 }', "requests_per_minute"), ('hedge = "yes"', "hedge"),
    ('breaker = { open = "1m", max_open = "1s" }', "open"), ('timeout = { first_token = "10m", total = "1m" }', "total")])
def test_a_chain_that_cannot_be_meant_is_refused(tmp_path, model, word):
    code, told = check(f'{TWO}[[model]]\nname = "m"\n{model}\n', tmp_path)
    assert code == 1 and any(word in line and "bad.toml:" in line for line in told.splitlines()), told


def test_a_fallback_without_keys_of_its_own_is_refused(tmp_path):
    code, told = check(TWO.replace('keys = ["sk-b"]\n', "") + '[[model]]\nname = "m"\ntarget = "a"\nfallback = ["b"]\n', tmp_path)
    assert "keys" in told and (code == 1 or "warning" in told), told


def test_a_bad_reload_changes_nothing(start):
    chain = Chain(start)
    text = chain.proxy.config.read_text()
    chain.proxy.config.write_text(text.replace('fallback = ["backup:gpt-4o"]', 'fallback = ["nobody:gpt-4o"]'))
    answer = requests.post(chain.proxy.admin + "/api/reload", timeout=10)
    assert answer.status_code >= 400 and "nobody" in answer.text
    chain.primary.faults("[[fault]]\nstatus = 503\n")
    assert chain.served(chain.ask()) == (SECOND, 2)
