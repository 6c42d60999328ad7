"""The official SDK for Python, as applications use it."""
import io
import json
import shutil
import socket
import subprocess
import time

import openai
import pytest
import requests

from conftest import ROOT, Outrigger, Sim, upstream

QUESTION = [{"role": "user", "content": "How long does shipping take?"}]


@pytest.fixture
def client(pair):
    _, proxy = pair
    with openai.OpenAI(base_url=proxy.url + "/v1", api_key="sk-test", max_retries=0, timeout=10) as client:
        yield client


def test_chat_blocking_and_streaming(client):
    first = client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
    again = client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=QUESTION)
    assert again.headers["x-outrigger-cache"] == "hit"
    assert again.parse().choices[0].message.content == first.choices[0].message.content
    assert again.parse().usage.total_tokens == first.usage.total_tokens
    chunks = list(client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION, stream=True,
                                                 stream_options={"include_usage": True}))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == first.choices[0].message.content
    assert chunks[-1].usage.total_tokens == first.usage.total_tokens and chunks[-1].choices == []
    assert chunks[-2].choices[0].finish_reason == "stop"


def test_tools_over_several_turns(client):
    tools = [{"type": "function", "function": {"name": n, "parameters": {"type": "object", "properties": {}}}}
             for n in ("stock", "price")]
    messages = [{"role": "user", "content": "Use the tools stock and price."}]

    def turn(stream):
        if not stream:
            return client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=tools).choices[0].message
        with client.chat.completions.stream(model="gpt-4o-mini", messages=messages, tools=tools) as events:
            for _ in events:
                pass
            return events.get_final_completion().choices[0].message

    for stream in (False, True):
        calls = turn(stream).tool_calls
        assert [c.function.name for c in calls] == ["stock", "price"]
        assert all(json.loads(c.function.arguments) is not None for c in calls)
    messages.append({"role": "assistant", "tool_calls": [
        {"id": c.id, "type": "function", "function": {"name": c.function.name, "arguments": c.function.arguments}} for c in calls]})
    messages += [{"role": "tool", "tool_call_id": c.id, "content": "7"} for c in calls]
    answer = turn(False)
    assert answer.content and not answer.tool_calls
    # The same turn with other ids for the same calls is the same question.
    for message in messages:
        for call in message.get("tool_calls", []):
            call["id"] = "other-" + call["id"]
        if message["role"] == "tool":
            message["tool_call_id"] = "other-" + message["tool_call_id"]
    raw = client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=messages, tools=tools)
    assert raw.headers["x-outrigger-cache"] == "hit"


def test_embeddings_in_both_encodings(client, pair):
    sim, _ = pair
    texts = ["alpha", "beta", "alpha"]
    packed = client.embeddings.create(model="text-embedding-3-small", input=texts, dimensions=16)
    plain = client.embeddings.create(model="text-embedding-3-small", input=texts, dimensions=16, encoding_format="float")
    for one, two in zip(packed.data, plain.data):
        assert one.index == two.index and one.embedding == pytest.approx(two.embedding, abs=1e-6)
    calls = sim.calls("embeddings")
    again = client.embeddings.create(model="text-embedding-3-small", input=["beta"], dimensions=16)
    assert again.data[0].embedding == packed.data[1].embedding and sim.calls("embeddings") == calls


def test_models_and_file_upload(client):
    assert any(m.id for m in client.models.list())
    uploaded = client.files.create(file=("faq.jsonl", io.BytesIO(b"{}\n" * 50_000)), purpose="assistants")
    assert uploaded.bytes


@pytest.mark.parametrize("status,kind", [(400, openai.BadRequestError), (401, openai.AuthenticationError),
                                         (429, openai.RateLimitError), (500, openai.InternalServerError)])
def test_errors_keep_their_kind(client, pair, status, kind):
    sim, _ = pair
    sim.faults(f"[[fault]]\nstatus = {status}\n")
    with pytest.raises(kind):
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": f"{status}"}])


def test_a_dead_provider_is_an_error_that_is_not_retried(start):
    sim = start(Sim)
    proxy = start(Outrigger, upstream(sim))
    sim.stop()
    with openai.OpenAI(base_url=proxy.url + "/v1", api_key="sk-test", max_retries=2, timeout=10) as client:
        with pytest.raises(openai.InternalServerError) as caught:
            client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
    assert caught.value.status_code == 502 and caught.value.code == "connect_refused"
    assert "127.0.0.1" not in str(caught.value)
    proxy.chat("the last one")
    assert len(proxy.access_log(2)) == 2, "the SDK asked again"


def test_a_client_side_timeout_cancels_the_call(start):
    sim = start(Sim, 'first_token = "5s"\n')
    proxy = start(Outrigger, upstream(sim))
    with openai.OpenAI(base_url=proxy.url + "/v1", api_key="sk-test", max_retries=0, timeout=0.3) as client:
        with pytest.raises(openai.APITimeoutError):
            client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
    deadline = time.monotonic() + 3
    while proxy.metric("outrigger_upstream_calls") > 0:
        assert time.monotonic() < deadline, "the call upstream goes on without anybody waiting"
        time.sleep(0.02)


