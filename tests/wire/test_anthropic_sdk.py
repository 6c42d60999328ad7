"""Anthropic's messages, as its official SDK for Python speaks them, and as Dify's plugin does."""
import base64
import json
import re
import shutil
import socket
import subprocess
import time

import anthropic
import pytest
import requests
from pydantic import BaseModel

from conftest import ROOT, Outrigger, Sim, upstream
from talks import QUESTION, AnthropicTalk
from test_pass_through import ONCE, scripted  # noqa: F401 (a fixture)
from wires import MESSAGES, ask, post, result, sse

MODEL = "claude-sonnet-4-6"
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 32).decode()


def body(content="How long does shipping take?", **members):
    return {"model": MODEL, "max_tokens": 1000, "messages": [{"role": "user", "content": content}], **members}


@pytest.fixture
def client(pair):
    _, proxy = pair
    with anthropic.Anthropic(base_url=proxy.url, api_key="sk-ant-test", max_retries=0, timeout=10) as client:
        yield client


def test_blocking_and_streaming_share_an_answer(client, pair):
    sim, _ = pair
    first = client.messages.create(**body())
    again = client.messages.with_raw_response.create(**body())
    assert again.headers["x-outrigger-cache"] == "hit" and again.headers["x-outrigger-served-by"] == f"sim:{MODEL}"
    hit = again.parse()
    assert hit.content == first.content and hit.usage == first.usage and hit.stop_reason == first.stop_reason == "end_turn"
    assert hit.id != first.id and hit.id.startswith("msg_"), "an answer of its own"
    with client.messages.stream(**body()) as stream:
        assert "".join(stream.text_stream) == first.content[0].text
        final = stream.get_final_message()
        assert stream.response.headers["x-outrigger-cache"] == "hit"
    assert final.content[0].text == first.content[0].text and final.stop_reason == "end_turn"
    assert final.usage.output_tokens == first.usage.output_tokens and final.usage.input_tokens == first.usage.input_tokens
    assert final.id not in (first.id, hit.id)
    assert sim.calls("messages") == 1


def test_a_streamed_answer_serves_both_forms(client, pair):
    sim, _ = pair
    with client.messages.stream(**body()) as stream:
        pieces = list(stream.text_stream)
        first = stream.get_final_message()
    again = client.messages.with_raw_response.create(**body())
    assert again.headers["x-outrigger-cache"] == "hit"
    assert again.parse().content[0].text == "".join(pieces) and again.parse().usage.output_tokens == first.usage.output_tokens
    with client.messages.stream(**body()) as stream:
        assert list(stream.text_stream) == pieces, "replayed in its pieces"
    assert sim.calls("messages") == 1


def test_raw_events_come_in_order(client):
    def kinds():
        raw = client.messages.with_raw_response.create(**body(), stream=True)
        return raw.headers["x-outrigger-cache"], [event.type for event in raw.parse()]

    (one, first), (two, hit) = kinds(), kinds()
    assert (one, two) == ("miss", "hit")
    for events in (first, hit):
        shape = [e for e, before in zip(events, [None, *events]) if e != before and e != "ping"]
        assert shape == ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta",
                         "message_stop"]


@pytest.mark.parametrize("stream", [False, True])
def test_tools_over_several_turns(pair, stream):
    sim, proxy = pair
    talk = AnthropicTalk(proxy.url, tools=("stock", "price"))
    called, said = talk.agent(stream)
    assert [c[1] for c in called.calls] == ["stock", "price"] and called.finish == "tool_use"
    assert all(json.loads(c[2])["item"] for c in called.calls) and len({c[0] for c in called.calls}) == 2
    assert said.text and not said.calls and said.finish == "end_turn"
    # The same conversation again, in the other form: both turns are there, with calls of other ids.
    again = AnthropicTalk(proxy.url, tools=("stock", "price"))
    called_again, said_again = again.agent(not stream)
    assert called_again.headers["x-outrigger-cache"] == said_again.headers["x-outrigger-cache"] == "hit"
    assert [c[1:] for c in called_again.calls] == [c[1:] for c in called.calls] and said_again.text == said.text
    assert sim.calls("messages") == 2
    # The results are part of the question.
    other = AnthropicTalk(proxy.url, tools=("stock", "price"))
    other.results([(c[0], "sold out") for c in other.turn(stream, QUESTION).calls])
    assert other.turn(stream).headers["x-outrigger-cache"] == "miss"


