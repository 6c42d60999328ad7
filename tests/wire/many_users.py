"""Asks for streams at a steady rate over keep-alive connections, whatever comes back: python many_users.py PORT SECONDS RATE.

Says "ready", begins when a line comes, and prints one JSON list: for each request [began, first token after, status, served by,
attempts, whole]. A process of its own, so that what else a test does cannot slow it down; raw asyncio, because it shares two cores
with what it measures.
"""
import asyncio
import json
import random
import sys
import time

HEAD = ("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-test\r\nContent-Type: application/json\r\n"
        "Content-Length: {}\r\n\r\n")


class Users:
    def __init__(self, port):
        self.port = port
        self.idle = []
        self.results = []

    async def ask(self, number, began):
        """One request; the connection is kept if its answer came whole."""
        body = json.dumps({"model": "gpt-4o-mini", "stream": True, "user": f"user-{number % 40}",
                           "messages": [{"role": "user", "content": f"Question {number} of {began}"}]})
        begun = time.monotonic()
        status, first, fields, text = 0, None, {}, b""
        try:
            reader, writer = self.idle.pop() if self.idle else await asyncio.open_connection("127.0.0.1", self.port)
            writer.write((HEAD.format(len(body)) + body).encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            status = int(head[0].split()[1])
            fields = {k.lower(): v for k, v in (line.split(": ", 1) for line in head[1:] if line)}
            if "content-length" in fields:
                text = await reader.readexactly(int(fields["content-length"]))
            else:
                while size := int(await reader.readline(), 16):
                    text += await reader.readexactly(size)
                    await reader.readline()
                    if first is None and b'"content":' in text:
                        first = time.monotonic() - begun
                await reader.readline()
            self.idle.append((reader, writer))
        except (OSError, asyncio.IncompleteReadError, ValueError):
            pass
        whole = status == 200 and text.endswith(b"data: [DONE]\n\n") and b'"error"' not in text
        self.results.append([begun - began, first, status, fields.get("x-outrigger-served-by"),
                             int(fields.get("x-outrigger-attempts", 0)), whole])

    async def run(self, seconds, rate):
        began = time.monotonic()
        at, number, asked = 0.0, 0, []
        while at < seconds:
            await asyncio.sleep(max(0.0, began + at - time.monotonic()))
            asked.append(asyncio.create_task(self.ask(number, began)))
            number += 1
            at += random.expovariate(rate)  # people do not come in step
        await asyncio.gather(*asked)


def main():
    port, seconds, rate = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    users = Users(port)
    print("ready", file=sys.stderr, flush=True)
    sys.stdin.readline()
    asyncio.run(users.run(seconds, rate))
    json.dump(users.results, sys.stdout)


if __name__ == "__main__":
    main()
