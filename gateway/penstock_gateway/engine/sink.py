"""The runtime of one output: connects with backoff, bounds the writes under way, connects again when the peer is lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from penstock_gateway.engine.backoff import Backoff
from penstock_gateway.engine.chain import Chain
from penstock_gateway.errors import BatchError, NotConnected, Stopping, WriteError
from penstock_gateway.message import Batch, positions_of
from penstock_gateway.metrics import OutputCounters
from penstock_gateway.registry import Flushes, Output


@dataclass(slots=True)
class Peer:
    """What a runtime needs to know about its surroundings."""

    name: str
    log: logging.Logger
    clock: Callable[[], float]
    random: Callable[[], float]


@dataclass(slots=True, eq=False)
class Sink:
    """One output. `admit` waits for an in-flight slot and `write_admitted` uses it: order is decided at `admit`."""

    output: Output
    chain: Chain
    counters: OutputCounters
    peer: Peer
    fault: str = ""
    _slots: asyncio.Semaphore = field(init=False)
    _connected: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False
    _connecting: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(max(1, self.output.max_in_flight))

    @property
    def max_in_flight(self) -> int:
        """How many writes may be under way."""
        return self.output.max_in_flight

    @property
    def connected(self) -> bool:
        """Whether the peer was there at the last look."""
        return self._connected.is_set()

    async def connect(self) -> None:
        """Begin to connect; returns at once, writes wait for the connection."""
        self._reconnect()

    def _reconnect(self) -> None:
        self._connected.clear()
        self.counters.connected = 0
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._connect_forever(), name=f"connect {self.peer.name}")

    async def _connect_forever(self) -> None:
        backoff = Backoff(0.5, 1.0)
        while not self._stopping:
            try:
                await self.output.connect()
            except NotConnected as error:
                self.counters.failed += 1
                if str(error) != self.fault:
                    self.peer.log.warning("Failed to connect to %s: %s", self.peer.name, error)
                self.fault = str(error)
                await asyncio.sleep(backoff.pause(self.peer.random()))
            else:
                self.fault = ""
                self.counters.up += 1
                self.counters.connected = 1
                self._connected.set()
                return

    async def admit(self) -> None:
        """Wait until one more write may be under way."""
        await self._slots.acquire()

    async def write(self, batch: Batch) -> None:
        """Admit and write; raises WriteError, BatchError or Stopping."""
        await self._slots.acquire()
        await self.write_admitted(batch)

    async def write_admitted(self, batch: Batch) -> None:
        """Write with a slot that `admit` gave, and free it."""
        began = self.peer.clock()
        try:
            await self._write(batch)
        except WriteError:
            self.counters.errors += len(batch)
            raise
        finally:
            self._slots.release()
        self.counters.sent += len(batch)
        self.counters.batches_sent += 1
        self.counters.latency.observe(self.peer.clock() - began)

    async def _write(self, batch: Batch) -> None:
        if not self.chain.steps:
            await self._write_connected(batch)
            return
        for part in await self.chain.process(batch):
            try:
                await self._write_connected(part)
            except BatchError as error:
                failed = positions_of((part[n] for n in error.failed), batch)
                reason = next(iter(error.failed.values()), error)
                raise BatchError(dict.fromkeys(failed, reason)) from error

    async def _write_connected(self, batch: Batch) -> None:
        while True:
            if not self._connected.is_set():
                if self._stopping:
                    raise Stopping
                await self._connected.wait()
            if self._stopping:
                raise Stopping
            try:
                await self.output.write(batch)
                return
            except NotConnected as error:
                self.counters.lost += 1
                self.peer.log.warning("Lost %s: %s", self.peer.name, error)
                self._reconnect()

    def flush(self) -> None:
        """No more is coming: incomplete batches go on now."""
        if isinstance(self.output, Flushes):
            self.output.flush()

    async def close(self) -> None:
        """Flush, leave, and let whoever still waits give up."""
        self._stopping = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        self._connected.set()
        await self.output.close()
        await self.chain.close()
