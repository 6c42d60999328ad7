"""A provider fails in every way that providers fail in, and another one answers. Whatever tells of it must tell the truth."""
import json
import threading
import time

import pytest

from chains import FIRST, SECOND, Chain, model_in, read_sse, sha256, soon, target_status, text_of

# What the provider does, for which forms of answer, what the attempt is called, and whether it is held against the target.
BLOCKING, STREAMED, BOTH = (False,), (True,), (False, True)
FAILURES = {
    "500": ("status = 500", BOTH, "status_500", True),
    "503 with retry-after": ("status = 503\nretry_after = 1", BOTH, "status_503", True),
    "529": ("status = 529", BOTH, "status_529", True),
    "closed at once": ("refuse = true", BOTH, "upstream_reset", True),
    "reset before the head": ("reset_at = 0", BOTH, "upstream_reset", True),
    "reset in the head": ("reset_at = 40", BOTH, "upstream_reset", True),
    "cut in the body": ("cut_at = 400", BLOCKING, "upstream_cut", True),
    "truncated": ("truncate = true", BLOCKING, "upstream_cut", True),
    "cut before the first token": ("truncate = true\nafter = 0", STREAMED, "upstream_cut", True),
    "bad framing before the first token": ("malformed_chunk = true\nafter = 0", STREAMED, "upstream_cut", True),
    "silent": ('first_token = "30s"', STREAMED, "first_token_timeout", True),
    "silent after the head": ('first_token = "30s"\nearly_head = true', STREAMED, "first_token_timeout", True),
    "silent after the role": ('stall = "30s"\nafter = 0', STREAMED, "first_token_timeout", True),
    "a 200 that is an error": ("error_in_200 = true", BOTH, "upstream_error_in_answer", True),
    "an error before the first token": ("error_in_stream = true\nafter = 0", STREAMED, "upstream_error_in_answer", True),
    "not HTTP": ("garbage = true", BOTH, "upstream_protocol", True),
    "its own key is refused": ("status = 401", BOTH, "status_401", False),
    "its own key has no money": ('status = 429\ncode = "insufficient_quota"', BOTH, "status_429", False),
    "the prompt is too long": ('status = 400\ncode = "context_length_exceeded"', BOTH, "status_400", False),
    "the model is not there": ('status = 404\ncode = "model_not_found"', BOTH, "status_404", False),
}
CASES = [pytest.param(fault, stream, outcome, counts, id=f"{name}, {'streamed' if stream else 'blocking'}")
         for name, (fault, streams, outcome, counts) in FAILURES.items() for stream in streams]


@pytest.mark.parametrize("fault,stream,outcome,counts", CASES)
def test_the_fallback_answers(start, fault, stream, outcome, counts):
    chain = Chain(start, 'timeout = { first_token = "250ms" }', keys=["sk-primary"])
    chain.primary.faults(f"[[fault]]\n{fault}\n")
    answer = chain.ask(stream=stream)
    assert answer.status_code == 200 and text_of(answer) and chain.served(answer) == (SECOND, 2)
    assert answer.headers["x-outrigger-cache"] == "miss"
    # The model that answered is named, by its own name.
    assert model_in(answer) == "gpt-4o" and json.loads(chain.backup.last()["body"])["model"] == "gpt-4o"
    line = chain.proxy.access_log(1)[0]
    assert [(t["target"], t["outcome"]) for t in line["tried"]] == [(FIRST, outcome), (SECOND, "ok")]
    assert line["served_by"] == SECOND and line["attempts"] == 2 and line["status"] == 200 and "error" not in line
    assert chain.attempts(FIRST, outcome) == 1 and chain.attempts(SECOND, "ok") == 1
    assert chain.proxy.metric("outrigger_attempts_total") == 2
    assert chain.breaker(FIRST) == 0 and target_status(chain.proxy, FIRST)["failures_in_a_row"] == (1 if counts else 0)