def test_structured_output(client):
    class Parcel(BaseModel):
        city: str
        days: int

    parsed = [client.messages.parse(**body("Where is it?"), output_format=Parcel) for _ in range(2)]
    assert isinstance(parsed[0].parsed_output, Parcel) and parsed[0].parsed_output == parsed[1].parsed_output
    with client.messages.stream(**body("Where is it?"), output_format=Parcel) as stream:
        assert stream.get_final_message().parsed_output == parsed[0].parsed_output
        assert stream.response.headers["x-outrigger-cache"] == "hit"


def test_images(pair):
    sim, proxy = pair

    def look(source):
        return result(ask(proxy.url, MESSAGES, [{"type": "image", "source": source}, {"type": "text", "text": "What is this?"}]))

    inline = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    assert [look(inline), look(inline)] == ["miss", "hit"]
    assert look({**inline, "data": base64.b64encode(b"another").decode()}) == "miss"
    assert look({"type": "url", "url": "https://example.com/a.png"}) == "bypass; reason=mutable_url"


@pytest.mark.parametrize("stream", [False, True])
def test_thinking_comes_signed_and_goes_back_signed(pair, stream):
    sim, proxy = pair
    talk = AnthropicTalk(proxy.url, tools=("stock",), thinking={"type": "enabled", "budget_tokens": 2000})
    called, said = talk.agent(stream)
    thought = called.message.content[0]
    assert thought.type == "thinking" and thought.thinking and thought.signature
    sent = json.loads(sim.last()["body"])["messages"][1]["content"][0]
    assert (sent["type"], sent["thinking"], sent["signature"]) == ("thinking", thought.thinking, thought.signature)
    again = AnthropicTalk(proxy.url, tools=("stock",), thinking={"type": "enabled", "budget_tokens": 2000})
    called_again, said_again = again.agent(not stream)
    assert called_again.message.content[0].signature == thought.signature and said_again.text == said.text
    assert said_again.headers["x-outrigger-cache"] == "hit" and sim.calls("messages") == 2


def test_count_tokens_passes_through(client, pair):
    sim, _ = pair
    for calls in (1, 2):
        raw = client.messages.with_raw_response.count_tokens(model=MODEL, messages=body()["messages"])
        assert raw.parse().input_tokens > 0 and raw.headers["x-outrigger-cache"] == "bypass; reason=endpoint"
        assert sim.calls("messages/count_tokens") == calls


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status,kind,word", [(400, anthropic.BadRequestError, "invalid_request_error"),
                                              (401, anthropic.AuthenticationError, "authentication_error"),
                                              (429, anthropic.RateLimitError, "rate_limit_error"),
                                              (500, anthropic.InternalServerError, "api_error"),
                                              (529, anthropic.InternalServerError, "overloaded_error")])
def test_errors_keep_their_kind(start, status, kind, word, stream):
    sim = start(Sim)
    proxy = start(Outrigger, upstream(sim) + ONCE)
    sim.faults(f"[[fault]]\nstatus = {status}\n" + ("retry_after = 7\n" if status == 429 else ""))
    with anthropic.Anthropic(base_url=proxy.url, api_key="sk-ant-test", max_retries=2, timeout=10) as client:
        with pytest.raises(kind) as caught:
            client.messages.create(**body(), stream=stream)
    error = caught.value
    assert error.status_code == status and error.body["type"] == "error" and error.body["error"]["type"] == word
    assert error.response.headers["x-should-retry"] == "false" and sim.calls() == 1, "the SDK asked again"
    if status == 429:
        assert error.response.headers["retry-after"] == "7"


def test_a_dead_provider_is_an_error_in_its_dialect(start):
    sim = start(Sim)
    proxy = start(Outrigger, upstream(sim) + ONCE)
    sim.stop()
    with anthropic.Anthropic(base_url=proxy.url, api_key="sk-ant-test", max_retries=2, timeout=10) as client:
        with pytest.raises(anthropic.InternalServerError) as caught:
            client.messages.create(**body())
    error = caught.value
    assert error.status_code == 502 and error.body["type"] == "error" and error.body["error"]["type"] == "api_error"
    assert "127.0.0.1" not in str(error) and len(proxy.access_log(1)) == 1


