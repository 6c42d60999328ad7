"""A target speaks another wire than the client: a fallback of another provider, or an upstream that knows only one wire.

The simulated provider says the same to the same conversation on every wire. So what a client hears through a translation must be what
the target says to the same conversation on its own wire: nothing was lost on the way there, and nothing on the way back.
"""
import itertools
import json
import socket
import time

import anthropic
import openai
import pytest
import requests

from chains import sha256, soon
from conftest import Outrigger, Sim
from talks import QUESTION, RESULTS, TALKS
from test_pass_through import Origin
from wires import CHAT, MESSAGES, RESPONSES, SCHEMA, SESSION, WIRES, ask, post, result, sse

# What clients ask for, and what the target is asked for instead.
ASKED = {"chat/completions": "gpt-4o-mini", "responses": "gpt-4o-mini", "messages": "claude-sonnet-4-6"}
OTHER = {"chat/completions": "gpt-4o", "responses": "gpt-4.1", "messages": "claude-haiku-4-5"}
PAIRS = [pytest.param(client, target, id=f"{client.name} to {target.name}".replace("/completions", ""))
         for client, target in itertools.permutations(WIRES, 2)]
FORMS = pytest.mark.parametrize("stream", [False, True], ids=["blocking", "streamed"])
BETWEEN = pytest.mark.parametrize("client,target", PAIRS)


SHORT = {"chat/completions": "chat", "responses": "responses", "messages": "messages"}


def upstream_of(sim, name, wire, own_key=False):
    dialect = "anthropic" if wire is MESSAGES else "openai"
    keys = f'keys = ["sk-{name}"]\n' if own_key else ""
    return (f'[[upstream]]\nname = "{name}-{SHORT[wire.name]}"\nurl = "{sim.url}/v1"\ndialect = "{dialect}"\n'
            f'speaks = ["{wire.name}"]\n{keys}\n')


# A model "<asked>-to-<wire>-<number>" falls back to a model on that wire; all others to none. Each test has a number of its own, so
# that no breaker and no answer of one is another's.
CONFIG = "".join(f'''[[model]]
name = "*-to-{short}-*"
fallback = ["backup-{short}:{OTHER[wire]}"]
retry = {{ attempts = 1 }}
timeout = {{ first_token = "300ms" }}
''' for wire, short in SHORT.items()) + '''[[model]]
name = "*-patient-*"
[[model]]
name = "*"
retry = { attempts = 1 }
timeout = { between_tokens = "400ms" }
'''


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """A primary provider and a backup, each an upstream for every wire that speaks only that, and Outrigger in front of them."""
    directory = tmp_path_factory.mktemp("translation")
    rig = Rig(directory)
    yield rig
    for process in (rig.proxy, rig.primary, rig.backup):
        process.stop()


class Rig:
    def __init__(self, directory):
        self.primary, self.backup, self.number = Sim(directory), Sim(directory), itertools.count()
        self.proxy = Outrigger(directory, "".join(upstream_of(self.primary, "primary", wire) for wire in WIRES)
                               + "".join(upstream_of(self.backup, "backup", wire, True) for wire in WIRES) + CONFIG)


@pytest.fixture(autouse=True)
def calm(rig):
    for sim in (rig.primary, rig.backup):
        for path in ("/sim/faults", "/sim/reset"):
            SESSION.post(sim.url + path, headers={"content-type": "application/toml"}).raise_for_status()
    yield
    assert rig.proxy.alive(), rig.proxy.text()[-3000:]


