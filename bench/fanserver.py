"""A process with the hub and nothing before it: four partitions fed at a fixed rate, each message with the instant it was due.

`python -m bench.fanserver PORT RATE`. The in-process Kafka of the other measurements answers an empty fetch only after half a second,
so latencies through it say nothing about the gateway.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time

import uvloop
from aiohttp import web

from penstock_gateway.delivery import DeliveryPlan, Guarantee, Mode
from penstock_gateway.http import sse
from penstock_gateway.hub.hub import Hub
from penstock_gateway.message import Message, Origin
from penstock_gateway.registry import Begin, OutletOptions

_PARTITIONS = 4
_FIRST = 10_000_000
"""Offsets begin here, so that cursors have the length of a long-lived topic's."""


class _Anybody:
    consumer = ""
    expires: float | None = None


def _message(source: str, offset: int, due_ns: int) -> Message:
    document = {"id": str(offset), "ts": due_ns, "user": "ada", "amount": 129.95, "note": "x" * 130}
    return Message(json.dumps(document, separators=(",", ":")).encode(), origin=Origin(source, offset))


async def main(port: int, rate: float) -> None:
    """Serve `/events` and feed until killed."""
    options = OutletOptions(stream_path="/events", stream_format="event_source")
    plan = DeliveryPlan(Mode.BROADCAST, Guarantee.RESUME, history=60.0, size=16 << 20)
    outlet = Hub().outlet("bench/orders", "live", options, plan, [b"signing key"])
    app = web.Application()

    async def events(request: web.Request) -> web.StreamResponse:
        return await sse.serve(request, outlet, _Anybody(), cursor_text=request.headers.get("Last-Event-ID"))

    app.router.add_get("/events", events)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
    at = {f"orders/{number}": _FIRST for number in range(_PARTITIONS)}
    outlet.begin(Begin(dict(at), dict(at), {"orders": "epoch"}))
    gc.collect()
    gc.freeze()
    began, sent = time.monotonic_ns(), 0
    while True:
        due = int((time.monotonic_ns() - began) * rate / 1e9)
        waves: dict[str, list[Message]] = {}
        for number in range(sent, due):
            source = f"orders/{hash(str(number % 64)) % _PARTITIONS}"
            waves.setdefault(source, []).append(_message(source, at[source], began + int((number + 1) / rate * 1e9)))
            at[source] += 1
        sent = max(sent, due)
        for source, batch in waves.items():
            await outlet.write(batch)
            outlet.advance({source: at[source]})
        await asyncio.sleep(0.001)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), float(sys.argv[2])))