@pytest.mark.parametrize("fault", ["error_in_stream = true", "truncate = true", 'stall = "30s"', "no_done = true", "malformed_chunk = true"])
def test_a_stream_that_breaks_raises_instead_of_ending(start, fault):
    sim = start(Sim)
    proxy = start(Outrigger, upstream(sim) + '[[model]]\nname = "*"\ntimeout = { between_tokens = "300ms" }\n')
    sim.faults(f"[[fault]]\nafter = 5\n{fault}\n")
    answer = ask(proxy.url, MESSAGES, "q", stream=True)
    said = MESSAGES.read(answer)
    assert said.text and said.error and not said.whole, said
    assert sse(answer)[-1][0] == "error"
    with anthropic.Anthropic(base_url=proxy.url, api_key="sk-test", max_retries=0, timeout=10) as client:
        with pytest.raises(anthropic.APIError):
            with client.messages.stream(**body()) as stream:
                stream.get_final_message()
    sim.faults("")
    assert result(ask(proxy.url, MESSAGES, "q", stream=True)) == "miss", "half an answer was kept"


def test_a_client_side_timeout_cancels_the_call(start):
    sim = start(Sim, 'first_token = "5s"\n')
    proxy = start(Outrigger, upstream(sim))
    with anthropic.Anthropic(base_url=proxy.url, api_key="sk-test", max_retries=0, timeout=0.3) as client:
        with pytest.raises(anthropic.APITimeoutError):
            client.messages.create(**body())
    deadline = time.monotonic() + 3
    while proxy.metric("outrigger_upstream_calls") > 0:
        assert time.monotonic() < deadline, "the call upstream goes on without anybody waiting"
        time.sleep(0.02)


@pytest.mark.parametrize("stream", [False, True])
def test_incomplete_answers_are_not_kept(pair, stream):
    _, proxy = pair
    for _ in range(2):
        answer = ask(proxy.url, MESSAGES, "Tell me all.", stream=stream, max_tokens=5)
        assert MESSAGES.read(answer).finish == "max_tokens" and result(answer) == "miss"
    assert proxy.metric("outrigger_cache_not_stored_total", reason="length") == 2


def test_prompt_caching_is_passed_on_and_told(pair):
    sim, proxy = pair
    marked = [{"type": "text", "text": "You are the support desk. " * 40, "cache_control": {"type": "ephemeral"}}]

    def talk(question, system=marked):
        with anthropic.Anthropic(base_url=proxy.url, api_key="sk-test", max_retries=0) as client:
            raw = client.messages.with_raw_response.create(**body(question), system=system)
            return raw.headers["x-outrigger-cache"], raw.parse().usage

    first, second = talk("one"), talk("two")
    assert json.loads(sim.last()["body"])["system"] == marked
    assert first[1].cache_creation_input_tokens > 100 and second[1].cache_read_input_tokens > 100
    # Whether the provider keeps a prompt ready says nothing about the answer.
    plain = [{"type": "text", "text": marked[0]["text"]}]
    assert talk("one", plain)[0] == talk("one", plain[0]["text"])[0] == "hit"


CHECK = {"model": MODEL, "messages": [{"role": "user", "content": "ping"}], "temperature": 0, "max_tokens": 20}


def test_a_credential_check_is_neither_cached_nor_answered_by_another(start):
    sim, backup = start(Sim), start(Sim)
    proxy = start(Outrigger, upstream(sim, extra='dialect = "anthropic"') + upstream(backup, "backup", 'keys = ["sk-b"]')
                  + f'[[model]]\nname = "*"\nfallback = ["backup:gpt-4o-mini"]\nretry = {{ attempts = 1 }}\n')
    for stream in (False, True, False):
        answer = post(proxy.url, MESSAGES, {**CHECK, "stream": stream})
        assert answer.status_code == 200 and result(answer) == "bypass; reason=ping"
    blocks = {**CHECK, "messages": [{"role": "user", "content": [{"type": "text", "text": "ping"}]}]}
    assert result(post(proxy.url, MESSAGES, blocks)) == "bypass; reason=ping"
    assert sim.calls() == 4
    for status in (401, 529, 404):
        sim.faults(f"[[fault]]\nstatus = {status}\n")
        answer = post(proxy.url, MESSAGES, CHECK)
        assert answer.status_code == status and answer.json()["type"] == "error"
    assert backup.calls() == 0


