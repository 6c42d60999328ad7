"""OpenAI's responses, as its official SDKs speak them, and as Dify's OpenAI plugin does."""
import json
import shutil
import subprocess
import time

import openai
import pytest
import requests
from pydantic import BaseModel

from conftest import ROOT, Outrigger, Sim, upstream
from talks import QUESTION, ResponsesTalk
from test_pass_through import ONCE, scripted  # noqa: F401 (a fixture)
from wires import RESPONSES, SCHEMA, ask, post, result, sse

MODEL = "gpt-4o-mini"


def body(content="How long does shipping take?", **members):
    return {"model": MODEL, "input": content, **members}


@pytest.fixture
def client(pair):
    _, proxy = pair
    with openai.OpenAI(base_url=proxy.url + "/v1", api_key="sk-test", max_retries=0, timeout=10) as client:
        yield client


def streamed(client, **members):
    """(the last response, the text in its pieces, x-outrigger-cache), read by the SDK's helper."""
    with client.responses.stream(**members) as stream:
        pieces = [event.delta for event in stream if event.type == "response.output_text.delta"]
        return stream.get_final_response(), pieces, stream._response.headers["x-outrigger-cache"]


def test_blocking_and_streaming_share_an_answer(client, pair):
    sim, _ = pair
    first = client.responses.create(**body(), instructions="Be brief.")
    again = client.responses.with_raw_response.create(**body(), instructions="Be brief.")
    assert again.headers["x-outrigger-cache"] == "hit" and again.headers["x-outrigger-served-by"] == f"sim:{MODEL}"
    hit = again.parse()
    assert hit.output_text == first.output_text and hit.usage == first.usage and hit.status == "completed"
    assert hit.instructions == first.instructions == "Be brief."
    assert hit.id != first.id and hit.id.startswith("resp_")
    final, pieces, how = streamed(client, **body(), instructions="Be brief.")
    assert how == "hit" and "".join(pieces) == final.output_text == first.output_text and final.usage == first.usage
    assert final.id not in (first.id, hit.id) and sim.calls("responses") == 1


def test_a_streamed_answer_serves_both_forms(client, pair):
    sim, _ = pair
    first, pieces, how = streamed(client, **body())
    again = client.responses.with_raw_response.create(**body())
    assert (how, again.headers["x-outrigger-cache"]) == ("miss", "hit")
    assert again.parse().output_text == "".join(pieces) and again.parse().usage == first.usage
    replayed, same, how = streamed(client, **body())
    assert how == "hit" and same == pieces and replayed.usage == first.usage, "replayed in its pieces"
    assert sim.calls("responses") == 1


def test_every_event_of_a_hit_is_one_of_a_miss(client, pair):
    _, proxy = pair
    tools = ("stock", "price")
    for question, with_tools in (("hello", ()), ("Use the tools stock and price", tools)):
        miss, hit = (ask(proxy.url, RESPONSES, question, stream=True, tools=with_tools) for _ in range(2))
        assert (result(miss), result(hit)) == ("miss", "hit")
        assert [name for name, _ in sse(miss)] == [name for name, _ in sse(hit)]
        assert RESPONSES.read(hit).whole and RESPONSES.read(hit).id != RESPONSES.read(miss).id


def test_a_string_is_the_one_users_message(client, pair):
    sim, _ = pair
    client.responses.create(**body("What is it?"))
    for same in ([{"role": "user", "content": "What is it?"}],
                 [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "What is it?"}]}]):
        assert client.responses.with_raw_response.create(**body(same)).headers["x-outrigger-cache"] == "hit"
    other = [{"role": "user", "content": "What is it?"}, {"role": "assistant", "content": "A lamp."}, {"role": "user", "content": "Red?"}]
    assert client.responses.with_raw_response.create(**body(other)).headers["x-outrigger-cache"] == "miss"
    assert sim.calls() == 2


