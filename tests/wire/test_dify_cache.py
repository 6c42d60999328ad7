"""The dify door's cache over real sockets, before a simulated Dify whose answers depend on the app's version, the knowledge, the
files and the history: a false hit or a stale answer shows."""
import random
import threading
import time

import pytest
import requests

from conftest import Outrigger, Redis
from dify_sim import DifySim, DifyUser, events

KEYS = {"chat": "stateless = true, per_user = false", "completion": "per_user = false", "workflow": "stateless = true",
        "advanced-chat": "stateless = true, per_user = false, live_conversations = true"}


LISTEN = '[listen]\nllm = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\ndify = "127.0.0.1:0"\n'


class Door(Outrigger):
    def __init__(self, directory, config):
        super().__init__(directory, LISTEN + config)
        self.dify_url = "http://" + self.wait_for(r"dify door on (127\.0\.0\.1:\d+)").group(1)


@pytest.fixture
def door(start):
    def begin(sim_settings="", more="", keys=KEYS):
        sim = start(DifySim, sim_settings)
        apps = "".join(f'[[app]]\nname = "{mode}"\nkey = "app-{mode}"\ncache = {{ {cache} }}\n' for mode, cache in keys.items())
        return sim, start(Door, f'[[upstream]]\nname = "dify"\nurl = "{sim.url}"\ndialect = "dify"\n{apps}{more}')
    return begin


def result(answer):
    return answer.headers["x-outrigger-cache"].split(";")[0]


def text_of(answer):
    """What a run has said, in either form."""
    if "event-stream" not in answer.headers["content-type"]:
        body = answer.json()
        return body["answer"] if "answer" in body else body["data"]["outputs"]["text"]
    said = list(events(answer))
    if said[-1]["event"] == "workflow_finished" and not any("answer" in event for event in said):
        return said[-1]["data"]["outputs"]["text"]
    return "".join(event.get("answer", "") for event in said if event["event"] in ("message", "agent_message"))


@pytest.mark.parametrize("mode", ["chat", "completion", "workflow", "advanced-chat"])
@pytest.mark.parametrize("streams_first", [True, False])
def test_one_run_answers_in_both_forms(door, mode, streams_first):
    sim, outrigger = door()

    def ask(stream, user="u1", **members):
        who = DifyUser(outrigger.dify_url, f"app-{mode}", user)
        if "chat" in mode:
            return who.chat("What are your opening hours?", stream, **members)
        return (who.complete if mode == "completion" else who.run)(stream, query="What are your opening hours?", **members)

    first = ask(streams_first)
    said = text_of(first)
    assert result(first) == "miss" and said
    for stream in (True, False):
        hit = ask(stream)
        assert result(hit) == "hit" and hit.headers["x-outrigger-attempts"] == "0" and int(hit.headers["age"]) < 10
        assert text_of(hit) == said
    assert sim.runs() == 1


def test_events_of_a_hit_are_those_of_the_run_but_for_what_is_ones_own(door):
    sim, outrigger = door()
    user = DifyUser(outrigger.dify_url, "app-advanced-chat")
    whole = [list(events(user.chat("Tell me more", True))) for _ in range(2)]
    assert sim.runs() == 1
    ids = {}

    def same(a, b, path=""):
        if isinstance(a, dict):
            assert a.keys() == b.keys(), path
            for name in a:
                same(a[name], b[name], f"{path}.{name}")
        elif isinstance(a, list):
            assert len(a) == len(b), path
            for x, y in zip(a, b):
                same(x, y, path)
        elif path.rsplit(".", 1)[-1] in ("task_id", "message_id", "conversation_id", "workflow_run_id") or (
                isinstance(a, str) and a in ids):
            assert ids.setdefault(a, b) == b and a != b, path
        elif "usage" in path or path.endswith(("created_at", "finished_at", "total_tokens", "total_price")):
            pass
        elif path not in (".id", ".data.id") and "created_by" not in path:  # who asked
            assert a == b, path

    assert [event["event"] for event in whole[0]] == [event["event"] for event in whole[1]]
    for a, b in zip(*whole):
        same(a, b)
    assert len(ids) == 4
    usage = whole[1][-1]["metadata"]["usage"] if "metadata" in whole[1][-1] else next(
        event["metadata"]["usage"] for event in whole[1] if "metadata" in event)
    assert usage["total_tokens"] == 0 and float(usage["total_price"]) == 0


