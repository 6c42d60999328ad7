"""A thousand runs whose models think: streams on which nothing is said but a keep-alive now and then."""
import asyncio

from conftest import Outrigger

STREAMS = 1000
EVENT = b'data: {"event": "workflow_started", "task_id": "11111111-2222-3333-4444-555555555555", "data": {}}\n\n'
PING = b"event: ping\n\n"
END = b'data: {"event": "workflow_finished", "data": {"status": "succeeded"}}\n\n'
BODY = b'{"inputs": {"query": "%s"}, "user": "u%d", "response_mode": "streaming"}'
PADDING = b"what is the meaning of it all? " * 130  # 4 KB


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


async def play(start):
    """What the door holds besides for each of them, in bytes; and that each has all of its stream in the end."""
    streams = []

    async def backend(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: "))
        await reader.readexactly(int(length[16:]))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(EVENT))
        streams.append(writer)

    server = await asyncio.start_server(backend, "127.0.0.1", 0, backlog=STREAMS)
    port = server.sockets[0].getsockname()[1]
    proxy = start(Outrigger, f'[listen]\nllm = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\ndify = "127.0.0.1:0"\n'
                             f'[[upstream]]\nname = "main"\nurl = "http://127.0.0.1:{port}"\ndialect = "dify"\n'
                             f'[dify]\nconcurrency = {STREAMS}\n')
    address = "127.0.0.1", int(proxy.wait_for(r"dify door on 127\.0\.0\.1:(\d+)").group(1))

    async def ask(number):
        reader, writer = await asyncio.open_connection(*address)
        body = BODY % (PADDING, number)
        writer.write(b"POST /v1/workflows/run HTTP/1.1\r\nHost: d\r\nAuthorization: Bearer app-%d\r\n"
                     b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (number % 10, len(body)) + body)
        first = await reader.readuntil(EVENT + b"\r\n")
        return first, reader, writer

    async def end(client):
        first, reader, writer = client
        rest = await reader.readuntil(b"0\r\n\r\n")
        writer.close()
        return (first + rest).split(b"\r\n\r\n", 1)[1]

    warm = await asyncio.gather(*(ask(n) for n in range(20)))
    before = proxy.rss_bytes()
    clients = [client for at in range(0, STREAMS - 20, 100)
               for client in await asyncio.gather(*(ask(n) for n in range(at, min(at + 100, STREAMS - 20))))]
    for _ in range(3):
        for writer in streams:
            writer.write(chunk(PING))
        await asyncio.sleep(0.2)
    held = (proxy.rss_bytes() - before) / (STREAMS - 20)
    for writer in streams:
        writer.write(chunk(END) + b"0\r\n\r\n")
        writer.close()
    whole = await asyncio.gather(*(end(client) for client in warm + clients))
    server.close()
    return held, whole


def test_a_thousand_quiet_streams(start):
    held, whole = asyncio.run(asyncio.wait_for(play(start), 60))
    print(f"{held / 1024:.1f} KiB a stream")
    assert held <= 32 << 10
    assert len(whole) == STREAMS
    for stream in whole:
        assert stream == chunk(EVENT) + 3 * chunk(PING) + chunk(END) + b"0\r\n\r\n"
