"""One conversation, led by an official SDK, on each wire: asks, calls tools, gives their results. No test stands here."""
import json

import anthropic
import openai

from wires import CHAT, MESSAGES, RESPONSES, SCHEMA, Said

# An agent's question, and what its tools say. The tools are called because their names stand in the question.
QUESTION = "Use the tools stock and price for the blue lamp."
RESULTS = {"stock": "7 pieces", "price": "EUR 39"}


CLIENTS = {}  # the SDKs take longer to make one than to ask


def client_of(kind, url, key):
    if (kind, url, key) not in CLIENTS:
        CLIENTS[kind, url, key] = kind(base_url=url, api_key=key, max_retries=0, timeout=20)
    return CLIENTS[kind, url, key]


class Talk:
    """turn() asks, and takes the answer into the history; `answer.calls` are then answered with results()."""

    wire, model = None, None

    def __init__(self, url, tools=(), key="sk-test", **members):
        self.url, self.key, self.tools, self.members, self.history = url, key, tools, members, []

    def turn(self, stream, question=None):
        if question is not None:
            self.ask(question)
        return self.streamed() if stream else self.blocking()

    def agent(self, *streams):
        """A whole agent's turn: the question, both tools, their results, the end; each answer streamed or not."""
        called = self.turn(streams[0], QUESTION)
        self.results([(c[0], RESULTS[c[1]]) for c in called.calls])
        return called, self.turn(streams[-1])


class AnthropicTalk(Talk):
    wire, model = MESSAGES, "claude-sonnet-4-6"

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.client = client_of(anthropic.Anthropic, self.url, self.key)

    def ask(self, question):
        self.history.append({"role": "user", "content": question})

    def results(self, results):
        self.history.append({"role": "user", "content": [{"type": "tool_result", "tool_use_id": i, "content": text}
                                                         for i, text in results]})

    def request(self):
        body = {"model": self.model, "max_tokens": 4000, "messages": self.history, **self.members}
        if self.tools:
            body["tools"] = [{"name": n, "description": f"Tells the {n}.", "input_schema": SCHEMA} for n in self.tools]
        return body

    def blocking(self):
        raw = self.client.messages.with_raw_response.create(**self.request())
        return self.take(raw.parse(), raw.headers)

    def streamed(self):
        with self.client.messages.stream(**self.request()) as stream:
            text = "".join(stream.text_stream)
            message = stream.get_final_message()
            assert text == "".join(b.text for b in message.content if b.type == "text")
            return self.take(message, stream.response.headers)

    def take(self, message, headers):
        self.history.append({"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in message.content]})
        said = Said()
        said.headers, said.message, said.whole = headers, message, True
        said.text = "".join(b.text for b in message.content if b.type == "text")
        said.calls = [(b.id, b.name, json.dumps(b.input)) for b in message.content if b.type == "tool_use"]
        said.finish, said.model, said.id = message.stop_reason, message.model, message.id
        usage = message.usage
        said.usage = (usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0),
                      usage.output_tokens)
        return said


class OpenAITalk(Talk):
    model = "gpt-4o-mini"

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.client = client_of(openai.OpenAI, self.url + "/v1", self.key)


class ChatTalk(OpenAITalk):
    wire = CHAT

    def ask(self, question):
        self.history.append({"role": "user", "content": question})

    def results(self, results):
        self.history += [{"role": "tool", "tool_call_id": i, "content": text} for i, text in results]

    def request(self):
        body = {"model": self.model, "messages": self.history, **self.members}
        if self.tools:
            body["tools"] = [{"type": "function", "function": {"name": n, "description": f"Tells the {n}.", "parameters": SCHEMA}}
                             for n in self.tools]
        return body

    def blocking(self):
        raw = self.client.chat.completions.with_raw_response.create(**self.request())
        return self.take(raw.parse(), raw.headers)

    def streamed(self):
        with self.client.chat.completions.stream(**self.request(), stream_options={"include_usage": True}) as stream:
            for _ in stream:
                pass
            return self.take(stream.get_final_completion(), stream._response.headers)

    def take(self, completion, headers):
        choice = completion.choices[0]
        calls = [(c.id, c.function.name, c.function.arguments) for c in choice.message.tool_calls or []]
        message = {"role": "assistant", "content": choice.message.content}
        if calls:
            message["tool_calls"] = [{"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a in calls]
        self.history.append(message)
        said = Said()
        said.headers, said.message, said.whole = headers, completion, True
        said.text, said.calls = choice.message.content or "", calls
        said.finish, said.model, said.id = choice.finish_reason, completion.model, completion.id
        said.usage = completion.usage and (completion.usage.prompt_tokens, completion.usage.completion_tokens)
        return said


class ResponsesTalk(OpenAITalk):
    wire = RESPONSES

    def ask(self, question):
        self.history.append({"role": "user", "content": question})

    def results(self, results):
        self.history += [{"type": "function_call_output", "call_id": i, "output": text} for i, text in results]

    def request(self):
        body = {"model": self.model, "input": self.history, "store": False, **self.members}
        if self.tools:
            body["tools"] = [{"type": "function", "name": n, "description": f"Tells the {n}.", "parameters": SCHEMA, "strict": False}
                             for n in self.tools]
        return body

    def blocking(self):
        raw = self.client.responses.with_raw_response.create(**self.request())
        return self.take(raw.parse(), raw.headers)

    def streamed(self):
        with self.client.responses.stream(**self.request()) as stream:
            for _ in stream:
                pass
            return self.take(stream.get_final_response(), stream._response.headers)

    def take(self, response, headers):
        for item in response.output:
            sent = item.model_dump(exclude_none=True)
            sent.pop("parsed_arguments", None)
            for part in sent.get("content", []):
                part.pop("parsed", None)
            self.history.append(sent)
        said = Said()
        said.headers, said.message, said.whole = headers, response, True
        said.text = response.output_text
        said.calls = [(i.call_id, i.name, i.arguments) for i in response.output if i.type == "function_call"]
        said.finish, said.model, said.id = response.status, response.model, response.id
        said.usage = response.usage and (response.usage.input_tokens, response.usage.output_tokens)
        return said


TALKS = {talk.wire.name: talk for talk in (ChatTalk, AnthropicTalk, ResponsesTalk)}