def test_two_hundred_who_ask_at_once_are_one_run(door):
    sim, outrigger = door('think = "400ms"\n')
    said, results = [], []

    def ask(n):
        answer = DifyUser(outrigger.dify_url, "app-chat", f"u{n}").chat("Where is my parcel?", n % 2 == 0)
        said.append(text_of(answer))
        results.append(result(answer))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(said)) == 1 and len(said) == 200
    assert sim.runs() == 1
    assert set(results) <= {"miss", "coalesced", "hit"} and results.count("miss") == 1


def test_a_document_that_is_edited_is_in_the_next_answer(door):
    sim, outrigger = door()
    user = DifyUser(outrigger.dify_url, "app-chat")
    before = text_of(user.chat("How long is the warranty?"))
    assert result(user.chat("How long is the warranty?")) == "hit"
    dataset = "0b6f3a52-6a1c-4a7e-9a57-3f1d2c4b5a69"
    edit = requests.post(f"{outrigger.dify_url}/v1/datasets/{dataset}/document/create-by-text",
                         headers={"authorization": "Bearer dataset-1"}, json={"name": "warranty", "text": "three years"}, timeout=10)
    assert edit.status_code == 200
    fresh = user.chat("How long is the warranty?")
    assert result(fresh) == "miss" and text_of(fresh) != before
    assert sim.runs() == 2


def test_an_app_that_is_published_anew_answers_anew(door):
    sim, outrigger = door(more='[dify]\ninfo_ttl = "30s"\n')
    user = DifyUser(outrigger.dify_url, "app-workflow")
    before = text_of(user.run(query="x"))
    assert result(user.get("parameters")) == "miss"
    assert result(user.get("parameters")) == "hit"
    app = next(app for app in requests.get(sim.admin + "/console/api/apps", timeout=10).json()["data"] if app["mode"] == "workflow")
    requests.post(f"{outrigger.dify_url}/console/api/apps/{app['id']}/workflows/publish", json={}, timeout=10).raise_for_status()
    after = user.run(query="x")
    assert result(after) == "miss" and text_of(after) != before
    assert result(user.get("parameters")) == "miss"


def test_files_are_known_by_what_they_hold(door):
    sim, outrigger = door(keys={"chat": "stateless = true, per_user = false"})

    def ask(user, content):
        who = DifyUser(outrigger.dify_url, "app-chat", user)
        upload = who.session.post(f"{who.url}/files/upload", files={"file": ("note.txt", content, "text/plain")},
                                  data={"user": user}, timeout=10)
        assert upload.status_code == 201, upload.text
        files = [{"type": "document", "transfer_method": "local_file", "upload_file_id": upload.json()["id"]}]
        return who.chat("What does it say?", files=files)

    first = ask("u1", b"three years")
    assert result(first) == "miss", first.headers
    assert result(ask("u2", b"three years")) == "hit"
    assert result(ask("u1", b"four years")) == "miss"
    # Uploaded past the door.
    who = DifyUser(outrigger.dify_url, "app-chat", "u1")
    past = requests.post(f"{sim.url}/v1/files/upload", headers=who.session.headers, timeout=10,
                         files={"file": ("note.txt", b"three years", "text/plain")}, data={"user": "u1"}).json()
    unknown = who.chat("What does it say?", files=[{"type": "document", "transfer_method": "local_file",
                                                    "upload_file_id": past["id"]}])
    assert unknown.headers["x-outrigger-cache"] == "bypass; reason=files"
    assert sim.runs() == 3