TOOL = {"name": "stock", "input_schema": {"type": "object", "properties": {}}}
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1100}, "max_tokens": 5000}
APART = {
    "max_tokens": ({}, {"max_tokens": 999}),
    "top_k": ({}, {"top_k": 5}),
    "top_p": ({"top_p": 0.5}, {"top_p": 0.6}),
    "temperature": ({"temperature": 0.1}, {"temperature": 0.2}),
    "system": ({"system": "Be brief."}, {"system": "Be verbose."}),
    "no system": ({}, {"system": "Be brief."}),
    "stop_sequences": ({}, {"stop_sequences": ["zzz"]}),
    "thinking": ({"max_tokens": 5000}, THINKING),
    "budget": (THINKING, {**THINKING, "thinking": {"type": "enabled", "budget_tokens": 1200}}),
    "adaptive": (THINKING, {**THINKING, "thinking": {"type": "adaptive"}}),
    "effort": ({"output_config": {"effort": "low"}}, {"output_config": {"effort": "high"}}),
    "tools": ({}, {"tools": [TOOL]}),
    "a tool's description": ({"tools": [TOOL]}, {"tools": [{**TOOL, "description": "Tells."}]}),
    "tool_choice": ({"tools": [TOOL]}, {"tools": [TOOL], "tool_choice": {"type": "any"}}),
    "tool_choice none": ({"tools": [TOOL], "tool_choice": {"type": "auto"}}, {"tools": [TOOL], "tool_choice": {"type": "none"}}),
    "model": ({}, {"model": "claude-opus-4-1"}),
    "the roles": ({}, {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
                                    {"role": "user", "content": "How long does shipping take?"}]}),
    "what comes later": ({}, {"something_new": 1}),
    "context management": ({}, {"context_management": {"edits": []}}),
}


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    directory = tmp_path_factory.mktemp("messages")
    sim = Sim(directory)
    proxy = Outrigger(directory, upstream(sim))
    yield proxy
    proxy.stop()
    sim.stop()


@pytest.mark.parametrize("left,right", [pytest.param(*pair, id=name) for name, pair in APART.items()])
def test_what_makes_another_answer_is_not_shared(one, left, right):
    for first, second in ((left, right), (right, left)):
        question = f"{json.dumps(first)} then {json.dumps(second)}?"
        base = body(question)
        if "messages" in second or "messages" in first:
            base = body()
        requests.post(one.admin + "/api/cache/purge", json={"all": True}).raise_for_status()
        assert result(post(one.url, MESSAGES, {**base, **first})) == "miss"
        assert result(post(one.url, MESSAGES, {**base, **second})) == "miss"
        assert result(post(one.url, MESSAGES, {**base, **first, "stream": True})) == "hit"


def test_beta_features_are_part_of_the_question(one):
    def with_beta(*beta):
        return result(post(one.url, MESSAGES, body("beta?"), headers={"anthropic-beta": ",".join(beta)} if beta else {}))

    assert [with_beta(), with_beta("context-1m-2025-08-07"), with_beta("other-2025-01-01")] == ["miss"] * 3
    assert [with_beta(), with_beta("context-1m-2025-08-07"), with_beta("other-2025-01-01")] == ["hit"] * 3


SAME = [{"metadata": {"user_id": "7f1e"}}, {"stream": True}, {"service_tier": "auto"}, {"cache_control": {"type": "ephemeral"}},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "the same?", "cache_control": {"type": "ephemeral"}}]}]}]


@pytest.mark.parametrize("more", SAME, ids=[",".join(more) + f" {i}" for i, more in enumerate(SAME)])
def test_what_only_steers_delivery_is_shared(one, more):
    requests.post(one.admin + "/api/cache/purge", json={"all": True}).raise_for_status()
    assert result(post(one.url, MESSAGES, body("the same?"))) == "miss"
    assert result(post(one.url, MESSAGES, {**body("the same?"), **more})) == "hit"


def test_hosted_tools_are_not_answered_from_the_cache(one):
    search = {"type": "web_search_20250305", "name": "web_search"}
    for _ in range(2):
        assert result(post(one.url, MESSAGES, body("news?", tools=[search]))) == "bypass; reason=hosted_tool"
    own = {"type": "bash_20250124", "name": "bash"}
    assert [result(post(one.url, MESSAGES, body("list?", tools=[own]))) for _ in range(2)] == ["miss", "hit"]


def test_keys_do_not_share(one):
    assert [result(post(one.url, MESSAGES, body("mine?"), key=key)) for key in ("sk-a", "sk-b", "sk-a")] == ["miss", "miss", "hit"]


EVENTS = [
    'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m",'
    '"content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1},"vendor":{"x":[1,2.50]}}}\n\n',
    'event: ping\ndata: {"type": "ping"}\n\n',
    'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n',
    'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"你好"}}\n\n',
    'event: vendor_note\ndata: {"type":"vendor_note","note":"\\u4f60"}\n\n',
    'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n',
    'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},'
    '"usage":{"output_tokens":2}}\n\n',
    'event: message_stop\ndata: {"type":"message_stop"}\n\n']