class Case:
    """One client's wire and one target's; `url` leads there, `model` is asked for."""

    def __init__(self, rig, client, target, upstream, model):
        self.client, self.target, self.proxy, self.model = client, target, rig.proxy, f"{ASKED[client.name]}-{model}-{next(rig.number)}"
        self.url, self.first = f"{rig.proxy.url}/{upstream}", f"{upstream}:{self.model}"

    def ask(self, question="hello", **members):
        return ask(self.url, self.client, question, model=self.model, **members)

    def send(self, body, headers=None):
        return post(self.url, self.client, {**body, "model": self.model}, headers=headers)

    def talk(self, **members):
        talk = TALKS[self.client.name](self.url, **members)
        talk.model = self.model
        return talk

    def line(self, headers):
        """What the log says of an answer with these headers."""
        found = []

        def there():
            lines = [json.loads(line) for line in self.proxy.text().splitlines() if line.startswith("{")]
            found[:] = [line for line in lines if line["request_id"] == headers["x-outrigger-request-id"]]
            return found

        soon(there, "no line in the log")
        return found[0]

    def tried(self, headers):
        return [(t["target"], t["outcome"]) for t in self.line(headers)["tried"]]


class Two(Case):
    """The primary speaks the client's wire, its fallback only the target's."""

    def __init__(self, rig, client, target):
        super().__init__(rig, client, target, f"primary-{SHORT[client.name]}", f"to-{SHORT[target.name]}")
        self.primary, self.backup = rig.primary, rig.backup
        self.second = f"backup-{SHORT[target.name]}:{OTHER[target.name]}"


class Only(Case):
    """The upstream that was asked speaks only the target's wire."""

    def __init__(self, rig, client, target, model="plain"):
        super().__init__(rig, client, target, f"primary-{SHORT[target.name]}", model)
        self.sim = rig.primary

    def direct(self, question="hello", **members):
        return self.target.read(ask(self.sim.url, self.target, question, model=self.model, **members))


def told(answer):
    return answer.headers["x-outrigger-served-by"], int(answer.headers["x-outrigger-attempts"])


# ---------------------------------------------------------------------------------------------------------------------------------
# A fallback of another provider


@BETWEEN
@FORMS
@pytest.mark.parametrize("fault", ["status = 529", "reset_at = 0"])
def test_an_agents_turn_is_carried_by_another_provider(rig, client, target, stream, fault):
    two = Two(rig, client, target)
    two.primary.faults(f"[[fault]]\n{fault}\n")
    translations = two.proxy.metric("outrigger_translations_total")
    called, said = two.talk(tools=("stock", "price")).agent(stream)
    direct = TALKS[target.name](two.backup.url, tools=("stock", "price"))
    direct.model = OTHER[target.name]
    called_directly, said_directly = direct.agent(stream)
    for answer, same in ((called, called_directly), (said, said_directly)):
        assert answer.model == OTHER[target.name], "the model that answered is named"
        assert told(answer) == (two.second, 2) and answer.usage == same.usage
    assert called.finish == client.calls and said.finish == client.stop
    assert [(c[1], json.loads(c[2])) for c in called.calls] == [(c[1], json.loads(c[2])) for c in called_directly.calls]
    assert said.text == said_directly.text and not said.calls
    # The ids that the client was told came back to the provider, each call's own.
    ids = [c[0] for c in called.calls]
    sent = next(seen["body"] for seen in two.backup.stats()["last"][1:2])
    assert len(set(ids)) == 2 and all(sent.count(json.dumps(i)) == 2 for i in ids), (ids, sent)
    outcome = "status_529" if "529" in fault else "upstream_reset"
    for answer in (called, said):
        line = two.line(answer.headers)
        assert [(t["target"], t["outcome"]) for t in line["tried"]] == [(two.first, outcome), (two.second, "ok")]
        assert line["served_by"] == two.second and line["status"] == 200 and "left_out" not in line and "error" not in line
        assert (line["prompt_tokens"], line["completion_tokens"]) == answer.usage
    assert two.proxy.metric("outrigger_translations_total") == translations + 2