@pytest.mark.parametrize("stream", [False, True])
def test_tools_over_several_turns(pair, stream):
    sim, proxy = pair
    called, said = ResponsesTalk(proxy.url, tools=("stock", "price")).agent(stream)
    assert [c[1] for c in called.calls] == ["stock", "price"] and all(json.loads(c[2])["item"] for c in called.calls)
    assert said.text and not said.calls and said.finish == "completed"
    called_again, said_again = ResponsesTalk(proxy.url, tools=("stock", "price")).agent(not stream)
    assert called_again.headers["x-outrigger-cache"] == said_again.headers["x-outrigger-cache"] == "hit"
    assert [c[1:] for c in called_again.calls] == [c[1:] for c in called.calls] and said_again.text == said.text
    assert sim.calls("responses") == 2
    other = ResponsesTalk(proxy.url, tools=("stock", "price"))
    other.results([(c[0], "sold out") for c in other.turn(stream, QUESTION).calls])
    assert other.turn(stream).headers["x-outrigger-cache"] == "miss"


@pytest.mark.parametrize("stream", [False, True])
def test_reasoning_goes_back_as_it_came(pair, stream):
    sim, proxy = pair
    members = {"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"]}
    called, said = ResponsesTalk(proxy.url, tools=("stock",), **members).agent(stream)
    thought = called.message.output[0]
    assert thought.type == "reasoning" and thought.summary[0].text and thought.encrypted_content
    sent = json.loads(sim.last()["body"])["input"][1]
    assert sent["type"] == "reasoning" and sent["encrypted_content"] == thought.encrypted_content
    assert called.message.usage.output_tokens_details.reasoning_tokens > 0
    again, said_again = ResponsesTalk(proxy.url, tools=("stock",), **members).agent(not stream)
    assert again.headers["x-outrigger-cache"] == "hit" and again.message.output[0].encrypted_content == thought.encrypted_content
    assert said_again.text == said.text


def test_structured_output(client):
    class Parcel(BaseModel):
        city: str
        days: int

    parsed = [client.responses.parse(**body("Where is it?"), text_format=Parcel) for _ in range(2)]
    assert isinstance(parsed[0].output_parsed, Parcel) and parsed[0].output_parsed == parsed[1].output_parsed
    with client.responses.stream(**body("Where is it?"), text_format=Parcel) as stream:
        assert stream.get_final_response().output_parsed == parsed[0].output_parsed
        assert stream._response.headers["x-outrigger-cache"] == "hit"


PING = {"model": MODEL, "input": "ping", "max_output_tokens": 20, "store": False}


def test_a_credential_check_is_neither_cached_nor_answered_by_another(start):
    sim, backup = start(Sim), start(Sim)
    proxy = start(Outrigger, upstream(sim) + upstream(backup, "backup", 'keys = ["sk-b"]')
                  + '[[model]]\nname = "*"\nfallback = ["backup:gpt-4o"]\nretry = { attempts = 1 }\n')
    for stream in (False, True, False):
        assert result(post(proxy.url, RESPONSES, {**PING, "stream": stream})) == "bypass; reason=ping"
    assert result(post(proxy.url, RESPONSES, {**PING, "input": [{"role": "user", "content": "ping"}]})) == "bypass; reason=ping"
    assert sim.calls() == 4
    for status in (401, 503, 404):
        sim.faults(f"[[fault]]\nstatus = {status}\n")
        answer = post(proxy.url, RESPONSES, PING)
        assert answer.status_code == status and answer.json()["error"]["message"]
    assert backup.calls() == 0


def bypasses(url, sent):
    return [result(post(url, RESPONSES, sent)) for _ in range(2)]