def test_a_stream_arrives_byte_for_byte_and_piece_by_piece(scripted):  # noqa: F811
    gap = 0.04

    def script(connection, head, sent):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nrequest-id: r1\r\n\r\n")
        for piece in EVENTS:
            data = piece.encode()
            connection.sendall(b"%x\r\n%s\r\n" % (len(data), data))
            time.sleep(gap)
        connection.sendall(b"0\r\n\r\n")

    origin, proxy = scripted(script)
    exact = b'{"max_tokens": 10,  "model":"m", "stream":true, "messages":[{"role":"user","content":"\\u4f60 caf\xc3\xa9"}]}'
    response = requests.post(proxy.url + "/v1/messages", data=exact, stream=True,
                             headers={**MESSAGES.headers("sk-ant-x"), "anthropic-beta": "b1,b2", "content-type": "application/json"})
    assert response.headers["request-id"] == "r1"
    arrived, times = [], []
    for chunk in response.raw.read_chunked():
        arrived.append(chunk.decode())
        times.append(time.monotonic())
    assert arrived == EVENTS
    assert all(later - earlier > gap / 3 for earlier, later in zip(times, times[1:])), "a piece was held back"
    head, sent = origin.requests[0]
    assert sent == exact and head.startswith(b"POST /v1/messages HTTP/1.1\r\n")
    for field in (b"x-api-key: sk-ant-x", b"anthropic-version: 2023-06-01", b"anthropic-beta: b1,b2"):
        assert b"\r\n" + field + b"\r\n" in head.lower()


def test_own_keys_go_where_anthropic_looks_for_them(start):
    sim = start(Sim, 'key = "sk-real"\n')
    proxy = start(Outrigger, upstream(sim, extra='dialect = "anthropic"\nkeys = ["env:TEST_KEY"]'), env={"TEST_KEY": "sk-real"})
    answer = ask(proxy.url, MESSAGES, "q")
    assert answer.status_code == 200
    seen = sim.last()["headers"]
    assert "x-api-key" in seen and "authorization" not in seen and seen["anthropic-version"] == "2023-06-01"
    assert "sk-real" not in proxy.text()


@pytest.mark.parametrize("path", ["/v1/messages", "/messages", "/v1/v1/messages", "/v1/messages/v1/messages", "/sim/v1/messages"])
def test_every_base_url_that_people_paste_works(pair, path):
    sim, proxy = pair
    answer = requests.post(proxy.url + path, json=body(), headers=MESSAGES.headers())
    assert answer.status_code == 200 and sim.last()["path"] == "/v1/messages"


@pytest.mark.parametrize("fault", ["out_of_order = true", "unknown_event = true\nafter = 3", "half_utf8 = true\nafter = 3",
                                   "bad_arguments = true"])
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_odd_passes_on_within_the_dialect(start, fault, stream):
    sim = start(Sim)
    proxy = start(Outrigger, upstream(sim))
    sim.faults(f"[[fault]]\n{fault}\n")
    tools = ("stock",) if "arguments" in fault else ()
    sent = MESSAGES.body("Use the stock tool", stream=stream, tools=tools)
    through, direct = (raw_answer(port, sent) for port in (proxy.port, sim.port))
    assert without_ids(through) == without_ids(direct)
    assert proxy.alive() and ask(proxy.url, MESSAGES, "another").status_code == 200


def raw_answer(port, sent):
    answer = requests.post(f"http://127.0.0.1:{port}/v1/messages", json=sent, headers=MESSAGES.headers())
    assert answer.status_code == 200
    return answer.content


def without_ids(data):
    return re.sub(rb"(msg|toolu)_[A-Za-z0-9]+", b"id", data)


def test_a_client_that_leaves_cancels_its_call(start):
    sim = start(Sim, 'first_token = "20ms"\nbetween_tokens = "50ms"\n')
    proxy = start(Outrigger, upstream(sim))
    text = json.dumps(body(stream=True)).encode()
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as link:
        link.sendall(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nX-Api-Key: k\r\nanthropic-version: 2023-06-01\r\n"
                     b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
        assert link.recv(4096).startswith(b"HTTP/1.1 200 ")
    deadline = time.monotonic() + 3
    while sim.stats()["clients_gone"] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_node_sdk(pair):
    modules = ROOT / "build/wire/node"
    if shutil.which("node") is None or not (modules / "node_modules/@anthropic-ai/sdk").exists():
        pytest.skip("the Node SDK is not installed")
    sim, proxy = pair
    shutil.copy(ROOT / "tests/wire/node/anthropic.mjs", modules / "anthropic.mjs")
    done = subprocess.run(["node", "anthropic.mjs", proxy.url, sim.url], cwd=modules, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all good" in done.stdout
