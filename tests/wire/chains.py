"""A provider and the ones behind it, for the tests of what Outrigger does when a provider fails. No test stands here."""
import concurrent.futures
import hashlib
import json
import time

import requests

from conftest import Outrigger, Sim, read_sse, text_of

FIRST, SECOND = "primary:gpt-4o-mini", "backup:gpt-4o"


def upstream_of(sim, name, keys=(), extra=""):
    own = f"keys = {json.dumps(list(keys))}\n" if keys else ""
    return f'[[upstream]]\nname = "{name}"\nurl = "{sim.url}/v1"\n{own}{extra}\n'


def model_of(extra="", name="gpt-4o-mini", target='"primary"', fallback='["backup:gpt-4o"]'):
    behind = f"fallback = {fallback}\n" if fallback else ""
    return f'[[model]]\nname = "{name}"\ntarget = {target}\n{behind}{extra}\n'


class Chain:
    """A primary that is asked with its own key or the client's, a backup with its own, and Outrigger in front of them."""

    def __init__(self, start, model="", primary="", backup="", keys=(), more="", fallback='["backup:gpt-4o"]'):
        self.primary = start(Sim, primary)
        self.backup = start(Sim, backup)
        self.config = (upstream_of(self.primary, "primary", keys) + upstream_of(self.backup, "backup", ["sk-backup"])
                       + model_of(model, fallback=fallback) + more)
        self.proxy = start(Outrigger, self.config)

    def ask(self, content="hello", **named):
        answer = self.proxy.chat(content, **named)
        answer.content  # streams, too, to their end
        return answer

    def served(self, answer):
        return answer.headers["x-outrigger-served-by"], int(answer.headers["x-outrigger-attempts"])

    def breaker(self, target):
        return self.proxy.metric("outrigger_breaker_state", target=target)

    def attempts(self, target, outcome):
        return self.proxy.metric("outrigger_attempts_total", target=target, outcome=outcome)


def together(count, work):
    """Runs work(0), work(1), ... at once; their results in order."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))


def soon(condition, what, seconds=5):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def target_status(proxy, name):
    status = requests.get(proxy.admin + "/api/status", timeout=10).json()
    return next((t for t in status["targets"] if t["name"] == name), None)


def model_in(answer):
    """The `model` that the answer says it comes from, whichever form it has."""
    if "event-stream" in answer.headers["content-type"]:
        return {e["model"] for e in read_sse(answer) if e != "[DONE]"}.pop()
    return answer.json()["model"]


__all__ = ["Chain", "FIRST", "SECOND", "Outrigger", "Sim", "model_in", "model_of", "read_sse", "sha256", "soon", "target_status",
           "text_of", "together", "upstream_of"]