@pytest.mark.parametrize("client,target", [(CHAT, MESSAGES), (MESSAGES, CHAT)], ids=["chat to messages", "messages to chat"])
def test_nobody_listens(start, client, target):
    primary, backup = start(Sim), start(Sim)
    proxy = start(Outrigger, upstream_of(primary, "primary", client) + upstream_of(backup, "backup", target, True)
                  + f'[[model]]\nname = "*"\nfallback = ["backup-{SHORT[target.name]}:{OTHER[target.name]}"]\nretry = {{ attempts = 1 }}\n')
    primary.stop()
    for stream in (False, True):
        answer = ask(proxy.url, client, "hello", stream=stream)
        assert client.read(answer).whole and told(answer) == (f"backup-{SHORT[target.name]}:{OTHER[target.name]}", 2)


def test_difys_anthropic_plugin_is_answered_by_an_openai_model(rig):
    """Body and headers as Dify's plugin sends them."""
    two = Two(rig, MESSAGES, CHAT)
    two.primary.faults("[[fault]]\nstatus = 529\n")
    headers = {"anthropic-beta": "prompt-caching-2024-07-31", "user-agent": "python-httpx/0.28.1", "x-stainless-retry-count": "0"}
    tools = [{"name": n, "description": f"Tells the {n}.", "input_schema": SCHEMA} for n in ("stock", "price")]
    tools[-1]["cache_control"] = {"type": "ephemeral"}
    body = {"max_tokens": 4096, "temperature": 0.7, "top_k": 40, "stream": True, "tools": tools,
            "metadata": {"user_id": "2ad3"}, "stop_sequences": ["\n\nHuman:"],
            "system": [{"type": "text", "text": "You are the support desk.", "cache_control": {"type": "ephemeral"}},
                       {"type": "text", "text": "Answer briefly."}],
            "messages": [{"role": "user", "content": [{"type": "text", "text": QUESTION, "cache_control": {"type": "ephemeral"}}]}]}
    answer = two.send(body, headers)
    called = MESSAGES.read(answer)
    sent = json.loads(two.backup.last()["body"])
    assert sent["messages"] == [{"role": "system", "content": "You are the support desk.\n\nAnswer briefly."},
                                {"role": "user", "content": QUESTION}]
    assert (sent["model"], sent["max_tokens"], sent["temperature"], sent["user"]) == ("gpt-4o", 4096, 0.7, "2ad3")
    assert sent["stop"] == ["\n\nHuman:"] and sent["stream"] is True and sent["stream_options"] == {"include_usage": True}
    assert [t["function"] for t in sent["tools"]] == [
        {"name": n, "description": f"Tells the {n}.", "parameters": SCHEMA} for n in ("stock", "price")]
    assert not {"top_k", "metadata", "system", "stop_sequences"} & set(sent) and "cache_control" not in json.dumps(sent)
    seen = two.backup.last()["headers"]
    assert not {"x-api-key", "anthropic-version", "anthropic-beta"} & set(seen) and "authorization" in seen
    assert two.backup.last()["credential_sha256"] == sha256("sk-backup") and two.backup.last()["path"] == "/v1/chat/completions"
    assert two.line(answer.headers)["left_out"] == ["cache_control", "top_k"]
    assert two.proxy.metric("outrigger_translation_losses_total", what="top_k") >= 1

    body["messages"].append({"role": "assistant", "content": [
        {"type": "tool_use", "id": i, "name": n, "input": json.loads(a)} for i, n, a in called.calls]})
    body["messages"].append({"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": i, "content": [{"type": "text", "text": RESULTS[n]}]} for i, n, _ in called.calls]})
    said = MESSAGES.read(two.send(body, headers))
    assert said.whole and said.text and said.finish == "end_turn" and said.model == "gpt-4o"
    sent = json.loads(two.backup.last()["body"])
    assert [m["role"] for m in sent["messages"]] == ["system", "user", "assistant", "tool", "tool"]
    assert [c["id"] for c in sent["messages"][2]["tool_calls"]] == [m["tool_call_id"] for m in sent["messages"][3:]]
    assert [m["content"] for m in sent["messages"][3:]] == list(RESULTS.values())


