#!/usr/bin/env python3
"""nginx and Outrigger side by side, one worker each, in interleaved rounds, so that a noisy machine disturbs both alike.

The server under test has core 0 for itself; the load (wrk) and the upstream share core 1. A request is a 2 KB chat prompt, an
answer 2 KB. Figures are ratios of medians over the rounds; absolute numbers hold for this machine only.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
BIN = ROOT / "build/release"
RESULTS = ROOT / "bench/results"
TICK = os.sysconf("SC_CLK_TCK")
SERVER_CORE, LOAD_CORE = 0, 1 % os.cpu_count()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pinned(core, arguments, **named):
    return subprocess.Popen([str(a) for a in arguments], preexec_fn=lambda: os.sched_setaffinity(0, {core}),
                            stdin=subprocess.DEVNULL, **named)


def wait_for(port, seconds=10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    sys.exit(f"nothing listens on port {port}")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def rss_mb(pid, peak=False):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)" if peak else r"VmRSS:\s+(\d+)", text).group(1)) / 1024


class Lab:
    """All processes and files of a run; everything started is ended by its id."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="outrigger-bench-"))
        self.running = []

    def start(self, core, *arguments):
        log = open(self.directory / f"log-{len(self.running)}", "wb")
        child = pinned(core, arguments, stdout=log, stderr=log)
        self.running.append(child)
        return child

    def nginx(self, core, servers, http=""):
        number = len(self.running)
        config = self.directory / f"nginx-{number}.conf"
        config.write_text(f"""
daemon off; worker_processes 1; pid {self.directory}/nginx-{number}.pid; error_log {self.directory}/nginx-{number}.log crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; client_body_buffer_size 64k; client_max_body_size 20m;
  client_body_temp_path {self.directory}/b; proxy_temp_path {self.directory}/p; fastcgi_temp_path {self.directory}/f;
  uwsgi_temp_path {self.directory}/u; scgi_temp_path {self.directory}/s;
  {http}
  {servers}
}}""")
        return self.start(core, shutil.which("nginx") or "/usr/sbin/nginx", "-p", self.directory, "-c", config)

    def stop(self):
        for child in reversed(self.running):
            child.send_signal(signal.SIGTERM)
        for child in self.running:
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


def worker_of(child):
    """nginx's worker: the child of its master."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        children = pathlib.Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
        if children:
            return int(children[0])
        time.sleep(0.02)
    sys.exit("nginx has no worker")


def prompt(question="How do I return goods that I bought abroad?"):
    """A 2 KB request as Dify's OpenAI-compatible plugin sends it."""
    body = {"model": "gpt-4o-mini", "stream": False, "temperature": 0.7, "max_tokens": 512, "messages": [
        {"role": "system", "content": ""}, {"role": "user", "content": question}],
        "user": "f5a2c2f4-38f5-4c0e-9a5e-5d7f0c7f6a11"}
    sentence = "You answer questions of customers of an online shop, politely and briefly, in their language. "
    while len(json.dumps(body)) < 2020:
        body["messages"][0]["content"] += sentence
    return json.dumps(body)[:]


def lua(lab, name, path, body, headers=None):
    fields = {"Content-Type": "application/json", "Authorization": "Bearer sk-bench", **(headers or {})}
    text = f'wrk.method = "POST"\nwrk.path = "{path}"\nwrk.body = {json.dumps(body)}\n'
    text += "".join(f'wrk.headers["{k}"] = "{v}"\n' for k, v in fields.items())
    file = lab.directory / f"{name}.lua"
    file.write_text(text)
    return file


def post(url, body, headers=None):
    request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/json", "Authorization": "Bearer sk-bench",
                                                          **(headers or {})})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read(), answer.headers


UNITS = {"us": 1e-3, "ms": 1, "s": 1000, "m": 60000}


def milliseconds(text):
    found = re.match(r"([\d.]+)(us|ms|s|m)", text)  # "-nan" when not one request was answered
    return float(found.group(1)) * UNITS[found.group(2)] if found else float("nan")