def test_what_hangs_on_state_or_on_the_world_is_not_kept(one):
    first = post(one.url, RESPONSES, body("Remember me?")).json()
    stateful = {"previous_response_id": first["id"]}, {"background": True}, {"conversation": "conv_1"}, {"prompt": {"id": "pmpt_1"}}
    for more in stateful:
        assert bypasses(one.url, body("And?", **more)) == ["bypass; reason=stateful"] * 2, more
    reference = [{"type": "item_reference", "id": "msg_1"}, {"role": "user", "content": "And?"}]
    assert bypasses(one.url, body(reference)) == ["bypass; reason=stateful"] * 2
    for kind in ("web_search", "web_search_preview", "file_search", "code_interpreter", "image_generation"):
        tool = {"type": kind, **({"vector_store_ids": ["vs_1"]} if kind == "file_search" else {})}
        assert bypasses(one.url, body("News?", tools=[tool])) == ["bypass; reason=hosted_tool"] * 2, kind
    picture = [{"role": "user", "content": [{"type": "input_image", "image_url": "https://example.com/a.png"}]}]
    assert bypasses(one.url, body(picture)) == ["bypass; reason=mutable_url"] * 2
    inline = [{"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}]}]
    assert bypasses(one.url, body(inline)) == ["miss", "hit"]


def test_an_earlier_response_is_found_by_its_id(client):
    first = client.responses.create(**body("I am Ada."))
    second = client.responses.create(**body("Who am I?"), previous_response_id=first.id)
    assert second.output_text and second.previous_response_id == first.id


@pytest.mark.parametrize("stream", [False, True])
def test_incomplete_answers_are_not_kept(pair, stream):
    sim, proxy = pair
    for _ in range(2):
        answer = ask(proxy.url, RESPONSES, "Tell me all.", stream=stream, max_output_tokens=16)
        assert RESPONSES.read(answer).finish == "incomplete" and result(answer) == "miss"
    sim.faults('[[fault]]\nfinish_reason = "content_filter"\n')
    for _ in range(2):
        assert result(ask(proxy.url, RESPONSES, "Tell me more.", stream=stream)) == "miss"
    assert [proxy.metric("outrigger_cache_not_stored_total", reason=reason) for reason in ("length", "filtered")] == [2, 2]


@pytest.mark.parametrize("stream", [False, True])
def test_failed_answers_are_errors(start, stream):
    sim = start(Sim)
    proxy = start(Outrigger, upstream(sim) + ONCE)
    sim.faults('[[fault]]\nfinish_reason = "failed"\n')
    answer = ask(proxy.url, RESPONSES, "q", stream=stream)
    assert RESPONSES.read(answer).error["code"] == "server_error"
    sim.faults("")
    answer = ask(proxy.url, RESPONSES, "q", stream=stream)
    assert result(answer) == "miss" and RESPONSES.read(answer).whole


@pytest.mark.parametrize("fault", ["error_in_stream = true", "truncate = true", 'stall = "30s"', "no_done = true", "malformed_chunk = true"])
def test_a_stream_that_breaks_ends_with_an_error(start, fault):
    sim = start(Sim)
    proxy = start(Outrigger, upstream(sim) + '[[model]]\nname = "*"\ntimeout = { between_tokens = "300ms" }\n')
    sim.faults(f"[[fault]]\nafter = 5\n{fault}\n")
    answer = ask(proxy.url, RESPONSES, "q", stream=True)
    said = RESPONSES.read(answer)
    assert said.text and said.error and said.error["code"] and not said.whole, said
    with openai.OpenAI(base_url=proxy.url + "/v1", api_key="sk-test", max_retries=0, timeout=10) as client:
        with pytest.raises((openai.APIError, RuntimeError)):
            streamed(client, **body())[0].output_text
    sim.faults("")
    assert result(ask(proxy.url, RESPONSES, "q", stream=True)) == "miss", "half an answer was kept"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status,kind", [(400, openai.BadRequestError), (401, openai.AuthenticationError),
                                         (429, openai.RateLimitError), (500, openai.InternalServerError)])
