"""The simulated Dify of outrigger-sim, for wire tests."""
import json
import random

import requests

from conftest import BUILD, Process

APPS = "".join(f'[[dify.app]]\nkey = "app-{mode}"\nmode = "{mode}"\n'
               for mode in ("chat", "agent-chat", "advanced-chat", "completion", "workflow"))


class DifySim(Process):
    """outrigger-sim with a Dify. `settings` are the keys of its [dify] table, `apps` its apps; "app-chat" and so on are the
    keys that there are without."""

    def __init__(self, directory, settings="", apps=APPS):
        config = directory / f"dify-{random.randrange(10**9)}.toml"
        defaults = {"listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0", "think": "50ms", "between_tokens": "1ms"}
        keys = "".join(f'{key} = "{value}"\n' for key, value in defaults.items() if f"{key} =" not in settings)
        config.write_text('listen = "127.0.0.1:0"\n[dify]\n' + keys + settings + "\n" + apps)
        super().__init__([BUILD / "outrigger-sim", "--config", config], config.with_suffix(".log"))
        self.port = int(self.wait_for(r"dify listening on 127\.0\.0\.1:(\d+)\n").group(1))
        self.url = f"http://127.0.0.1:{self.port}"
        # Never waits for a place.
        self.admin = "http://" + self.wait_for(r"dify admin listening on (\S+)\n").group(1)

    def stats(self):
        return requests.get(self.admin + "/sim/stats", timeout=10).json()

    def runs(self):
        return self.stats()["runs"]["total"]

    def reset(self):
        requests.post(self.admin + "/sim/reset", timeout=10).raise_for_status()

    def faults(self, toml):
        """[[fault]] tables."""
        requests.post(self.admin + "/sim/faults", data=toml, timeout=10).raise_for_status()

    def console_id(self, name):
        apps = requests.get(self.admin + "/console/api/apps", timeout=10).json()["data"]
        return next(app["id"] for app in apps if app["name"] == name)


class DifyUser:
    """One user of one app, at a Dify or at the door before it."""

    def __init__(self, url, key, user="u1", timeout=60):
        self.url, self.user, self.timeout = url + "/v1", user, timeout
        self.session = requests.Session()
        self.session.headers["authorization"] = "Bearer " + key

    def post(self, path, stream=False, **members):
        body = {"user": self.user, **members}
        return self.session.post(f"{self.url}/{path}", json=body, stream=stream, timeout=self.timeout)

    def get(self, path, **query):
        return self.session.get(f"{self.url}/{path}", params={"user": self.user, **query}, timeout=self.timeout)

    def chat(self, query, stream=False, conversation="", **members):
        return self.post("chat-messages", stream, inputs={}, query=query, conversation_id=conversation,
                         response_mode="streaming" if stream else "blocking", **members)

    def run(self, stream=False, **inputs):
        return self.post("workflows/run", stream, inputs=inputs, response_mode="streaming" if stream else "blocking")

    def complete(self, stream=False, **inputs):
        return self.post("completion-messages", stream, inputs=inputs, response_mode="streaming" if stream else "blocking")


def events(response):
    """The events of a stream as they come; pings are left out."""
    for line in response.iter_lines():
        if line.startswith(b"data: "):
            yield json.loads(line[6:])
