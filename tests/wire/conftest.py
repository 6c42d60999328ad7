"""Fixtures: the real binaries on ports that the kernel chose, each ended by its own process id."""
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
import requests

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("OUTRIGGER_BUILD", "build/dev")


def pytest_report_header(config):
    seed = int(os.environ.get("WIRE_SEED", random.randrange(2**32)))
    random.seed(seed)
    return f"random seed {seed} (WIRE_SEED={seed} repeats it)"


class Process:
    """A child with its standard error in a file; ended when its owner says so, by its own id."""

    def __init__(self, arguments, log, env=None):
        self.log = pathlib.Path(log)
        self.output = open(self.log, "wb")
        self.child = subprocess.Popen([str(a) for a in arguments], stdout=self.output, stderr=self.output,
                                      stdin=subprocess.DEVNULL, env=env)

    def text(self):
        return self.log.read_text(errors="replace")

    def wait_for(self, pattern, seconds=10):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = re.search(pattern, self.text())
            if found:
                return found
            if self.child.poll() is not None:
                break
            time.sleep(0.002)
        raise AssertionError(f"{self.child.args} did not say /{pattern}/:\n{self.text()}")

    def alive(self):
        return self.child.poll() is None

    def send_signal(self, number):
        self.child.send_signal(number)

    def stop(self, seconds=10):
        if self.alive():
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(seconds)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        self.output.close()
        return self.child.returncode

    def rss_bytes(self):
        status = pathlib.Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024


class Sim(Process):
    """outrigger-sim: the provider. `faults` and `settings` are its TOML."""

    def __init__(self, directory, settings="", fast=True):
        config = directory / f"sim-{random.randrange(10**9)}.toml"
        delays = "" if "first_token" in settings or not fast else 'first_token = "0s"\nbetween_tokens = "0s"\n'
        config.write_text('listen = "127.0.0.1:0"\n' + delays + settings)
        super().__init__([BUILD / "outrigger-sim", "--config", config], config.with_suffix(".log"))
        self.port = int(self.wait_for(r"listening on 127\.0\.0\.1:(\d+)").group(1))
        self.url = f"http://127.0.0.1:{self.port}"

    def stats(self):
        return requests.get(self.url + "/sim/stats", timeout=10).json()

    def calls(self, endpoint=None):
        """How often `endpoint` ("chat/completions", ...) was asked; all of them without one."""
        by_endpoint = self.stats()["by_endpoint"]
        return by_endpoint.get(endpoint, 0) if endpoint else sum(by_endpoint.values())

    def last(self):
        return self.stats()["last"][-1]

    def reset(self):
        requests.post(self.url + "/sim/reset", timeout=10).raise_for_status()

    def faults(self, toml):
        requests.post(self.url + "/sim/faults", data=toml, headers={"content-type": "application/toml"},
                      timeout=10).raise_for_status()


class Outrigger(Process):
    """outrigger serve, with a configuration of which the listen addresses are filled in."""

    def __init__(self, directory, config, env=None):
        self.config = directory / f"outrigger-{random.randrange(10**9)}.toml"
        if "[listen]" not in config:
            config += '\n[listen]\nllm = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\n'
        self.config.write_text(config)
        self.started = time.monotonic()
        super().__init__([BUILD / "outrigger", "serve", "--config", self.config], self.config.with_suffix(".log"),
                         env={**os.environ, **(env or {})})
        ready = self.wait_for(r"ready: llm door on 127\.0\.0\.1:(\d+), admin door on 127\.0\.0\.1:(\d+)")
        self.ready_after = time.monotonic() - self.started
        self.port = int(ready.group(1))
        self.url = f"http://127.0.0.1:{self.port}"
        self.admin = f"http://127.0.0.1:{ready.group(2)}"

    def chat(self, content="hello", path="/v1/chat/completions", key="sk-test", headers=None, timeout=30, **members):
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": content}], **members}
        return requests.post(self.url + path, json=body, timeout=timeout, stream=bool(members.get("stream")),
                             headers={"authorization": f"Bearer {key}", **(headers or {})})

    def explain(self, body, path="/v1/chat/completions", headers=None):
        answer = requests.post(self.admin + "/api/explain", params={"path": path}, timeout=10,
                               data=body if isinstance(body, (bytes, str)) else json.dumps(body),
                               headers={"authorization": "Bearer sk-test", **(headers or {})})
        answer.raise_for_status()
        return answer.json()

    def metric(self, name, **labels):
        total = 0.0
        for line in requests.get(self.admin + "/metrics", timeout=10).text.splitlines():
            if line.startswith("#") or not line.startswith(name):
                continue
            series, value = line.rsplit(" ", 1)
            if series.split("{")[0] == name and all(f'{k}="{v}"' in series for k, v in labels.items()):
                total += float(value)
        return total

    def access_log(self, lines):
        """The first `lines` of it; they come within a moment, as the log is written in batches."""
        deadline = time.monotonic() + 5
        while True:
            log = [json.loads(line) for line in self.text().splitlines() if line.startswith("{")]
            if len(log) >= lines:
                return log
            assert time.monotonic() < deadline, f"{len(log)} lines instead of {lines}"
            time.sleep(0.02)