def test_errors_keep_their_kind(start, status, kind, stream):
    sim = start(Sim)
    proxy = start(Outrigger, upstream(sim) + ONCE)
    sim.faults(f"[[fault]]\nstatus = {status}\n" + ("retry_after = 7\n" if status == 429 else ""))
    with openai.OpenAI(base_url=proxy.url + "/v1", api_key="sk-test", max_retries=2, timeout=10) as client:
        with pytest.raises(kind) as caught:
            client.responses.create(**body(), stream=stream)
    assert caught.value.response.headers["x-should-retry"] == "false" and sim.calls() == 1, "the SDK asked again"
    if status == 429:
        assert caught.value.response.headers["retry-after"] == "7"


def test_a_dead_provider_is_an_error_in_its_dialect(start):
    sim = start(Sim)
    proxy = start(Outrigger, upstream(sim) + ONCE)
    sim.stop()
    with openai.OpenAI(base_url=proxy.url + "/v1", api_key="sk-test", max_retries=2, timeout=10) as client:
        with pytest.raises(openai.InternalServerError) as caught:
            client.responses.create(**body())
    assert caught.value.status_code == 502 and caught.value.code == "connect_refused" and "127.0.0.1" not in str(caught.value)


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    directory = tmp_path_factory.mktemp("responses")
    sim = Sim(directory)
    proxy = Outrigger(directory, upstream(sim))
    yield proxy
    proxy.stop()
    sim.stop()


TOOL = {"type": "function", "name": "stock", "parameters": SCHEMA, "strict": False}
APART = {
    "max_output_tokens": ({}, {"max_output_tokens": 999}),
    "instructions": ({"instructions": "Be brief."}, {"instructions": "Be verbose."}),
    "temperature": ({"temperature": 0.1}, {"temperature": 0.2}),
    "top_p": ({"top_p": 0.5}, {"top_p": 0.6}),
    "effort": ({"reasoning": {"effort": "low"}}, {"reasoning": {"effort": "high"}}),
    "summary": ({"reasoning": {"effort": "low"}}, {"reasoning": {"effort": "low", "summary": "auto"}}),
    "verbosity": ({"text": {"verbosity": "low"}}, {"text": {"verbosity": "high"}}),
    "include": ({}, {"include": ["reasoning.encrypted_content"]}),
    "format": ({"text": {"format": {"type": "json_object"}}}, {"text": {"format": {"type": "text"}}}),
    "tools": ({}, {"tools": [TOOL]}),
    "tool_choice": ({"tools": [TOOL], "tool_choice": "auto"}, {"tools": [TOOL], "tool_choice": "required"}),
    "parallel": ({"tools": [TOOL]}, {"tools": [TOOL], "parallel_tool_calls": False}),
    "truncation": ({"truncation": "auto"}, {"truncation": "disabled"}),
    "model": ({}, {"model": "gpt-4o"}),
    "what comes later": ({}, {"something_new": 1}),
}


@pytest.mark.parametrize("left,right", [pytest.param(*pair, id=name) for name, pair in APART.items()])
def test_what_makes_another_answer_is_not_shared(one, left, right):
    for number, (first, second) in enumerate(((left, right), (right, left))):
        question = f"{json.dumps(first)} then {json.dumps(second)} {number}?"
        assert result(post(one.url, RESPONSES, {**body(question), **first})) == "miss"
        assert result(post(one.url, RESPONSES, {**body(question), **second})) == "miss"
        assert result(post(one.url, RESPONSES, {**body(question), **first, "stream": True})) == "hit"


SAME = {"safety_identifier": "7f1e", "user": "u", "prompt_cache_key": "k", "stream": True, "metadata": {"dify_app_id": "1"},
        "store": True, "service_tier": "flex", "prompt_cache_retention": "24h"}


@pytest.mark.parametrize("name", SAME)
def test_what_only_steers_delivery_is_shared(one, name):
    question = f"the same {name}?"
    assert result(post(one.url, RESPONSES, body(question))) == "miss"
    assert result(post(one.url, RESPONSES, body(question, **{name: SAME[name]}))) == "hit"