def load(port, script, pid, connections, seconds):
    """One measurement: requests per second, CPU µs of the server per request, p50 and p99 in ms, errors."""
    before = cpu_seconds(pid)
    done = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script), f"http://127.0.0.1:{port}"],
                          capture_output=True, text=True, timeout=seconds + 30,
                          preexec_fn=lambda: os.sched_setaffinity(0, {LOAD_CORE}))
    used = cpu_seconds(pid) - before
    text = done.stdout
    requests = int(re.search(r"(\d+) requests in", text).group(1))
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    socket_errors = re.search(r"Socket errors: (.*)", text)
    return {"rps": float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)), "cpu_us": used / max(requests, 1) * 1e6,
            "p50_ms": milliseconds(re.search(r"50%\s+(\S+)", text).group(1)),
            "p99_ms": milliseconds(re.search(r"99%\s+(\S+)", text).group(1)),
            "bad": int(bad.group(1)) if bad else 0, "errors": socket_errors.group(1) if socket_errors else ""}


def outrigger(lab, core, config):
    file = lab.directory / f"outrigger-{len(lab.running)}.toml"
    port, admin = free_port(), free_port()
    file.write_text(config + f'\n[listen]\nllm = "127.0.0.1:{port}"\nadmin = "127.0.0.1:{admin}"\n[log]\naccess = "off"\n')
    began = time.monotonic()
    child = lab.start(core, BIN / "outrigger", "serve", "--config", file)
    while True:
        try:
            if urllib.request.urlopen(f"http://127.0.0.1:{admin}/readyz", timeout=1).status == 200:
                break
        except OSError:
            pass
        if time.monotonic() - began > 10:
            sys.exit("outrigger does not become ready:\n" + (lab.directory / f"log-{len(lab.running) - 1}").read_text())
        time.sleep(0.001)
    return child, port, (time.monotonic() - began) * 1000


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=int, default=4)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--connections", type=int, default=32)
    choice = options.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    lab = Lab()
    try:
        report(measure(lab, choice), choice)
    finally:
        lab.stop()