@BETWEEN
def test_what_another_model_said_in_another_dialect_is_not_kept(rig, client, target):
    two = Two(rig, client, target)
    two.primary.faults("[[fault]]\nstatus = 529\nrequests = 1\n")
    first, second, third = (two.ask("Where is my parcel?") for _ in range(3))
    assert told(first) == (two.second, 2) and result(first) == "miss"
    assert told(second) == (two.first, 1) and result(second) == "miss" and result(third) == "hit"


@BETWEEN
@FORMS
def test_pictures_go_along(rig, client, target, stream):
    data = "data:image/png;base64,iVBORw0KGgo="
    parts = {CHAT: [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": data}}],
             MESSAGES: [{"type": "text", "text": "What is this?"},
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}],
             RESPONSES: [{"type": "input_text", "text": "What is this?"}, {"type": "input_image", "image_url": data}]}

    def question(wire):
        return [{"role": "user", "content": parts[wire]}] if wire is RESPONSES else parts[wire]

    only = Only(rig, client, target)
    said = client.read(only.ask(question(client), stream=stream))
    assert said.whole and said.text == only.direct(question(target)).text


@BETWEEN
@FORMS
def test_an_answer_after_a_schema_is_carried(rig, client, target, stream):
    schema = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city", "days"],
              "additionalProperties": False}
    formats = {CHAT: {"response_format": {"type": "json_schema", "json_schema": {"name": "parcel", "schema": schema, "strict": True}}},
               MESSAGES: {"output_config": {"format": {"type": "json_schema", "schema": schema}}},
               RESPONSES: {"text": {"format": {"type": "json_schema", "name": "parcel", "schema": schema, "strict": True}}}}
    only = Only(rig, client, target)
    said = client.read(only.ask(stream=stream, **formats[client]))
    assert set(json.loads(said.text)) == {"city", "days"} and said.text == only.direct(**formats[target]).text


# ---------------------------------------------------------------------------------------------------------------------------------
# An upstream that speaks one wire only


@BETWEEN
def test_a_relay_that_knows_one_wire_serves_the_others(rig, client, target):
    only = Only(rig, client, target)
    direct = only.direct()
    for first, second in ((False, True), (True, False)):
        requests.post(only.proxy.admin + "/api/cache/purge", json={"all": True}).raise_for_status()
        calls = only.sim.calls(target.name)
        answers = [only.ask(stream=stream) for stream in (first, second, first)]
        assert [result(a) for a in answers] == ["miss", "hit", "hit"] and only.sim.calls(target.name) == calls + 1
        for answer in answers:
            said = client.read(answer)
            assert said.whole and said.text == direct.text and said.usage == direct.usage and said.finish == client.stop
            assert said.model == only.model and answer.headers["x-outrigger-served-by"] == only.first
        assert len({client.read(a).id for a in answers}) == 3
    # The client's own key goes where the other wire looks for it.
    seen = only.sim.last()
    assert seen["credential_sha256"] == sha256("sk-test")
    assert ("x-api-key" in seen["headers"]) == (target is MESSAGES) and ("authorization" in seen["headers"]) == (target is not MESSAGES)


@BETWEEN
@FORMS
def test_an_agent_gets_on_with_it(rig, client, target, stream):
    only = Only(rig, client, target)
    called, said = only.talk(tools=("stock", "price")).agent(stream)
    assert [c[1] for c in called.calls] == ["stock", "price"] and said.text and said.finish == client.stop
    called_again, said_again = only.talk(tools=("stock", "price")).agent(not stream)  # the history comes from the other form, too
    assert called_again.headers["x-outrigger-cache"] == said_again.headers["x-outrigger-cache"] == "hit"
    assert said_again.text == said.text and [c[1:] for c in called_again.calls] == [c[1:] for c in called.calls]
    assert only.sim.calls(target.name) == 2