def test_a_second_turn_has_its_context(door):
    sim, outrigger = door()
    user = DifyUser(outrigger.dify_url, "app-advanced-chat")
    text_of(user.chat("What is a parcel?"))
    hit = user.chat("What is a parcel?").json()
    assert sim.runs() == 1
    second = user.chat("And how heavy may it be?", True, conversation=hit["conversation_id"])
    said = list(events(second))
    assert {event["conversation_id"] for event in said if "conversation_id" in event} == {hit["conversation_id"]}
    assert sim.runs() == 3  # the first turn once more, and the second
    # What the same two turns are at Dify itself.
    direct = DifyUser(sim.url, "app-advanced-chat", "u2")
    conversation = direct.chat("What is a parcel?").json()["conversation_id"]
    wanted = direct.chat("And how heavy may it be?", conversation=conversation).json()["answer"]
    assert "".join(event.get("answer", "") for event in said if event["event"] == "message") == wanted
    history = user.get("messages", conversation_id=hit["conversation_id"]).json()["data"]
    assert [message["query"] for message in history] == ["What is a parcel?", "And how heavy may it be?"] or \
           [message["query"] for message in history][::-1] == ["What is a parcel?", "And how heavy may it be?"]
    third = user.chat("Thank you", conversation=hit["conversation_id"]).json()
    assert third["conversation_id"] == hit["conversation_id"] and sim.runs() == 6


def test_without_live_conversations_it_says_why(door):
    sim, outrigger = door()
    user = DifyUser(outrigger.dify_url, "app-chat")
    text_of(user.chat("What is a parcel?"))
    hit = user.chat("What is a parcel?").json()
    second = user.chat("And?", conversation=hit["conversation_id"])
    assert second.status_code == 404 and second.json()["code"] == "not_found" and "cache" in second.json()["message"]
    feedback = user.post(f"messages/{hit['message_id']}/feedbacks", rating="like")
    assert feedback.status_code == 404 and "cache" in feedback.json()["message"]
    assert user.get(f"messages/{hit['message_id']}/suggested").json() == {"result": "success", "data": []}
    assert user.post(f"chat-messages/{hit['task_id']}/stop").json() == {"result": "success"}
    assert sim.runs() == 1


def test_a_purge_by_app_empties_it(door):
    sim, outrigger = door()
    user = DifyUser(outrigger.dify_url, "app-chat")
    text_of(user.chat("hello"))
    purged = requests.post(outrigger.admin + "/api/cache/purge", json={"model": "chat"}, timeout=10).json()
    assert purged["purged"] == 1
    assert result(user.chat("hello")) == "miss"


def test_answers_are_shared_through_redis_and_forgotten_there(start):
    redis = start(Redis)
    sim = start(DifySim)
    config = (f'[redis]\nurl = "{redis.url}"\ntimeout = "500ms"\n[[upstream]]\n'
              f'name = "dify"\nurl = "{sim.url}"\ndialect = "dify"\n[[app]]\nname = "chat"\nkey = "app-chat"\n'
              'cache = { stateless = true, per_user = false, live_conversations = true }\n')
    one, two = (start(Door, config) for _ in range(2))
    text_of(DifyUser(one.dify_url, "app-chat").chat("hello"))
    deadline = time.monotonic() + 10
    while (hit := DifyUser(two.dify_url, "app-chat", "u2").chat("hello")) and result(hit) != "hit":
        assert time.monotonic() < deadline
    # The conversation that one replica made up goes on at the other.
    third = DifyUser(one.dify_url, "app-chat", "u2")
    while (answer := third.chat("And?", conversation=hit.json()["conversation_id"])).status_code != 200:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.05)
    assert answer.json()["conversation_id"] == hit.json()["conversation_id"]
    # A change that passes one replica empties Redis for all.
    runs = sim.runs()
    requests.post(f"{one.dify_url}/v1/datasets/0b6f3a52-6a1c-4a7e-9a57-3f1d2c4b5a69/document/create-by-text",
                  headers={"authorization": "Bearer d"}, json={"name": "n", "text": "t"}, timeout=10).raise_for_status()
    assert result(DifyUser(one.dify_url, "app-chat").chat("hello")) == "miss"
    assert sim.runs() == runs + 1


