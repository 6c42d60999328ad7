"""The wires on which models are asked for words: how a question is asked on each, and what an answer says. No test stands here.

Each wire reads answers by its own rules and is strict about them: an event out of order or twice is an error of the test.
"""
import json

import requests

KEY = "sk-test"
SESSION = requests.Session()  # keeps its connections; for one thread
SESSION.trust_env = False


def sse(response):
    """(event name or None, data) of a streamed answer: the data as JSON, the end mark of chat completions as the text "[DONE]"."""
    found = []
    for block in response.content.decode().split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if not lines:
            continue
        name = next((line[7:] for line in lines if line.startswith("event: ")), None)
        data = "\n".join(line[6:] for line in lines if line.startswith("data: "))
        found.append((name, data if data == "[DONE]" else json.loads(data)))
    return found


def is_stream(response):
    return "event-stream" in response.headers["content-type"]


class Said:
    """What an answer came to, whichever wire and form it had."""

    def __init__(self):
        self.text, self.calls, self.finish, self.model, self.usage, self.error, self.whole = "", [], None, None, None, None, False
        self.reasoning, self.id = "", None

    def __repr__(self):
        return repr(vars(self))

    def __eq__(self, other):
        return vars(self) == vars(other)


class Chat:
    """OpenAI's chat completions."""

    name, path = "chat/completions", "/v1/chat/completions"
    stop, calls, length = "stop", "tool_calls", "length"

    def headers(self, key=KEY):
        return {"authorization": f"Bearer {key}"}

    def body(self, question, model="gpt-4o-mini", stream=False, tools=(), **members):
        body = {"model": model, "messages": [{"role": "user", "content": question}], **members}
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        if tools:
            body["tools"] = [{"type": "function", "function": {"name": n, "description": f"Tells the {n}.", "parameters": SCHEMA}}
                             for n in tools]
        return body

    def read(self, response):
        said = Said()
        if not is_stream(response):
            answer = response.json()
            if "error" in answer:
                said.error = answer["error"]
                return said
            assert answer["object"] == "chat.completion" and len(answer["choices"]) == 1
            choice = answer["choices"][0]
            message = choice["message"]
            assert message["role"] == "assistant"
            said.text, said.finish = message.get("content") or "", choice["finish_reason"]
            said.reasoning = message.get("reasoning_content") or ""
            said.calls = [(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in message.get("tool_calls") or []]
            said.model, said.id, said.whole = answer["model"], answer["id"], True
            said.usage = self.usage_in(answer)
            return said
        calls = {}
        for name, chunk in sse(response):
            assert name is None and said.error is None and not said.whole, (name, chunk, "after the end")
            if chunk == "[DONE]":
                said.whole = True
                continue
            if "choices" not in chunk:
                said.error = chunk["error"]
                continue
            assert chunk["object"] == "chat.completion.chunk" and said.id in (None, chunk["id"])
            said.id, said.model = chunk["id"], chunk["model"]
            if chunk.get("usage"):
                said.usage = self.usage_in(chunk)
            for choice in chunk["choices"]:
                delta = choice["delta"]
                said.text += delta.get("content") or ""
                said.reasoning += delta.get("reasoning_content") or ""
                for call in delta.get("tool_calls") or []:
                    if call["index"] not in calls:
                        assert call["index"] == len(calls) and call["id"] and call["type"] == "function"
                    one = calls.setdefault(call["index"], ["", "", ""])
                    one[0] += call.get("id") or ""
                    one[1] += call["function"].get("name") or ""
                    one[2] += call["function"].get("arguments") or ""
                said.finish = choice.get("finish_reason") or said.finish
        said.calls = [tuple(calls[i]) for i in sorted(calls)]
        return said

    def usage_in(self, answer):
        usage = answer.get("usage")
        if usage is None:
            return None
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
        return usage["prompt_tokens"], usage["completion_tokens"]


class Messages:
    """Anthropic's messages."""

    name, path = "messages", "/v1/messages"
    stop, calls, length = "end_turn", "tool_use", "max_tokens"

    def headers(self, key=KEY):
        return {"x-api-key": key, "anthropic-version": "2023-06-01"}

    def body(self, question, model="claude-sonnet-4-6", stream=False, tools=(), **members):
        body = {"model": model, "max_tokens": 1000, "messages": [{"role": "user", "content": question}], **members}
        if stream:
            body["stream"] = True
        if tools:
            body["tools"] = [{"name": n, "description": f"Tells the {n}.", "input_schema": SCHEMA} for n in tools]
        return body

    def read(self, response):
        said = Said()
        if not is_stream(response):
            answer = response.json()
            if answer["type"] == "error":
                said.error = answer["error"]
                return said
            self.take_message(said, answer)
            for block in answer["content"]:
                self.take_block(said, block)
            said.whole = True
            return said
        blocks, open_block, begun, delta_seen = [], None, False, False
        for name, event in sse(response):
            assert name == event["type"] and said.error is None and not said.whole, (name, event, "after the end")
            kind = event["type"]
            if kind == "error":
                said.error = event["error"]
            elif kind == "message_start":
                assert not begun and event["message"]["content"] == [] and event["message"]["stop_reason"] is None
                begun = True
                self.take_message(said, event["message"])
            elif kind == "content_block_start":
                assert begun and open_block is None and event["index"] == len(blocks)
                open_block = dict(event["content_block"], json="")
                blocks.append(open_block)
            elif kind == "content_block_delta":
                assert open_block is not None and event["index"] == len(blocks) - 1, "a delta of a block that is not open"
                delta = event["delta"]
                if delta["type"] == "text_delta":
                    open_block["text"] += delta["text"]
                elif delta["type"] == "thinking_delta":
                    open_block["thinking"] += delta["thinking"]
                elif delta["type"] == "signature_delta":
                    open_block["signature"] = delta["signature"]
                elif delta["type"] == "input_json_delta":
                    open_block["json"] += delta["partial_json"]
            elif kind == "content_block_stop":
                assert open_block is not None and event["index"] == len(blocks) - 1
                open_block = None
            elif kind == "message_delta":
                assert open_block is None and not delta_seen
                delta_seen = True
                said.finish = event["delta"]["stop_reason"]
                if "usage" in event:
                    usage = event["usage"]
                    told = usage.get("input_tokens")  # the newer servers tell all of it again
                    cached = (usage.get("cache_read_input_tokens") or 0) + (usage.get("cache_creation_input_tokens") or 0)
                    said.usage = (said.usage[0] if told is None else told + cached, usage["output_tokens"])
            elif kind == "message_stop":
                assert delta_seen
                said.whole = True
        for block in blocks:
            self.take_block(said, block)
        return said

    def take_message(self, said, message):
        assert message["type"] == "message" and message["role"] == "assistant"
        said.id, said.model, said.finish = message["id"], message["model"], message["stop_reason"]
        usage = message.get("usage")
        if usage:
            cached = (usage.get("cache_read_input_tokens") or 0) + (usage.get("cache_creation_input_tokens") or 0)
            said.usage = (usage["input_tokens"] + cached, usage["output_tokens"])

    def take_block(self, said, block):
        if block["type"] == "text":
            said.text += block["text"]
        elif block["type"] == "thinking":
            said.reasoning += block["thinking"]
        elif block["type"] == "tool_use":
            arguments = block["json"] if block.get("json") else json.dumps(block["input"])
            said.calls.append((block["id"], block["name"], arguments))


class Responses:
    """OpenAI's responses."""

    name, path = "responses", "/v1/responses"
    stop, calls, length = "completed", "completed", "incomplete"

    def headers(self, key=KEY):
        return {"authorization": f"Bearer {key}"}

    def body(self, question, model="gpt-4o-mini", stream=False, tools=(), **members):
        body = {"model": model, "input": question, **members}
        if stream:
            body["stream"] = True
        if tools:
            body["tools"] = [{"type": "function", "name": n, "description": f"Tells the {n}.", "parameters": SCHEMA, "strict": False}
                             for n in tools]
        return body

    def read(self, response):
        said = Said()
        if not is_stream(response):
            answer = response.json()
            if answer.get("object") != "response":
                said.error = answer["error"]
                return said
            self.take_response(said, answer)
            said.whole = True
            return said
        text, calls, number, items = "", {}, -1, {}
        for name, event in sse(response):
            assert name == event["type"] and said.error is None and not said.whole, (name, event, "after the end")
            assert event["sequence_number"] == number + 1, "events are numbered without a gap"
            number = event["sequence_number"]
            kind = event["type"]
            if kind == "error":
                said.error = {k: event.get(k) for k in ("code", "message")}
            elif kind == "response.created":
                assert number == 0 and event["response"]["status"] == "in_progress"
                said.id, said.model = event["response"]["id"], event["response"]["model"]
            elif kind == "response.output_item.added":
                assert event["output_index"] not in items
                items[event["output_index"]] = event["item"]
            elif kind == "response.output_text.delta":
                assert items[event["output_index"]]["id"] == event["item_id"], "a delta of an item that is not there"
                text += event["delta"]
            elif kind == "response.function_call_arguments.delta":
                assert items[event["output_index"]]["id"] == event["item_id"], "a delta of an item that is not there"
                calls[event["output_index"]] = calls.get(event["output_index"], "") + event["delta"]
            elif kind == "response.function_call_arguments.done":
                assert calls.get(event["output_index"], "") == event["arguments"]
            elif kind in ("response.completed", "response.incomplete", "response.failed"):
                self.take_response(said, event["response"])
                said.whole = kind != "response.failed"
                assert said.text == text and [c[2] for c in said.calls] == [calls[i] for i in sorted(calls)], "told twice, otherwise"
        if not said.whole:
            said.text = said.text or text
        return said

    def take_response(self, said, answer):
        assert said.id in (None, answer["id"])
        said.id, said.model, said.finish = answer["id"], answer["model"], answer["status"]
        if answer["status"] == "failed":
            said.error = answer["error"]
        for item in answer["output"]:
            if item["type"] == "message":
                said.text += "".join(p["text"] for p in item["content"] if p["type"] == "output_text")
            elif item["type"] == "function_call":
                said.calls.append((item["call_id"], item["name"], item["arguments"]))
            elif item["type"] == "reasoning":
                said.reasoning += "".join(s["text"] for s in item["summary"])
        usage = answer.get("usage")
        if usage:
            assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
            said.usage = usage["input_tokens"], usage["output_tokens"]


SCHEMA = {"type": "object", "properties": {"item": {"type": "string"}}, "required": ["item"]}
CHAT, MESSAGES, RESPONSES = Chat(), Messages(), Responses()
WIRES = (CHAT, MESSAGES, RESPONSES)


def post(url, wire, body, key=KEY, headers=None, timeout=30):
    """One request on `wire` to its end."""
    answer = SESSION.post(url + wire.path, json=body, timeout=timeout, stream=bool(body.get("stream")),
                          headers={**wire.headers(key), **(headers or {})})
    answer.content
    return answer


def ask(url, wire, question, headers=None, **members):
    return post(url, wire, wire.body(question, **members), headers=headers)


def result(answer):
    """hit, miss, bypass; reason=..."""
    return answer.headers["x-outrigger-cache"]