@BETWEEN
@FORMS
def test_the_limit_is_told(rig, client, target, stream):
    only = Only(rig, client, target)
    limit = {CHAT: {"max_tokens": 20}, MESSAGES: {"max_tokens": 20}, RESPONSES: {"max_output_tokens": 20}}[client]
    for _ in range(2):
        answer = only.ask("Tell me all.", stream=stream, **limit)
        said = client.read(answer)
        assert said.whole and said.finish == client.length and said.usage[1] == 20 and result(answer) == "miss"


@pytest.mark.parametrize("client,target", [(CHAT, MESSAGES), (MESSAGES, CHAT)], ids=["chat to messages", "messages to chat"])
@FORMS
def test_stop_sequences_are_carried(rig, client, target, stream):
    only = Only(rig, client, target)
    whole = client.read(only.ask()).text
    name = {CHAT: "stop", MESSAGES: "stop_sequences"}[client]
    said = client.read(only.ask(stream=stream, **{name: ["("]}))
    assert said.text == whole.split("(")[0] and said.finish == client.stop  # which one it was, chat completions do not tell


@FORMS
def test_unsigned_reasoning_stays_behind(rig, stream):
    only = Only(rig, MESSAGES, CHAT, "reasoner")
    said = MESSAGES.read(only.ask(stream=stream))
    assert said.whole and said.text and not said.reasoning, "unsigned thinking would be refused when it comes back"
    assert said.usage[1] > 40, "it is paid for all the same"


# ---------------------------------------------------------------------------------------------------------------------------------
# What cannot be carried

SIGNED = {"messages": [{"role": "user", "content": "hi"},
                       {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "c2ln"},
                                                         {"type": "text", "text": "Hello."}]},
                       {"role": "user", "content": "and?"}]}
SEALED = {"input": [{"role": "user", "content": "hi"},
                    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "c2VhbGVk"},
                    {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "and?"}]}
DOCUMENT = {"messages": [{"role": "user", "content": [
    {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}},
    {"type": "text", "text": "Sum it up."}]}]}