def test_observing_tells_what_redis_would_have_answered(start):
    redis, sim = start(Redis), start(DifySim)
    config = (f'[cache]\nmode = "observe"\n[redis]\nurl = "{redis.url}"\ntimeout = "500ms"\n[[upstream]]\nname = "dify"\n'
              f'url = "{sim.url}"\ndialect = "dify"\n[[app]]\nname = "chat"\nkey = "app-chat"\ncache = {{ stateless = true }}\n')
    assert result(DifyUser(start(Door, config).dify_url, "app-chat").chat("hello")) == "miss"
    deadline = time.monotonic() + 10
    runs = 1
    while True:  # what one has written, another finds, a moment later
        other = DifyUser(start(Door, config).dify_url, "app-chat")
        runs += 1
        found = result(other.chat("hello"))
        if found == "observe":
            break
        assert found == "miss" and time.monotonic() < deadline
    assert sim.runs() == runs


def test_what_was_asked_before_a_purge_is_not_kept_after_it(door):
    sim, outrigger = door('think = "700ms"\n')
    user = DifyUser(outrigger.dify_url, "app-chat")
    asked = threading.Thread(target=lambda: user.chat("hello").raise_for_status())
    asked.start()
    while sim.stats()["connections"]["open"] == 0 and asked.is_alive():
        time.sleep(0.01)
    requests.post(outrigger.admin + "/api/cache/purge", json={"all": True}, timeout=10).raise_for_status()
    asked.join()
    assert result(DifyUser(outrigger.dify_url, "app-chat").chat("hello")) == "miss"
    assert sim.runs() == 2


def test_nobody_is_answered_with_what_was_said_to_another(door):
    """A thousand calls that differ in one thing each, twice: the second time everybody gets the same as the first."""
    sim, outrigger = door('think = "1ms"\n', keys={"chat": "stateless = true", "completion": "per_user = false"})
    rng = random.Random(seed := random.randrange(10**9))
    print(f"seed {seed}")
    questions = [f"{word} {n}" for n in range(5) for word in ("price", "prices", "Price", "price?", "no price", "ｐｒｉｃｅ")]
    calls = [(app, user, question, tone) for app in ("chat", "completion") for user in ("a", "b") for question in questions
             for tone in ("kind", "brief")]
    rng.shuffle(calls)
    first = {}
    for call in calls + calls:
        app, user, question, tone = call
        who = DifyUser(outrigger.dify_url, f"app-{app}", user)
        stream = rng.random() < 0.5
        if app == "chat":
            answer = who.post("chat-messages", stream, inputs={"tone": tone}, query=question,
                              response_mode="streaming" if stream else "blocking")
        else:
            answer = who.complete(stream, query=question, tone=tone)
        said = text_of(answer)
        shared = (app, None if app == "completion" else user, question, tone)
        assert first.setdefault(shared, said) == said
        assert question in said
    assert sim.runs() == len(first)


def test_an_faq_bot_on_a_busy_day(start):
    import faq_crowd
    seed = random.randrange(10**9)
    rows = faq_crowd.measure(start, users=100, each=3, think="150ms", seed=seed)
    print(f"\nseed {seed}\n{faq_crowd.table(rows)}")
    alone, door = rows["Dify alone"], rows["with the dify door"]
    assert "wrong" not in alone["results"] + door["results"]
    assert door["results"].count("failed") == 0 and len(door["first"]) == 300
    assert door["runs"] <= faq_crowd.QUESTIONS and alone["runs"] >= 250
    assert faq_crowd.percentile(door["first"], 0.5) < faq_crowd.percentile(alone["first"], 0.5)