def frame(number, name, members):
    return f'event: {name}\ndata: {{"type":"{name}","sequence_number":{number},{members}}}\n\n'


OBJECT = '"response":{"id":"resp_1","object":"response","created_at":1,"status":"%s","model":"m","output":[%s],"vendor":[1,2.50]}'
ITEM = '{"id":"msg_1","type":"message","status":"%s","role":"assistant","content":[%s]}'
PART = '{"type":"output_text","annotations":[],"text":"你好"}'
EVENTS = [
    frame(0, "response.created", OBJECT % ("in_progress", "")),
    frame(1, "response.output_item.added", '"output_index":0,"item":' + ITEM % ("in_progress", "")),
    frame(2, "response.output_text.delta", '"item_id":"msg_1","output_index":0,"content_index":0,"delta":"你好"'),
    frame(3, "response.vendor.note", '"note":"\\u4f60"'),
    frame(4, "response.output_item.done", '"output_index":0,"item":' + ITEM % ("completed", PART)),
    frame(5, "response.completed", OBJECT % ("completed", ITEM % ("completed", PART)))]


def test_a_stream_arrives_byte_for_byte_and_piece_by_piece(scripted):  # noqa: F811
    gap = 0.04

    def script(connection, head, sent):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in EVENTS:
            data = piece.encode()
            connection.sendall(b"%x\r\n%s\r\n" % (len(data), data))
            time.sleep(gap)
        connection.sendall(b"0\r\n\r\n")

    origin, proxy = scripted(script)
    exact = b'{"model":"m",  "stream":true, "input":"\\u4f60 caf\xc3\xa9", "store":false}'
    response = requests.post(proxy.url + "/v1/responses", data=exact, stream=True,
                             headers={**RESPONSES.headers(), "content-type": "application/json"})
    arrived, times = [], []
    for chunk in response.raw.read_chunked():
        arrived.append(chunk.decode())
        times.append(time.monotonic())
    assert arrived == EVENTS and origin.requests[0][1] == exact
    assert all(later - earlier > gap / 3 for earlier, later in zip(times, times[1:])), "a piece was held back"


@pytest.mark.parametrize("fault", ["out_of_order = true", "unknown_event = true\nafter = 3", "half_utf8 = true\nafter = 3",
                                   "bad_arguments = true"])
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_odd_passes_on_within_the_dialect(start, fault, stream):
    sim = start(Sim)
    proxy = start(Outrigger, upstream(sim))
    sim.faults(f"[[fault]]\n{fault}\n")
    tools = ("stock",) if "arguments" in fault else ()
    sent = RESPONSES.body("Use the stock tool", stream=stream, tools=tools)
    through, direct = (requests.post(url + "/v1/responses", json=sent, headers=RESPONSES.headers()) for url in (proxy.url, sim.url))
    assert through.status_code == 200 and len(through.content) == len(direct.content)
    if "half_utf8" in fault:
        assert b"\xe4\xbd" in through.content
    assert proxy.alive() and ask(proxy.url, RESPONSES, "another").status_code == 200


def test_input_items_and_lookups_pass_through(client, pair):
    sim, proxy = pair
    answer = requests.get(proxy.url + "/v1/responses/resp_1", headers=RESPONSES.headers())
    assert answer.status_code == 404 and answer.headers["x-outrigger-cache"] == "bypass; reason=endpoint"


def test_node_sdk(pair):
    modules = ROOT / "build/wire/node"
    if shutil.which("node") is None or not (modules / "node_modules/openai").exists():
        pytest.skip("the Node SDK is not installed")
    sim, proxy = pair
    shutil.copy(ROOT / "tests/wire/node/responses.mjs", modules / "responses.mjs")
    done = subprocess.run(["node", "responses.mjs", proxy.url, sim.url], cwd=modules, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all good" in done.stdout
