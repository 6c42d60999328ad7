"""An FAQ bot on a busy day: many users, few questions, some of them asked much more often than others (Zipf); with and without the
dify door. Prints a table.

    OUTRIGGER_BUILD=build/dev python tests/wire/faq_crowd.py [--svg FILE]     also draws how soon the first event came
"""
import argparse
import bisect
import pathlib
import random
import sys
import tempfile
import threading
import time

import requests

from conftest import Outrigger
from dify_sim import DifySim, DifyUser, events

QUESTIONS = 50


def questions(rng, count):
    """`count` questions of QUESTIONS, the n-th asked 1/n as often as the first."""
    weights = [1 / (n + 1) for n in range(QUESTIONS)]
    return rng.choices([f"Question number {n} about parcels?" for n in range(QUESTIONS)], weights, k=count)


def crowd(url, users, each, seed):
    """All users come within two seconds; each asks one question after the other, every second one streaming."""
    rng = random.Random(seed)
    asked = [questions(rng, each) for _ in range(users)]
    delays = [rng.uniform(0, 2) for _ in range(users)]
    first_events, results, lock = [], [], threading.Lock()

    def one(n):
        time.sleep(delays[n])
        user = DifyUser(url, "app-chat", f"u{n}", timeout=120)
        for i, question in enumerate(asked[n]):
            began = time.monotonic()
            result, first = "failed", 0
            try:
                answer = user.chat(question, stream=i % 2 == 0)
                if answer.status_code == 200:
                    said = ""
                    for event in events(answer) if i % 2 == 0 else [answer.json()]:
                        first = first or time.monotonic() - began
                        said += event.get("answer", "")
                    result = answer.headers.get("x-outrigger-cache", "miss").split(";")[0] if question in said else "wrong"
            except requests.RequestException:
                pass
            with lock:
                results.append(result)
                if result not in ("failed", "wrong"):
                    first_events.append(first)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(users)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"took": time.monotonic() - began, "asked": users * each, "results": results, "first": sorted(first_events)}


def percentile(values, share):
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def table(rows):
    lines = [f"{'':<22}{'asked':>6}{'answered':>9}{'runs':>6}{'hits %':>8}{'P50 s':>8}{'P95 s':>8}{'P99 s':>8}{'whole s':>9}"]
    for name, row in rows.items():
        answered = len(row["first"])
        shared = sum(result in ("hit", "coalesced") for result in row["results"])
        lines.append(f"{name:<22}{row['asked']:>6}{answered:>9}{row['runs']:>6}{100 * shared / row['asked']:>8.1f}"
                     + "".join(f"{percentile(row['first'], share):>8.3f}" for share in (0.5, 0.95, 0.99)) + f"{row['took']:>9.1f}")
    return "\n".join(lines)


def svg(rows):
    """How many of the answers had begun after how long."""
    width, height, left, bottom = 640, 300, 50, 40
    most = max(row["first"][-1] for row in rows.values())
    x = lambda t: left + (width - left - 20) * t / most
    y = lambda share: height - bottom - (height - bottom - 30) * share
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
             f'<rect width="{width}" height="{height}" fill="white"/>']
    for share in (0, 0.25, 0.5, 0.75, 1):
        parts.append(f'<path d="M{left} {y(share):.1f}H{width - 20}" stroke="#ddd"/>'
                     f'<text x="{left - 6}" y="{y(share) + 4:.1f}" text-anchor="end">{share:.0%}</text>')
    for tick in range(0, int(most) + 1, max(1, int(most) // 8)):
        parts.append(f'<text x="{x(tick):.1f}" y="{height - bottom + 16}" text-anchor="middle">{tick}</text>')
    parts.append(f'<text x="{(width + left) / 2:.0f}" y="{height - 8}" text-anchor="middle">seconds to the first event</text>')
    for (name, row), colour in zip(rows.items(), ("#c0392b", "#1f7a4d")):
        points = [f"{x(percentile(row['first'], n / 200)):.1f} {y(n / 200):.1f}" for n in range(201)]
        parts.append(f'<path d="M{" L".join(points)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        middle = bisect.bisect(row["first"], most * 0.6) / len(row["first"])
        parts.append(f'<text x="{x(most * 0.6):.1f}" y="{y(middle) - 6:.1f}" fill="{colour}">{name}</text>')
    return "\n".join(parts + ["</svg>"]) + "\n"


def measure(start, users, each, think, seed):
    """`start(kind, *arguments)` starts a process. The same crowd twice: at Dify itself, and at the door before it."""
    apps = '[[dify.app]]\nkey = "app-chat"\nmode = "chat"\n'
    rows = {}
    for name in ("Dify alone", "with the dify door"):
        sim = start(DifySim, f'connections = 10\nthink = "{think}"\n', apps)
        url = sim.url
        if name != "Dify alone":
            door = start(Outrigger, '[listen]\nllm = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\ndify = "127.0.0.1:0"\n[[upstream]]\n'
                                    f'name = "dify"\nurl = "{sim.url}"\ndialect = "dify"\n[[app]]\nname = "faq"\nkey = "app-chat"\n'
                                    'cache = { stateless = true, per_user = false }\n')
            url = "http://" + door.wait_for(r"dify door on (127\.0\.0\.1:\d+)").group(1)
        rows[name] = crowd(url, users, each, seed)
        rows[name]["runs"] = sim.runs()
    return rows


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--svg", type=pathlib.Path)
    arguments.add_argument("--seed", type=int, default=random.randrange(10**9))
    options = arguments.parse_args()
    running = []
    with tempfile.TemporaryDirectory() as directory:
        def start(kind, *rest):
            running.append(kind(pathlib.Path(directory), *rest))
            return running[-1]
        try:
            rows = measure(start, users=200, each=5, think="400ms", seed=options.seed)
        finally:
            for process in reversed(running):
                process.stop()
    print(f"seed {options.seed}; 200 users, 5 questions each of {QUESTIONS}, ten connections, 0.4 s to think\n{table(rows)}")
    if options.svg:
        options.svg.write_text(svg(rows))


if __name__ == "__main__":
    sys.exit(main())
