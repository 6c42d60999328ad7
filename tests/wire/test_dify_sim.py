"""The simulated Dify on real sockets: what tests of the door before a Dify rest on."""
import hashlib
import threading

import pytest
import requests

from dify_sim import DifySim, DifyUser, events


def test_a_conversation_in_both_modes(start):
    dify = start(DifySim)
    user = DifyUser(dify.url, "app-chat")
    first = user.chat("What is first?").json()
    told = list(events(user.chat("And then?", stream=True, conversation=first["conversation_id"])))
    assert [event["event"] for event in told[-2:]] == ["message", "message_end"]
    assert 'Earlier you asked "What is first?"' in "".join(event.get("answer", "") for event in told)
    stranger = DifyUser(dify.url, "app-chat", "u2").chat("q", conversation=first["conversation_id"])
    assert (stranger.status_code, stranger.json()["message"]) == (404, "Conversation Not Exists.")
    assert len(user.get("messages", conversation_id=first["conversation_id"]).json()["data"]) == 2


def test_stop_ends_a_stream(start):
    dify = start(DifySim, 'between_tokens = "100ms"\ntokens = 1000')
    user = DifyUser(dify.url, "app-workflow")
    stream = events(user.run(stream=True, query="q"))
    task = next(stream)["task_id"]
    assert user.post(f"workflows/tasks/{task}/stop").json() == {"result": "success"}
    last = list(stream)[-1]
    assert (last["event"], last["data"]["status"]) == ("workflow_finished", "stopped")
    assert dify.stats()["runs"]["stopped"] == 1


def test_a_file_goes_up_and_comes_down(start):
    user = DifyUser(start(DifySim).url, "app-chat")
    data = bytes(range(256)) * 400
    up = user.session.post(user.url + "/files/upload", files={"file": ("a.bin", data, "application/x-thing")},
                           data={"user": "u1"}, timeout=30)
    assert up.status_code == 201 and up.json()["hash"] == hashlib.sha256(data).hexdigest()
    path = f"{user.url}/files/{up.json()['id']}/preview"
    assert user.session.get(path, timeout=30).content == data
    part = user.session.get(path, headers={"range": "bytes=1000-1999"}, timeout=30)
    assert (part.status_code, part.content) == (206, data[1000:2000])


@pytest.mark.parametrize("over", ["wait", "429"])
def test_no_more_connections_than_may_be(start, over):
    dify = start(DifySim, f'connections = 10\nover = "{over}"\nthink = "300ms"')
    statuses = []

    def call():
        statuses.append(requests.post(dify.url + "/v1/workflows/run", headers={"authorization": "Bearer app-workflow"},
                                      json={"inputs": {}, "user": "u"}, timeout=60).status_code)

    threads = [threading.Thread(target=call) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stats = dify.stats()
    assert stats["connections"]["open_max"] <= 10 and stats["runs"]["running_max"] <= 10
    assert stats["runs"]["total"] == statuses.count(200)
    assert (statuses.count(429) > 0) == (over == "429")
    assert statuses.count(200) == 30 or over == "429"