def test_nobody_listens(start):
    chain = Chain(start)
    chain.primary.stop()
    for number in range(3):
        assert chain.served(chain.ask(f"q{number}")) == (SECOND, 2)
    line = chain.proxy.access_log(3)[0]
    assert [(t["target"], t["outcome"]) for t in line["tried"]] == [(FIRST, "connect_refused"), (SECOND, "ok")]
    # Three in a row: the target is left alone, and nobody pays for trying it.
    assert chain.breaker(FIRST) == 2 and chain.breaker(SECOND) == 0
    assert chain.served(chain.ask("q4")) == (SECOND, 1)


def test_the_breaker_opens_probes_and_closes(start):
    chain = Chain(start, 'breaker = { failures = 3, open = "400ms", max_open = "1s" }\nretry = { attempts = 1 }')
    chain.primary.faults("[[fault]]\nstatus = 503\n")
    served = [chain.served(chain.ask(f"q{n}")) for n in range(8)]
    assert served == [(SECOND, 2)] * 3 + [(SECOND, 1)] * 5
    assert chain.primary.calls() == 3 and chain.breaker(FIRST) == 2
    shown = target_status(chain.proxy, FIRST)
    assert shown["breaker"] == "open" and 0 < shown["retry_in_seconds"] <= 1 and not shown["by_hand"]
    assert shown["last_error"]
    chain.primary.faults("")
    number = 0

    def is_back():
        nonlocal number
        number += 1
        return chain.served(chain.ask(f"later {number}")) == (FIRST, 1)

    soon(is_back, "the primary is not asked again")
    assert chain.breaker(FIRST) == 0 and "last_error" not in target_status(chain.proxy, FIRST)
    log = chain.proxy.text()
    assert f"{FIRST}: taken out after 3 failures in a row" in log and f"{FIRST}: answers again" in log


def test_what_a_lesser_model_said_is_not_kept(start):
    chain = Chain(start)
    chain.primary.faults("[[fault]]\nstatus = 503\nrequests = 1\n")
    first, second, third = (chain.ask("Where is my parcel?") for _ in range(3))
    assert chain.served(first) == (SECOND, 2) and first.headers["x-outrigger-cache"] == "miss"
    assert chain.served(second) == (FIRST, 1) and second.headers["x-outrigger-cache"] == "miss"
    assert third.headers["x-outrigger-cache"] == "hit" and third.headers["x-outrigger-served-by"] == FIRST
    assert model_in(third) == "gpt-4o-mini" and chain.backup.calls() == 1
    assert chain.proxy.metric("outrigger_cache_not_stored_total", reason="downgraded") == 1


def test_what_the_same_model_said_elsewhere_is_kept(start):
    chain = Chain(start, fallback='["backup"]')
    chain.primary.faults("[[fault]]\nstatus = 503\n")
    first, second = (chain.ask("Where is my parcel?") for _ in range(2))
    assert chain.served(first) == ("backup:gpt-4o-mini", 2) and second.headers["x-outrigger-cache"] == "hit"
    assert second.headers["x-outrigger-served-by"] == "backup:gpt-4o-mini"


def test_embeddings_fall_back(start):
    chain = Chain(start, fallback='["backup"]')
    chain.primary.faults("[[fault]]\nstatus = 503\n")
    answer = chain.proxy.chat(path="/v1/embeddings", input=["a", "b"])
    assert answer.status_code == 200 and len(answer.json()["data"]) == 2
    assert chain.served(answer) == ("backup:gpt-4o-mini", 2)


@pytest.mark.parametrize("fault,word", [("error_in_stream = true", None), ("truncate = true", "upstream_cut"),
                                        ("reset_at = 1500", "upstream_cut"), ('stall = "30s"', "stall_timeout")])
def test_after_the_first_token_nothing_is_tried_again(start, fault, word):
    chain = Chain(start, 'timeout = { between_tokens = "250ms" }')
    chain.primary.faults(f"[[fault]]\nafter = 5\n{fault}\n")
    answer = chain.ask(stream=True)
    events = read_sse(answer)
    assert answer.status_code == 200 and chain.served(answer) == (FIRST, 1)
    assert text_of_tokens(events) and "error" in events[-1], "the client is told"
    if word:
        assert events[-1]["error"]["code"] == word
    assert chain.primary.calls() == 1 and chain.backup.calls() == 0
    # Nor is half an answer kept.
    assert chain.ask(stream=True).headers["x-outrigger-cache"] == "miss"