def upstream(sim, name="sim", extra=""):
    return f'[[upstream]]\nname = "{name}"\nurl = "{sim.url}/v1"\n{extra}\n'


@pytest.fixture
def start(tmp_path):
    """start(Sim, ...) or start(Outrigger, ...): whatever was started is ended with the test."""
    running = []

    def begin(kind, *arguments, **named):
        process = kind(tmp_path, *arguments, **named)
        running.append(process)
        return process

    yield begin
    for process in reversed(running):
        process.stop()


@pytest.fixture
def pair(start):
    """A provider without delays, and Outrigger in front of it with all defaults."""
    sim = start(Sim)
    return sim, start(Outrigger, upstream(sim))


@pytest.fixture(scope="session")
def ten_minutes(tmp_path_factory):
    """Begins with the first test that names it and goes on beside the others until its own looks at what came out."""
    import bad_minutes
    directory = tmp_path_factory.mktemp("ten_minutes")
    sims = [Sim(directory, bad_minutes.CALM) for _ in range(3)]
    proxy = Outrigger(directory, bad_minutes.CONFIG.format(*(sim.url for sim in sims)))
    result = directory / "users.json"
    with open(result, "wb") as out:
        users = subprocess.Popen([sys.executable, pathlib.Path(__file__).with_name("many_users.py"), str(proxy.port),
                                  str(bad_minutes.SECONDS), str(bad_minutes.RATE)],
                                 stdin=subprocess.PIPE, stdout=out, stderr=subprocess.PIPE)
    assert users.stderr.readline() == b"ready\n"
    for sim, faults in zip(sims, (bad_minutes.PRIMARY, bad_minutes.SECOND, bad_minutes.THIRD)):
        sim.faults(faults)
    users.stdin.write(b"\n")
    users.stdin.flush()
    yield users, result, proxy, sims
    users.kill()
    users.wait()
    for process in (proxy, *sims):
        process.stop()


class Redis(Process):
    def __init__(self, directory, *options):
        with socket.socket() as probe:  # redis-server cannot tell which port the kernel chose, so ask first
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        name = directory / f"redis-{self.port}"
        name.mkdir()
        super().__init__(["redis-server", "--port", self.port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                          "--dir", name, *options], name / "log")
        self.wait_for("Ready to accept connections")
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def command(self, *words):
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as link:
            parts = [w if isinstance(w, bytes) else str(w).encode() for w in words]
            link.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
            return Reply(link.makefile("rb")).read()


class Reply:
    """One RESP2 reply."""

    def __init__(self, source):
        self.source = source

    def read(self):
        line = self.source.readline()[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.source.read(int(rest) + 2)[:-2]
        return [self.read() for _ in range(int(rest))]


def hear_all(link):
    """What comes until the connection closes, or nothing more comes in its time."""
    back = b""
    try:
        while piece := link.recv(65536):
            back += piece
    except (socket.timeout, ConnectionResetError):
        pass
    return back


def read_sse(response):
    """Events of a streamed answer, as parsed JSON; the end mark as the text "[DONE]"."""
    events = []
    for block in response.content.decode().split("\n\n"):
        if block.startswith("data: "):
            data = block[len("data: "):]
            events.append(data if data == "[DONE]" else json.loads(data))
    return events


def text_of(response):
    """The answer's text, whichever form it has."""
    if "event-stream" in response.headers["content-type"]:
        return "".join(c["delta"].get("content") or "" for e in read_sse(response) if e != "[DONE]" for c in e["choices"])
    return response.json()["choices"][0]["message"]["content"]
