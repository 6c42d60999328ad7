"""The model classes of Dify's plugin SDK, driven line by line: a JSON instruction in, a JSON result out. No test stands here.

A process of its own, because the SDK patches sockets and threads of the whole process when it is imported. In Dify it runs in one, too.
"""
import json
import sys

from dify_plugin import OAICompatEmbeddingModel, OAICompatLargeLanguageModel, OAICompatRerankModel
from dify_plugin.entities.model.message import (AssistantPromptMessage, PromptMessageTool, SystemPromptMessage, ToolPromptMessage,
                                                UserPromptMessage)


class Estimates:
    """Its tokens are counted with a vocabulary that would have to be downloaded."""

    def _get_num_tokens_by_gpt2(self, text):
        return len(text) // 4


class Language(Estimates, OAICompatLargeLanguageModel):
    __module__ = "plugin.models.llm.llm"  # where plugins have it; errors are named after it


class Embedding(Estimates, OAICompatEmbeddingModel):
    __module__ = "plugin.models.text_embedding.text_embedding"


class Rerank(Estimates, OAICompatRerankModel):
    __module__ = "plugin.models.rerank.rerank"


MODELS = {"llm": Language, "embedding": Embedding, "rerank": Rerank}


def message_of(given):
    role = given["role"]
    if role == "system":
        return SystemPromptMessage(content=given["content"])
    if role == "user":
        return UserPromptMessage(content=given["content"])
    if role == "tool":
        return ToolPromptMessage(content=given["content"], tool_call_id=given["id"], name=given["name"])
    calls = [AssistantPromptMessage.ToolCall(
        id=i, type="function", function=AssistantPromptMessage.ToolCall.ToolCallFunction(name=n, arguments=a))
        for i, n, a in given.get("calls", [])]
    return AssistantPromptMessage(content=given.get("content", ""), tool_calls=calls)


def validate(model, name, credentials):
    MODELS[model]([]).validate_credentials(name, credentials)
    return {}


def say(name, credentials, messages, stream, tools=(), stop=None, user=None, **parameters):
    chunks = list(Language([]).invoke(
        name, credentials, [message_of(m) for m in messages], parameters,
        tools=[PromptMessageTool(name=t, description=f"Tells the {t}.", parameters={
            "type": "object", "properties": {"item": {"type": "string"}}, "required": ["item"]}) for t in tools],
        stop=stop, stream=stream, user=user))
    usage = [c.delta.usage for c in chunks if c.delta.usage][-1]
    return {
        "text": "".join(c.delta.message.content or "" for c in chunks),
        "pieces": len([c for c in chunks if c.delta.message.content]),
        "calls": [[t.id, t.function.name, t.function.arguments] for c in chunks for t in c.delta.message.tool_calls],
        "finish": [c.delta.finish_reason for c in chunks][-1],
        "usage": [usage.prompt_tokens, usage.completion_tokens],
    }


def embed(name, credentials, texts, user=None):
    result = Embedding([]).invoke(name, credentials, texts, user)
    return {"embeddings": result.embeddings, "tokens": result.usage.total_tokens}


def rerank(name, credentials, query, docs, top_n=None):
    result = Rerank([]).invoke(name, credentials, query, docs, top_n=top_n)
    return {"docs": [[d.index, d.text, d.score] for d in result.docs]}


WORKS = {"validate": validate, "say": say, "embed": embed, "rerank": rerank}


def main():
    out = sys.stdout
    sys.stdout = sys.stderr  # what libraries print is no answer
    print("ready", file=out, flush=True)
    for line in sys.stdin:
        given = json.loads(line)
        try:
            result = WORKS[given.pop("work")](**given)
        except Exception as error:  # told to the test, with the class that Dify would tell
            result = {"error": type(error).__name__, "message": str(error)}
        print(json.dumps(result), file=out, flush=True)


if __name__ == "__main__":
    main()