def measure(lab, choice):
    body = prompt()
    answer = json.dumps({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "x" * 1780}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 400, "completion_tokens": 400, "total_tokens": 800}})
    up, direct, proxied = free_port(), free_port(), free_port()
    reply = f"default_type application/json; return 200 '{answer}';"
    lab.nginx(LOAD_CORE, f"server {{ listen 127.0.0.1:{up} backlog=1024; location / {{ {reply} }} }}")
    constant = lab.nginx(SERVER_CORE, f"server {{ listen 127.0.0.1:{direct} backlog=1024; location / {{ {reply} }} }}")
    proxy = lab.nginx(SERVER_CORE, f"""upstream up {{ server 127.0.0.1:{up}; keepalive 64; keepalive_requests 1000000000; }}
      server {{ listen 127.0.0.1:{proxied} backlog=1024; location / {{ proxy_pass http://up; proxy_http_version 1.1;
      proxy_set_header Connection ""; proxy_buffering off; }} }}""")
    for port in (up, direct, proxied):
        wait_for(port)
    upstream = f'[[upstream]]\nname = "up"\nurl = "http://127.0.0.1:{up}/v1"\n'
    memory, memory_port, started_ms = outrigger(lab, SERVER_CORE, upstream)
    idle_mb = rss_mb(memory.pid)

    redis_port = free_port()
    lab.start(LOAD_CORE, "redis-server", "--port", redis_port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
              "--dir", lab.directory)
    wait_for(redis_port)
    # A memory tier too small for any answer leaves every hit to Redis.
    redis, redis_hit_port, _ = outrigger(lab, SERVER_CORE, '[cache]\nmemory = "16KiB"\nmax_entry = "16KiB"\n' + upstream +
                                         f'[redis]\nurl = "redis://127.0.0.1:{redis_port}/0"\n')

    chat = lua(lab, "chat", "/v1/chat/completions", body)
    other = lua(lab, "other", "/v1/moderations", body)
    bypass = lua(lab, "bypass", "/v1/chat/completions", body, {"Cache-Control": "no-store"})
    several = lab.directory / "several.lua"
    questions = [prompt(f"Question number {n} about returns?") for n in range(64)]
    several.write_text('wrk.method = "POST"\nlocal n = 0\nlocal bodies = {' + ",".join(json.dumps(q) for q in questions) + "}\n"
                       'local headers = {["Content-Type"]="application/json", ["Authorization"]="Bearer sk-bench"}\n'
                       'request = function() n = n % #bodies + 1\n'
                       '  return wrk.format("POST", "/v1/chat/completions", headers, bodies[n]) end\n')
    for question in questions:
        post(f"http://127.0.0.1:{redis_hit_port}/v1/chat/completions", question)
    time.sleep(0.3)
    _, headers = post(f"http://127.0.0.1:{redis_hit_port}/v1/chat/completions", questions[0])
    if headers["x-outrigger-cache"] != "hit":
        sys.exit("the Redis tier does not answer: " + str(headers))
    post(f"http://127.0.0.1:{memory_port}/v1/chat/completions", body)

    targets = {
        "nginx return 200": (direct, chat, worker_of(constant)),
        "memory hit": (memory_port, chat, memory.pid),
        "nginx proxy_pass": (proxied, other, worker_of(proxy)),
        "pass-through": (memory_port, other, memory.pid),
        "understood miss": (memory_port, bypass, memory.pid),
        "Redis hit": (redis_hit_port, several, redis.pid),
    }
    runs = {name: [] for name in targets}
    single = {name: [] for name in targets}
    for number in range(choice.rounds):
        for name, (port, script, pid) in targets.items():
            runs[name].append(load(port, script, pid, choice.connections, choice.seconds))
            single[name].append(load(port, script, pid, 1, max(1, choice.seconds // 2)))
        print(f"   round {number + 1} of {choice.rounds} done", flush=True)
    streams = measure_streams(lab, choice)
    return {"runs": runs, "single": single, "started_ms": started_ms, "idle_mb": idle_mb, "streams": streams,
            "loaded_mb": rss_mb(memory.pid)}


def measure_streams(lab, choice):
    """Events a second through one relay: outrigger-sim sends as fast as it can, each event in a write of its own."""
    port = free_port()
    settings = lab.directory / "sim.toml"
    settings.write_text(f'listen = "127.0.0.1:{port}"\nfast = true\ntokens = 2000\nevents_per_write = 1\n')
    lab.start(LOAD_CORE, BIN / "outrigger-sim", "--config", settings)
    proxied = free_port()
    wait_for(port)
    nginx = lab.nginx(SERVER_CORE, f"""upstream sim {{ server 127.0.0.1:{port}; keepalive 64; }}
      server {{ listen 127.0.0.1:{proxied}; location / {{ proxy_pass http://sim; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; }} }}""")
    wait_for(proxied)
    proxy, llm, _ = outrigger(lab, SERVER_CORE, f'[[upstream]]\nname = "sim"\nurl = "http://127.0.0.1:{port}/v1"\n')
    request = json.dumps({"model": "gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": "Tell me a story."}]})
    script = lua(lab, "stream", "/v1/chat/completions", request, {"Cache-Control": "no-store"})
    events = post(f"http://127.0.0.1:{port}/v1/chat/completions", request)[0].count(b"data: ")
    found = {}
    for name, at, pid in (("direct", port, proxy.pid), ("nginx proxy_pass", proxied, worker_of(nginx)), ("streaming relay", llm, proxy.pid)):
        results = [load(at, script, pid, 8, choice.seconds) for _ in range(choice.rounds)]
        found[name] = {"events_per_second": statistics.median(r["rps"] for r in results) * events,
                       "cpu_us_per_event": statistics.median(r["cpu_us"] for r in results) / events}
    return found


def median(results, figure):
    return statistics.median(r[figure] for r in results)


def report(found, choice):
    runs, single = found["runs"], found["single"]
    aims = {"memory hit": ("nginx return 200", 0.90), "Redis hit": ("nginx proxy_pass", 0.60), "pass-through": ("nginx proxy_pass", 0.90),
            "understood miss": ("nginx proxy_pass", None)}
    lines = [f"{choice.connections} connections, {choice.rounds} rounds of {choice.seconds} s, medians; 1 connection for the added latency",
             "", "| target | requests/s | CPU µs/request | p50 ms | p99 ms | p50 ms at 1 connection | against | requests/s | by CPU | aim |",
             "|---|---|---|---|---|---|---|---|---|---|"]
    noisy = False
    for name, results in runs.items():
        rps = [r["rps"] for r in results]
        noisy = noisy or max(rps) > 1.25 * min(rps)
        against, aim = aims.get(name, (None, None))
        # By CPU: as many requests as a core could answer if nothing else were the limit. Steadier on a machine that others use.
        by_rps = f"{median(results, 'rps') / median(runs[against], 'rps') * 100:.0f} %" if against else ""
        by_cpu = f"{median(runs[against], 'cpu_us') / median(results, 'cpu_us') * 100:.0f} %" if against else ""
        lines.append(f"| {name} | {median(results, 'rps'):.0f} | {median(results, 'cpu_us'):.1f} | {median(results, 'p50_ms'):.3f} | "
                     f"{median(results, 'p99_ms'):.3f} | {median(single[name], 'p50_ms'):.3f} | {against or ''} | {by_rps} | {by_cpu} | "
                     f"{f'{aim * 100:.0f} %' if aim else ''} |")
        bad = sum(r["bad"] for r in results)
        if bad or any(r["errors"] for r in results):
            lines.append(f"| {name}: {bad} bad answers, {[r['errors'] for r in results]} | | | | | | | | | |")
    lines += ["", "| stream | events/s | CPU µs/event |", "|---|---|---|"]
    for name, result in found["streams"].items():
        lines.append(f"| {name} | {result['events_per_second']:.0f} | {'' if name == 'direct' else format(result['cpu_us_per_event'], '.2f')} |")
    lines += ["", f"started to ready in {found['started_ms']:.0f} ms; {found['idle_mb']:.1f} MB idle, {found['loaded_mb']:.1f} MB after the run; "
              f"binary {(BIN / 'outrigger').stat().st_size / 1e6:.1f} MB"]
    if noisy:
        lines.append("The machine was noisy: the rounds of one target differ by more than a quarter.")
    print("\n" + "\n".join(lines))
    (RESULTS / "bench.json").write_text(json.dumps(found, indent=2))
    (RESULTS / "bench.md").write_text("\n".join(lines) + "\n")
    plot(runs)


def plot(runs):
    data = RESULTS / "bench.dat"
    data.write_text("".join(f'"{name}" {median(r, "rps")} {median(r, "cpu_us")}\n' for name, r in runs.items()))
    commands = f"""set terminal pngcairo size 1000,520; set output '{RESULTS / 'bench.png'}'
set style data histogram; set style fill solid 0.8; set boxwidth 0.8; set grid ytics; set yrange [0:*]; set xtics rotate by -20
set multiplot layout 1,2; set title 'requests per second'; plot '{data}' using 2:xtic(1) notitle lc rgb '#3b7ea1'
set title 'CPU microseconds per request'; plot '{data}' using 3:xtic(1) notitle lc rgb '#c4820e'"""
    done = subprocess.run(["gnuplot"], input=commands, text=True, capture_output=True)
    print(f"\nplot: {RESULTS / 'bench.png'}" if done.returncode == 0 else f"\nno plot: {done.stderr}")


if __name__ == "__main__":
    main()