def test_a_broken_stream_raises_instead_of_ending(client, pair):
    sim, _ = pair
    sim.faults("[[fault]]\nreset_at = 1500\n")
    with pytest.raises(openai.APIError):
        for _ in client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION, stream=True):
            pass


def size_on_the_wire(url, body):
    """Of the answer, with head and chunks."""
    text = json.dumps(body).encode()
    with socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), timeout=10) as link:
        link.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: sim\r\nAuthorization: Bearer sk-test\r\n"
                     b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))
        received = b""
        while not received.endswith(b"\r\n0\r\n\r\n"):
            piece = link.recv(65536)
            assert piece
            received += piece
    return len(received)


def test_a_connection_that_breaks_just_after_the_usage_takes_nothing_from_it(start):
    """From within the blank line after the usage to before the end mark, and within that one's blank line."""
    sim = start(Sim)
    proxy = start(Outrigger, upstream(sim) + '[[model]]\nname = "*"\nbreaker = { failures = 1000 }\n')
    asked = {"model": "gpt-4o-mini", "messages": QUESTION, "stream": True, "stream_options": {"include_usage": True}}
    anew = {"cache-control": "no-store"}
    size = size_on_the_wire(sim.url, asked)
    end = len(b"0\r\n\r\n")
    mark = len(b"e\r\ndata: [DONE]\n\n\r\n")
    marks = []
    with openai.OpenAI(base_url=proxy.url + "/v1", api_key="sk-test", max_retries=0, timeout=10) as client:
        for left_out in [end + 2 + k for k in range(3)] + [end + mark + k for k in range(5)]:
            sim.faults(f"[[fault]]\ncut_at = {size - left_out}\n")
            body = requests.post(proxy.url + "/v1/chat/completions", json=asked, timeout=10,
                                 headers={"authorization": "Bearer sk-test", **anew}).content
            assert body.endswith(b"\n\n") and b"upstream_" not in body, (left_out, body[-80:])
            marks.append(b"[DONE]" in body)
            chunks = list(client.chat.completions.create(**asked, extra_headers=anew))
            assert chunks[-1].usage.total_tokens > 0, left_out
    assert marks == [True] * 3 + [False] * 5


def dify_parser(url, body):
    """Reads a stream exactly as Dify's OpenAI-compatible plugins do; returns (text, usage, finish reason)."""
    text, usage, finish = "", None, None
    response = requests.post(url, json=body, headers={"authorization": "Bearer sk-test", "Accept-Charset": "utf-8"},
                             timeout=(10, 300), stream=True)
    assert response.status_code == 200
    if response.encoding is None or response.encoding == "ISO-8859-1":
        response.encoding = "utf-8"
    for block in response.iter_lines(decode_unicode=True, delimiter="\n\n"):
        block = block.strip()
        if not block or block.startswith(":"):
            continue
        data = block.strip().removeprefix("data:").lstrip()
        if data == "[DONE]":
            continue
        try:
            chunk = json.loads(data)
        except json.JSONDecodeError:
            return text, usage, "Non-JSON encountered."
        if chunk.get("error") and chunk.get("choices") is None:
            raise ValueError(chunk["error"])
        usage = chunk.get("usage") or usage
        if not chunk["choices"]:
            continue
        finish = chunk["choices"][0].get("finish_reason") or finish
        text += chunk["choices"][0]["delta"].get("content") or ""
    return text, usage, finish


def test_difys_parser_understands_misses_hits_and_errors(pair):
    sim, proxy = pair
    body = {"model": "gpt-4o-mini", "stream": True, "temperature": 0.7, "messages": [{"role": "user", "content": "退货政策是什么？"}],
            "stream_options": {"include_usage": True}, "user": "2ad3"}
    url = proxy.url + "/v1/chat/completions"
    miss = dify_parser(url, body)
    assert miss[2] == "stop" and miss[0] and miss[1]["total_tokens"] > 0
    assert dify_parser(url, {**body, "user": "77f0"}) == miss
    blocking = requests.post(url, json={**body, "stream": False, "messages": [{"role": "user", "content": "b"}]},
                             headers={"authorization": "Bearer sk-test"}).json()
    hit = dify_parser(url, {**body, "messages": [{"role": "user", "content": "b"}]})
    assert hit[0] == blocking["choices"][0]["message"]["content"] and hit[1]["total_tokens"] == blocking["usage"]["total_tokens"]
    sim.faults("[[fault]]\nreset_at = 1500\n")
    with pytest.raises(ValueError, match="upstream_cut"):
        dify_parser(url, {**body, "messages": [{"role": "user", "content": "c"}]})


def test_node_sdk(pair):
    modules = ROOT / "build/wire/node"
    if shutil.which("node") is None or not (modules / "node_modules/openai").exists():
        pytest.skip("the Node SDK is not installed")
    sim, proxy = pair
    shutil.copy(ROOT / "tests/wire/node/sdk.mjs", modules / "sdk.mjs")
    done = subprocess.run(["node", "sdk.mjs", proxy.url, sim.url], cwd=modules, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all good" in done.stdout