OPEN_END = {"messages": [{"role": "user", "content": "Say it in JSON."}, {"role": "assistant", "content": "{"}]}
UNFIT = {
    "signed thinking": (MESSAGES, CHAT, SIGNED, "signed_thinking"),
    "signed thinking ": (MESSAGES, RESPONSES, SIGNED, "signed_thinking"),
    "encrypted reasoning": (RESPONSES, CHAT, SEALED, "encrypted_reasoning"),
    "encrypted reasoning ": (RESPONSES, MESSAGES, SEALED, "encrypted_reasoning"),
    "web search, messages": (MESSAGES, CHAT, {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "hosted_tool"),
    "web search, responses": (RESPONSES, CHAT, {"tools": [{"type": "web_search"}]}, "hosted_tool"),
    "several answers": (CHAT, MESSAGES, {"n": 2}, "several_answers"),
    "logprobs": (CHAT, MESSAGES, {"logprobs": True}, "logprobs"),
    "an earlier response": (RESPONSES, MESSAGES, {"previous_response_id": "resp_1"}, "provider_id"),
    "a conversation": (RESPONSES, CHAT, {"conversation": "conv_1"}, "provider_id"),
    "a document": (MESSAGES, CHAT, DOCUMENT, "media"),
    "an answer begun": (MESSAGES, CHAT, OPEN_END, "continuation"),
    "stop sequences": (CHAT, RESPONSES, {"stop": ["zzz"]}, "stop_sequences"),
    "audio": (CHAT, MESSAGES, {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}, "audio"),
}


@FORMS
@pytest.mark.parametrize("client,target,members,reason", UNFIT.values(), ids=[name.strip() for name in UNFIT])
def test_what_cannot_be_carried_goes_nowhere_else(rig, client, target, members, reason, stream):
    two = Two(rig, client, target)
    two.primary.faults("[[fault]]\nstatus = 529\n")
    sent = {**client.body("hello", model=two.model, stream=stream), **members}
    unfit = two.proxy.metric("outrigger_unfit_total", reason=reason)
    answer = two.send(sent)
    direct = post(two.primary.url, client, sent)
    assert answer.status_code == direct.status_code == 529 and without_id(answer.json()) == without_id(direct.json())
    assert answer.headers["x-should-retry"] == "false"
    assert two.tried(answer.headers) == [(two.first, "status_529"), (two.second, f"unfit_{reason}")] and two.backup.calls() == 0
    assert two.proxy.metric("outrigger_unfit_total", reason=reason) == unfit + 1
    targets = requests.get(two.proxy.admin + "/api/status", timeout=10).json()["targets"]
    assert any(target["name"] == two.second and target["unfit"].get(reason, 0) > 0 for target in targets)


def without_id(body):
    return {name: value for name, value in body.items() if name != "request_id"}


@FORMS
@pytest.mark.parametrize("client,target,members,reason", UNFIT.values(), ids=[name.strip() for name in UNFIT])
def test_when_nobody_can_take_it_the_client_is_told_so(rig, client, target, members, reason, stream):
    only = Only(rig, client, target)
    answer = only.send({**client.body("hello", stream=stream), **members})
    assert answer.status_code == 400 and only.sim.calls() == 0
    error = client.read(answer).error
    assert error["message"] and error["type"] == "invalid_request_error"
    if client is not MESSAGES:
        assert error["code"] == "unfit"


# ---------------------------------------------------------------------------------------------------------------------------------
# Errors

ERRORS = {400: (anthropic.BadRequestError, openai.BadRequestError, "invalid_request_error"),
          401: (anthropic.AuthenticationError, openai.AuthenticationError, "authentication_error"),
          404: (anthropic.NotFoundError, openai.NotFoundError, "not_found_error"),
          429: (anthropic.RateLimitError, openai.RateLimitError, "rate_limit_error"),
          500: (anthropic.InternalServerError, openai.InternalServerError, "api_error"),
          529: (anthropic.InternalServerError, openai.InternalServerError, "overloaded_error")}


@BETWEEN
@FORMS
@pytest.mark.parametrize("status", ERRORS)
def test_errors_come_in_the_clients_dialect(rig, client, target, stream, status):
    only = Only(rig, client, target)
    only.sim.faults(f"[[fault]]\nstatus = {status}\n" + ("retry_after = 7\n" if status == 429 else ""))
    direct = post(only.sim.url, target, target.body("x")).json()["error"]
    kinds = ERRORS[status]
    with pytest.raises(kinds[0] if client is MESSAGES else kinds[1]) as caught:
        only.talk().turn(stream, "hello")
    error = caught.value
    assert error.status_code == status and direct["message"] in str(error) and "127.0.0.1" not in str(error)
    if client is MESSAGES:
        assert error.body["type"] == "error" and error.body["error"]["type"] == kinds[2]
    else:
        assert set(error.response.json()["error"]) >= {"message", "type", "code"}
    assert error.response.headers["x-should-retry"] == "false"
    if status == 429:
        assert error.response.headers["retry-after"] == "7"
    assert error.response.headers["content-type"] == "application/json"


# ---------------------------------------------------------------------------------------------------------------------------------
# What upstreams do wrong

ENDS_WITH_AN_ERROR = ["error_in_stream = true", "truncate = true", "no_done = true", 'stall = "30s"', "malformed_chunk = true",
                      "reset_at = 4000"]


@BETWEEN
@pytest.mark.parametrize("fault", ENDS_WITH_AN_ERROR)
def test_a_stream_that_breaks_off_ends_with_an_error(rig, client, target, fault):
    only = Only(rig, client, target)
    only.sim.faults(f"[[fault]]\nafter = 5\n{fault}\n")
    answer = only.ask(stream=True)
    said = client.read(answer)
    chat_is_done = "no_done" in fault and target is CHAT  # the finish reason is an end of its own
    if chat_is_done:
        assert said.whole and said.text and not said.error, said
    else:
        assert answer.status_code == 200 and said.text and said.error and said.error["message"] and not said.whole, said
    only.sim.faults("")
    assert result(only.ask(stream=True)) == ("hit" if chat_is_done else "miss")


@pytest.mark.parametrize("client,target", [*PAIRS, *(pytest.param(w, w, id=w.name) for w in WIRES)])
def test_what_breaks_after_the_end_was_whole(rig, client, target):
    only = Only(rig, client, target)
    only.sim.faults("[[fault]]\nwrong_length = 50\n")
    said = client.read(only.ask(stream=True))
    assert said.whole and said.text and not said.error
    assert result(only.ask(stream=True)) == "hit"


@BETWEEN
@pytest.mark.parametrize("fault", ["truncate = true", "cut_at = 300", "error_in_200 = true", "garbage = true", "reset_at = 300"])
def test_a_blocking_answer_that_breaks_off_is_an_error(rig, client, target, fault):
    only = Only(rig, client, target)
    only.sim.faults(f"[[fault]]\n{fault}\n")
    answer = only.ask()
    assert answer.status_code == 502 and client.read(answer).error["message"], answer.text
    only.sim.faults("")
    answer = only.ask()
    assert result(answer) == "miss" and client.read(answer).whole


@BETWEEN
@FORMS
@pytest.mark.parametrize("fault", ["unknown_event = true\nafter = 3", "comments = true", "crlf = true", "out_of_order = true",
                                   "event_lines = true", "no_usage = true"])
def test_what_nobody_needs_is_passed_over(rig, client, target, stream, fault):
    only = Only(rig, client, target)
    direct = only.direct()
    only.sim.faults(f"[[fault]]\n{fault}\n")
    skipped = only.proxy.metric("outrigger_untranslated_total")
    said = client.read(only.ask(stream=stream))
    assert said.whole and said.finish == client.stop
    if "out_of_order" in fault and stream:  # the first token came before what it belongs to
        assert direct.text.endswith(said.text) and len(said.text) >= len(direct.text) - 8
    else:
        assert said.text == direct.text
    if "unknown" in fault and (stream or target is not CHAT):
        assert only.proxy.metric("outrigger_untranslated_total") > skipped
    if "no_usage" not in fault:
        assert said.usage == direct.usage


@BETWEEN
def test_any_split_of_the_bytes_says_the_same(start, client, target):
    sim = start(Sim)
    whole = post(sim.url, target, target.body("Use the tool stock, 请", stream=True, tools=("stock",))).content
    sizes = itertools.cycle([1, 2, 3, 5, 8, 13, 1, 40])

    def script(connection, head, sent):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        at = 0
        while at < len(whole):
            piece = whole[at:at + next(sizes)]
            connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            at += len(piece)
        connection.sendall(b"0\r\n\r\n")

    origin = Origin(script)
    proxy = start(Outrigger, upstream_of(origin, "origin", target))
    said = client.read(ask(proxy.url, client, "Use the tool stock, 请", stream=True, tools=("stock",)))
    assert said.whole and [c[1] for c in said.calls] == ["stock"] and json.loads(said.calls[0][2]) == {"item": "Use the tool stock, 请"}
    origin.close()


@BETWEEN
@FORMS
def test_half_arguments_reach_the_client_or_are_an_error(rig, client, target, stream):
    only = Only(rig, client, target)
    only.sim.faults("[[fault]]\nbad_arguments = true\n")
    answer = only.ask("Use the tool stock", stream=stream, tools=("stock",))
    said = client.read(answer)
    assert said.error or (said.whole and len(said.calls) == 1 and said.calls[0][1] == "stock"), said
    only.sim.faults("")
    assert client.read(only.ask("Use the tool stock", stream=stream, tools=("stock",))).calls


@BETWEEN
@FORMS
def test_half_a_character_is_never_passed_on(rig, client, target, stream):
    only = Only(rig, client, target)
    only.sim.faults("[[fault]]\nhalf_utf8 = true\nafter = 3\n")
    answer = only.ask(stream=stream)
    answer.content.decode()
    said = client.read(answer)
    assert said.error or said.whole, said
    only.sim.faults("")
    again = only.ask(stream=stream)
    assert again.status_code == 200 and client.read(again).whole


@BETWEEN
@FORMS
def test_refusals_are_told(rig, client, target, stream):
    only = Only(rig, client, target)
    only.sim.faults("[[fault]]\nrefusal = true\n")
    answer = only.ask(stream=stream)
    assert "I cannot help with that." in answer.content.decode().replace('"}', "") or refusal_of(client, answer)
    assert result(only.ask(stream=stream)) == "miss", "kept"


def refusal_of(client, answer):
    """A refusal in its pieces, put together."""
    told = ""
    for _, event in sse(answer) if "event-stream" in answer.headers["content-type"] else []:
        if event == "[DONE]":
            continue
        if client is CHAT:
            told += "".join(c["delta"].get("refusal") or c["delta"].get("content") or "" for c in event["choices"])
        elif event["type"] in ("response.refusal.delta", "response.output_text.delta"):
            told += event["delta"]
        elif event["type"] == "content_block_delta":
            told += event["delta"]["text"]
    return told == "I cannot help with that."


# ---------------------------------------------------------------------------------------------------------------------------------
# Time


@BETWEEN
def test_the_first_token_leaves_as_soon_as_it_is_known(rig, client, target):
    only = Only(rig, client, target, "patient")
    only.sim.faults('[[fault]]\nafter = 3\nstall = "1s"\n')
    body = json.dumps(client.body("hello", model=only.model, stream=True)).encode()
    fields = "".join(f"{k}: {v}\r\n" for k, v in client.headers().items())
    with socket.create_connection(("127.0.0.1", only.proxy.port), timeout=5) as link:
        began = time.monotonic()
        link.sendall(f"POST /primary-{SHORT[target.name]}{client.path} HTTP/1.1\r\nHost: x\r\n{fields}Content-Type: application/json\r\n"
                     f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        seen = b""
        while b"About" not in seen or b"hello" not in seen:  # three tokens
            seen += link.recv(65536)
        assert time.monotonic() - began < 0.5, "held back until the stall was over"
        assert b"referenc" not in seen
        while b"referenc" not in seen:
            seen += link.recv(65536)
        assert time.monotonic() - began > 0.9


@BETWEEN
def test_a_silent_target_is_left_for_one_of_another_wire(rig, client, target):
    two = Two(rig, client, target)
    two.primary.faults('[[fault]]\nfirst_token = "30s"\nearly_head = true\n')
    answer = two.ask(stream=True)
    assert client.read(answer).whole and told(answer) == (two.second, 2)
    assert two.tried(answer.headers) == [(two.first, "first_token_timeout"), (two.second, "ok")]


@BETWEEN
def test_a_translated_target_fails_over_too(start, client, target):
    """The first one is on another wire, and fails before its first token; the next is on the client's own."""
    relay, backup = start(Sim), start(Sim)
    proxy = start(Outrigger, upstream_of(relay, "relay", target) + upstream_of(backup, "backup", client, True)
                  + f'[[model]]\nname = "*"\nfallback = ["backup-{SHORT[client.name]}"]\nretry = {{ attempts = 1 }}\n'
                  'timeout = { first_token = "250ms" }\nbreaker = { failures = 20 }\n')
    model = ASKED[client.name]
    for fault in ("truncate = true\nafter = 0", "error_in_stream = true\nafter = 0", 'stall = "30s"\nafter = 0', "error_in_200 = true",
                  "status = 500", "garbage = true"):
        relay.faults(f"[[fault]]\n{fault}\n")
        answer = ask(proxy.url, client, fault, model=model, stream=True)
        assert client.read(answer).whole and told(answer) == (f"backup-{SHORT[client.name]}:{model}", 2), (fault, answer.text)
