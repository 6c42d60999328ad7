"""The official clients of Dify, for Node and for Python, at a simulated Dify and through the door before it: the same conversations."""
import hashlib
import shutil
import subprocess

import pytest

from conftest import ROOT
from dify_sim import DifySim, events
from test_dify_door import door


@pytest.fixture(params=["dify", "door"])
def place(request, start):
    """The URL that a client is given, and the Dify that is behind it."""
    dify = start(DifySim, "connections = 10\n")
    return (dify.url if request.param == "dify" else door(start, dify).dify), dify


def test_the_node_client(place):
    modules = ROOT / "build/wire/node"
    if shutil.which("node") is None or not (modules / "node_modules/dify-client").exists():
        pytest.skip("dify-client for Node is not installed")
    url, dify = place
    shutil.copy(ROOT / "tests/wire/node/dify.mjs", modules / "dify.mjs")
    done = subprocess.run(["node", "dify.mjs", url], cwd=modules, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "8 passed", done.stdout
    # Two turns of chat, two completions, two workflows; a stranger's turn is no run.
    assert dify.runs() == 6 and dify.stats()["runs"]["stopped"] == 1


@pytest.fixture
def client(place):
    """A client of the app with that key."""
    package = pytest.importorskip("dify_client", reason="dify-client for Python is not installed")
    kinds = {"app-chat": package.ChatClient, "app-completion": package.CompletionClient, "app-workflow": package.client.DifyClient}

    def make(key):
        made = kinds[key](key)
        made.base_url = place[0] + "/v1"
        return made

    return make


def test_the_python_client_talks(client, place):
    chat = client("app-chat")
    first = chat.create_chat_message({}, "What is first?", "u1").json()
    assert 'About "What is first?"' in first["answer"]
    told = list(events(chat.create_chat_message({}, "And then?", "u1", "streaming", first["conversation_id"])))
    assert told[-1]["event"] == "message_end"
    assert 'Earlier you asked "What is first?"' in "".join(event.get("answer", "") for event in told)
    stranger = chat.create_chat_message({}, "And I?", "u2", conversation_id=first["conversation_id"])
    assert (stranger.status_code, stranger.json()["message"]) == (404, "Conversation Not Exists.")
    assert len(chat.get_conversation_messages("u1", first["conversation_id"]).json()["data"]) == 2
    assert chat.message_feedback(first["message_id"], "like", "u1").json() == {"result": "success"}
    assert chat.rename_conversation(first["conversation_id"], "New", "u1").json()["name"] == "New"
    assert chat.get_conversations("u1").json()["data"][0]["name"] == "New"
    assert "user_input_form" in chat.get_application_parameters("u1").json()
    assert place[1].runs() == 2


def test_the_python_client_completes(client):
    completion = client("app-completion")
    whole = completion.create_completion_message({"query": "Tell"}, "blocking", "u1").json()["answer"]
    told = events(completion.create_completion_message({"query": "Tell"}, "streaming", "u1"))
    assert "".join(event.get("answer", "") for event in told) == whole


def test_the_python_client_runs_a_workflow_and_stops_it(client, place):
    workflow = client("app-workflow")  # it has no words of its own for them
    whole = workflow._send_request("POST", "/workflows/run", {"inputs": {"query": "Do"}, "user": "u1"}).json()
    assert whole["data"]["status"] == "succeeded"
    stream = events(workflow._send_request("POST", "/workflows/run", stream=True, json={
        "inputs": {"query": "Do"}, "user": "u1", "response_mode": "streaming"}))
    task = next(stream)["task_id"]
    assert workflow._send_request("POST", f"/workflows/tasks/{task}/stop", {"user": "u1"}).json() == {"result": "success"}
    last = list(stream)[-1]
    assert (last["event"], last["data"]["status"]) == ("workflow_finished", "stopped")
    assert place[1].stats()["runs"]["stopped"] == 1


def test_the_python_client_sends_a_file(client):
    chat = client("app-chat")
    data = bytes(range(256)) * 4000
    up = chat.file_upload("u1", {"file": ("a.bin", data, "application/x-thing")})
    assert up.status_code == 201 and up.json()["hash"] == hashlib.sha256(data).hexdigest()
    assert chat._send_request("GET", f"/files/{up.json()['id']}/preview").content == data
