#!/usr/bin/env python3
"""Many requests through the real program, and whether its memory stays what it was.

A mix of hits, misses, streams, pass-through and clients that leave, against outrigger-sim on loopback. The memory tier is small, so
it is full, and evicting, long before the first measurement. What counts is resident memory after a fifth of the requests against
all of them, and that no descriptor is left over.
"""
import argparse
import json
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
SIM_SETTINGS = "fast = true\ntokens = 20\n"
MEMORY = "1MiB"
POPULAR, RARE = 200, 20_000  # distinct questions that are mostly hits, mostly misses
BATCH = 50                   # requests on one connection, sent at once
LEAVING = 0.3                # connections that are given up early: about 1 request in 170
ROOM = 1.05                  # what memory may grow from the first measurement to the last


def chat(rng):
    """One understood request, as bytes without its Connection header."""
    rare = rng.random() < 0.3
    question = f"rare {rng.randrange(RARE)}" if rare else f"popular {rng.randrange(POPULAR)}"
    stream = rng.random() < 0.25
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": question}]}
    if stream:
        body["stream"] = True
        if rng.random() < 0.5:
            body["stream_options"] = {"include_usage": True}
    text = json.dumps(body)
    steering = "Cache-Control: no-store\r\n" if rng.random() < 0.05 else ""
    return (f"POST /v1/chat/completions HTTP/1.1\r\nHost: o\r\nAuthorization: Bearer sk-{rng.randrange(4)}\r\n{steering}"
            f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n", "\r\n" + text, stream)


def request(rng):
    if rng.random() < 0.1:
        return "GET /v1/models HTTP/1.1\r\nHost: o\r\nAuthorization: Bearer sk-0\r\n", "\r\n", False
    return chat(rng)


class Load:
    """Drives `total` requests at `port` from a few threads; `on_progress(sent)` is called now and then."""

    def __init__(self, port, total, seed, threads=4):
        self.port, self.total, self.threads = port, total, threads
        self.rngs = [random.Random(seed * 1000 + n) for n in range(threads)]
        self.sent = self.answered = self.left = 0
        self.problems = []
        self.lock = threading.Lock()

    def run(self, on_progress=lambda sent: None):
        workers = [threading.Thread(target=self.work, args=(rng, on_progress), daemon=True) for rng in self.rngs]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    def work(self, rng, on_progress):
        try:
            while not self.problems:
                with self.lock:
                    if self.sent >= self.total:
                        return
                    self.sent += BATCH
                    sent = self.sent
                answered = self.batch(rng, BATCH)
                left = self.leave(rng) if rng.random() < LEAVING else 0
                with self.lock:
                    self.answered += answered
                    self.left += left
                    on_progress(sent)
        except Exception as problem:  # whatever it is, the run has failed
            self.problems.append(repr(problem))

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def batch(self, rng, count):
        """`count` requests in a row on one connection; all of them must be answered well, and in full."""
        wire, streams = [], 0
        for number in range(count):
            head, rest, stream = request(rng)
            streams += stream
            wire.append(head + ("Connection: close\r\n" if number == count - 1 else "") + rest)
        with self.connect() as connection:
            connection.sendall("".join(wire).encode())  # some 12 KB, which the kernel takes at once
            received = b"".join(iter(lambda: connection.recv(1 << 18), b""))
        good, done = received.count(b"HTTP/1.1 200 OK\r\n"), received.count(b"data: [DONE]")
        if good != count or done != streams:
            self.problems.append(f"{good} of {count} answers, {done} of {streams} ends of streams; the last bytes: {received[-300:]!r}")
        return good

    def leave(self, rng):
        """A client that goes: before it has sent all, at once, or in the middle of the answer."""
        head, rest, _ = chat(rng)
        wire = (head + rest).encode()
        with self.connect() as connection:
            if rng.random() < 0.3:
                connection.sendall(wire[:rng.randrange(len(wire))])
            else:
                connection.sendall(wire)
                if rng.random() < 0.7:
                    connection.recv(rng.randrange(1, 2000))
            if rng.random() < 0.5:  # with a reset
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        return 1


def rss_bytes(pid):
    return int(re.search(r"VmRSS:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) * 1024


def descriptors(pid):
    return len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))


class Watch:
    """Resident memory of `pid` after each tenth of the run."""

    def __init__(self, pid, total):
        self.pid, self.step, self.points = pid, total // 10, []

    def __call__(self, sent):
        if sent >= (len(self.points) + 1) * self.step:
            self.points.append((sent, rss_bytes(self.pid)))

    def growth(self):
        return self.points[-1][1] / self.points[1][1]


def start(directory, name, ready, *arguments):
    log = directory / f"{name}.log"
    child = subprocess.Popen([str(a) for a in arguments], stdout=open(log, "wb"), stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    for _ in range(1000):
        if found := re.search(ready, log.read_text(errors="replace")):
            return child, int(found.group(1))
        time.sleep(0.01)
    child.kill()
    sys.exit(f"{name} did not start:\n{log.read_text(errors='replace')}")


def config(sim_port):
    return f'''[listen]
llm = "127.0.0.1:0"
admin = "127.0.0.1:0"
[log]
access = "off"
[cache]
memory = "{MEMORY}"
[[upstream]]
name = "sim"
url = "http://127.0.0.1:{sim_port}/v1"
'''


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--build", default="build/release")
    choice = parser.parse_args()
    print(f"seed {choice.seed} (--seed {choice.seed} repeats the questions)")
    running = []
    with tempfile.TemporaryDirectory(prefix="outrigger-endurance-") as name:
        directory = pathlib.Path(name)
        try:
            (directory / "sim.toml").write_text('listen = "127.0.0.1:0"\n' + SIM_SETTINGS)
            sim, sim_port = start(directory, "sim", r"listening on 127\.0\.0\.1:(\d+)", ROOT / choice.build / "outrigger-sim",
                                  "--config", directory / "sim.toml")
            running.append(sim)
            (directory / "outrigger.toml").write_text(config(sim_port))
            outrigger, port = start(directory, "outrigger", r"ready: llm door on 127\.0\.0\.1:(\d+)",
                                    ROOT / choice.build / "outrigger", "serve", "--config", directory / "outrigger.toml")
            running.append(outrigger)
            idle, files = rss_bytes(outrigger.pid), descriptors(outrigger.pid)
            print(f"idle: {idle / 1e6:.1f} MB, {files} descriptors", flush=True)
            load, watch = Load(port, choice.requests, choice.seed), Watch(outrigger.pid, choice.requests)

            def progress(sent):
                before = len(watch.points)
                watch(sent)
                if len(watch.points) > before:
                    print(f"{sent:>9} requests: {watch.points[-1][1] / 1e6:.1f} MB, {time.monotonic() - began:.0f} s", flush=True)

            began = time.monotonic()
            load.run(progress)
            took = time.monotonic() - began
            time.sleep(1)
            # Connections to the upstream stay for a while; those of clients must be gone.
            left_over = descriptors(outrigger.pid) - files
        finally:
            for child in reversed(running):
                child.send_signal(signal.SIGTERM)
            for child in running:
                child.wait(20)
    if load.problems:
        sys.exit("failed: " + load.problems[0])
    growth = watch.growth()
    print(f"{load.answered} answered, {load.left} clients left early; {load.answered / took:.0f} requests/s; memory grew by "
          f"{(growth - 1) * 100:.1f} % from a fifth of them to all; {left_over} descriptors more than when idle")
    if growth > ROOM or left_over > 100:
        sys.exit(f"failed: memory may grow by {(ROOM - 1) * 100:.0f} %, and 100 descriptors may be open")


if __name__ == "__main__":
    main()
