"""Ingest: POST with key and rate, answered after Kafka's acknowledgement, against a bare aiohttp + aiokafka application without either."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.processes import STREAMS, start_bare_ingest, start_gateway
from bench.rows import cpu_seconds, interleaved, row
from penstock_operator.embedded import EmbeddedKafka

CONNECTIONS, REQUESTS = 64, 12_000
BODY = b'{"id":"0f8fad5b-d9cb-469f","amount":129.95,"currency":"EUR","note":"' + b"x" * 130 + b'"}'


class _Lane(asyncio.Protocol):
    """One keep-alive connection: the next request leaves when the answer to the last has come."""

    def __init__(self, request: bytes, tally: _Tally) -> None:
        self.request, self.tally, self.data = request, tally, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._next()

    def _next(self) -> None:
        if self.tally.sent < self.tally.total:
            self.tally.sent += 1
            self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.data += data
        head, found, rest = self.data.partition(b"\r\n\r\n")
        if not found:
            return
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        if len(rest) < length:
            return
        self.data = rest[length:]
        self.tally.answered(head.startswith(b"HTTP/1.1 20"))
        self._next()


class _Tally:
    def __init__(self, total: int) -> None:
        self.total, self.sent, self.good, self.bad = total, 0, 0, 0
        self.done = asyncio.Event()

    def answered(self, good: bool) -> None:
        self.good += good
        self.bad += not good
        if self.good + self.bad == self.total:
            self.done.set()


async def load(port: int, path: str, key: str, total: int) -> _Tally:
    """Post `total` messages over all connections; returns when every answer has come."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: {key}\r\n"
    request = f"{head}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY
    tally = _Tally(total)
    loop = asyncio.get_running_loop()
    lanes = [await loop.create_connection(lambda: _Lane(request, tally), "127.0.0.1", port) for _ in range(CONNECTIONS)]
    async with asyncio.timeout(120):
        await tally.done.wait()
    for transport, _ in lanes:
        transport.close()
    return tally


def _cpu_per_request(pid: int, port: int, path: str, key: str) -> float:
    asyncio.run(load(port, path, key, 500))
    before, began = cpu_seconds(pid), time.monotonic()
    tally = asyncio.run(load(port, path, key, REQUESTS))
    if tally.bad:
        raise AssertionError(f"{tally.bad} of {REQUESTS} requests were refused after {time.monotonic() - began:.1f} s")
    return (cpu_seconds(pid) - before) / REQUESTS * 1e6


def measure(rounds: int) -> list[dict[str, Any]]:
    """CPU µs of the gateway process per acknowledged POST."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedKafka() as kafka:
        kafka.ensure_topics("orders", "bare")
        with (
            start_gateway(Path(folder), kafka.address, STREAMS[:1]) as (pid, port, key),
            start_bare_ingest(kafka.address) as bare,
        ):
            found = interleaved(
                rounds,
                gateway=lambda: _cpu_per_request(pid, port, "/orders/publish", key),
                bare=lambda: _cpu_per_request(bare[0], bare[1], "/publish", ""),
            )
    gateway, other = found["gateway"], found["bare"]
    return [
        row("ingest, bare aiohttp + send_and_wait", other, "µs/request"),
        row("ingest, key + limit + Kafka ack", gateway, "µs/request", "bare aiohttp + send_and_wait", gateway / other),
    ]