def text_of_tokens(events):
    return "".join(c["delta"].get("content") or "" for e in events if e != "[DONE]" for c in e.get("choices", []))


def test_a_wrong_request_is_not_carried_on(start):
    chain = Chain(start)
    chain.primary.faults('[[fault]]\nstatus = 400\ncode = "invalid_value"\n')
    answer = chain.ask()
    assert answer.status_code == 400 and chain.served(answer) == (FIRST, 1) and chain.backup.calls() == 0
    assert answer.json()["error"]["code"] == "invalid_value"


def test_credentials_stay_where_they_belong(start):
    # The client's own key goes to the upstream that was asked, the operator's to the fallback; neither sees the other's.
    chain = Chain(start)
    chain.primary.faults("[[fault]]\nstatus = 500\n")
    chain.ask(key="sk-of-the-client", headers={"api-key": "sk-more", "x-api-key": "sk-even-more", "cookie": "session=1",
                                               "openai-organization": "org-of-the-client"})
    assert chain.primary.last()["credential_sha256"] == sha256("sk-of-the-client")
    seen = chain.backup.last()
    assert seen["credential_sha256"] == sha256("sk-backup")
    assert not {"api-key", "x-api-key", "cookie"} & set(seen["headers"])
    assert "sk-" not in chain.proxy.text() and "sk-" not in json.dumps(chain.proxy.access_log(1))


def test_a_clients_refused_key_falls_back_and_concerns_nobody_else(start):
    chain = Chain(start)
    chain.primary.faults('[[fault]]\nkey = "sk-wrong"\nstatus = 401\n')
    for i in range(4):
        answer = chain.ask(f"question {i}", key="sk-wrong")
        assert answer.status_code == 200 and chain.served(answer) == (SECOND, 2)
    assert chain.served(chain.ask(key="sk-right")) == (FIRST, 1), "others are not concerned"
    assert chain.breaker(FIRST) == 0


PING = {"content": "ping", "max_tokens": 5}


@pytest.mark.parametrize("fault,status", [("status = 401", 401), ("status = 503", 503), ('status = 404\ncode = "model_not_found"', 404)])
def test_a_credential_check_never_falls_back(start, fault, status):
    chain = Chain(start, 'answer = "Sorry."', keys=["sk-primary"])
    chain.primary.faults(f"[[fault]]\n{fault}\n")
    answer = chain.ask(**PING)
    assert answer.status_code == status and chain.served(answer) == (FIRST, 1) and chain.backup.calls() == 0
    assert chain.primary.calls() == 1
    chain.primary.faults("")
    for _ in range(2):
        answer = chain.ask(**PING)
        assert answer.status_code == 200 and answer.headers["x-outrigger-cache"] == "bypass; reason=ping"
    assert chain.primary.calls() == 3
    # That a check was refused says nothing about the target.
    assert chain.breaker(FIRST) == 0 and not target_status(chain.proxy, FIRST)["keys"][0]["refused"]


def test_who_joined_the_call_gets_the_fallbacks_answer_too(start):
    chain = Chain(start, 'timeout = { first_token = "400ms" }')
    chain.primary.faults('[[fault]]\nfirst_token = "30s"\n')
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(chain.ask("the same", stream=True))) for _ in range(6)]
    for thread in threads:
        thread.start()
        time.sleep(0.02)
    for thread in threads:
        thread.join()
    assert [a.status_code for a in answers] == [200] * 6 and len({text_of(a) for a in answers}) == 1
    assert {a.headers["x-outrigger-served-by"] for a in answers} == {SECOND}
    assert sorted(a.headers["x-outrigger-cache"] for a in answers) == ["coalesced"] * 5 + ["miss"]
    assert chain.primary.calls() == 1 and chain.backup.calls() == 1
