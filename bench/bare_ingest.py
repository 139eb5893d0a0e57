"""What a Python programmer would write: aiohttp and `send_and_wait`, without key, limit or batches. Arguments: brokers, port."""

from __future__ import annotations

import asyncio
import sys

import aiokafka
import uvloop
from aiohttp import web


async def serve(brokers: str, port: int) -> None:
    """Until it is ended."""
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=brokers, acks="all")
    await producer.start()

    async def publish(request: web.Request) -> web.Response:
        await producer.send_and_wait("bare", await request.read())
        return web.Response()

    async def healthy(request: web.Request) -> web.Response:
        return web.Response(text="ok")

    app = web.Application()
    app.add_routes([web.post("/publish", publish), web.get("/healthz", healthy)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        loop.run(serve(sys.argv[1], int(sys.argv[2])))
