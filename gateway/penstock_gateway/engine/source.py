"""The runtime of one input: connect with backoff, read waves, run each delivery as a transaction, replay what was refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from penstock_gateway.engine.backoff import Backoff, replay_pause
from penstock_gateway.engine.buffered import Entry
from penstock_gateway.engine.chain import Chain
from penstock_gateway.engine.pipeline import Refusal
from penstock_gateway.engine.sink import Peer
from penstock_gateway.errors import ConfigError, EndOfInput, NotConnected, PenstockError, Rejected, Stopping
from penstock_gateway.message import Batch
from penstock_gateway.metrics import InputCounters
from penstock_gateway.registry import Delivery, Gate, Input, PushInput

Complete = Callable[[Delivery], None]


@dataclass(slots=True, eq=False)
class Source:
    """One pulled input. With `complete` (Broadcast) batches are finished strictly in order and reported to it."""

    input: Input
    chain: Chain
    pipeline: Entry
    counters: InputCounters
    peer: Peer
    complete: Complete | None = None
    gate: Gate | None = None
    gated: bool = False
    """Whether this source reads only while its outlet has clients; the gate is known when the instance starts."""
    fault: str = "not connected yet"
    ended: bool = False
    _open: set[asyncio.Task[None]] = field(default_factory=set)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def connected(self) -> bool:
        """Whether the peer was there at the last look."""
        return not self.fault

    async def run(self) -> None:
        """Until the input ends, or `stop`. An unexpected error is logged, and the source begins again."""
        backoff = Backoff(0.1, 1.0)
        while not self._stopping.is_set():
            try:
                await self._session(backoff)
            except NotConnected as error:
                self._lost(error)
                await self._pause(backoff)
            except EndOfInput:
                self.pipeline.flush()
                break
            except Exception:  # the loop must survive whatever a component does
                self.peer.log.exception("input %s failed and is started again", self.peer.name)
                self._lost(NotConnected("it failed unexpectedly, see the log"))
                await self._pause(backoff)
        if self._open:
            await asyncio.wait(self._open)
        self.ended = True

    async def _session(self, backoff: Backoff) -> None:
        if self.gate is not None:
            await _first(self.gate.wait_open(), self._stopping.wait())
        if self._stopping.is_set():
            return
        try:
            await self.input.connect()
        except NotConnected:
            self.counters.failed += 1
            raise
        self.fault = ""
        self.counters.up += 1
        self.counters.connected = 1
        closing = asyncio.create_task(self._until_unwanted())
        try:
            await self._read(closing, backoff)
        finally:
            closing.cancel()
        if not self._stopping.is_set():  # nobody listens: leave until somebody does
            await self._settle_open()
            await self.input.close()

    async def _until_unwanted(self) -> None:
        if self.gate is None:
            await self._stopping.wait()
        else:
            await _first(self.gate.wait_closed(), self._stopping.wait())

    async def _read(self, closing: asyncio.Task[None], backoff: Backoff) -> None:
        while not closing.done():
            reading = asyncio.ensure_future(self.input.read())
            await asyncio.wait({reading, closing}, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                reading.cancel()
                await asyncio.wait({reading})
                if reading.cancelled() or reading.exception() is not None:
                    return
            backoff.reset()
            for delivery in reading.result():
                await self._take(delivery)

    async def _take(self, delivery: Delivery) -> None:
        self.counters.batches += 1
        self.counters.received += len(delivery.messages)
        if self.complete is not None:
            await self._finish_in_order(delivery)
            return
        await self.pipeline.enter()
        self.counters.in_flight += 1
        task = asyncio.create_task(self._transact(delivery))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _finish_in_order(self, delivery: Delivery) -> None:
        if delivery.messages:
            await self.pipeline.enter()
            self.counters.in_flight += 1
            await self._transact(delivery)
        if self.complete is not None:
            self.complete(delivery)

    async def _transact(self, delivery: Delivery) -> None:
        began = self.peer.clock()
        try:
            await self._until_taken(delivery)
        except Stopping:
            self.peer.log.info("%s: a batch was not settled before the stop and will come again", self.peer.name)
        finally:
            self.counters.in_flight -= 1
        self.counters.latency.observe(self.peer.clock() - began)

    async def _until_taken(self, delivery: Delivery) -> None:
        """Run the delivery, and again what was refused, until the outputs have everything."""
        batch = await prepare(self.chain, delivery.messages)
        attempt = 0
        while True:
            refusal = await self._attempt(delivery, batch)
            if refusal is None:
                self.counters.acknowledged += 1
                if not delivery.withdrawn:
                    delivery.settle(None)
                return
            self.counters.refused += 1
            if not self.input.replays:
                delivery.settle(refusal.error)
                return
            if attempt == 0:
                self.peer.log.warning(
                    "%s: %d messages refused, sent again: %s", self.peer.name, len(refusal.positions), refusal.error
                )
            pause = replay_pause(attempt, self.peer.random())
            if self._stopping.is_set() and attempt > 2:
                raise Stopping
            await asyncio.sleep(pause)
            if delivery.withdrawn:
                return
            batch = [batch[n] for n in refusal.positions]
            attempt += 1
            self.counters.replayed += 1
            await self.pipeline.enter()

    async def _attempt(self, delivery: Delivery, batch: Batch) -> Refusal | None:
        try:
            return await self.pipeline.run(delivery, batch)
        except PenstockError:
            raise
        except Exception as error:  # a worker must survive whatever a component does; the batch counts as refused
            self.peer.log.exception("a batch of input %s failed unexpectedly", self.peer.name)
            return Refusal(list(range(len(batch))), error)

    def _lost(self, error: NotConnected) -> None:
        if str(error) != self.fault:
            self.peer.log.warning("Failed to connect to %s: %s", self.peer.name, error)
        if self.counters.connected:
            self.counters.lost += 1
        self.counters.connected = 0
        self.fault = str(error) or "not connected"

    async def _pause(self, backoff: Backoff) -> None:
        await _first(asyncio.sleep(backoff.pause(self.peer.random())), self._stopping.wait())

    async def _settle_open(self) -> None:
        if self._open:
            await asyncio.wait(self._open)

    def stop(self) -> None:
        """Read no more; `run` returns when what is under way is settled."""
        self._stopping.set()

    async def close(self) -> None:
        """Commit and leave."""
        await self.input.close()
        await self.chain.close()


@dataclass(slots=True, eq=False)
class PushSource:
    """One input that requests come to: `emit` runs a batch in the task of the request."""

    input: PushInput
    chain: Chain
    pipeline: Entry
    counters: InputCounters
    peer: Peer
    fault: str = "not connected yet"
    ended: bool = False
    _under_way: int = 0
    _idle: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def connected(self) -> bool:
        """Whether its routes are served."""
        return not self.fault

    async def run(self) -> None:
        """Serve until `stop`, then wait for the requests that are under way."""
        try:
            await self.input.connect(self.emit)
        except ConfigError as error:  # its path is taken: the stream stays down and says so, the others serve
            self.fault = str(error)
            self.peer.log.error("%s: %s", self.peer.name, error)
            await self._stopping.wait()
            return
        self.fault = ""
        self.counters.up += 1
        self.counters.connected = 1
        await self._stopping.wait()
        if self._under_way:
            self._idle.clear()
            await self._idle.wait()
        self.ended = True

    async def emit(self, batch: Batch) -> None:
        """Run one request's batch; raises Rejected with the outputs' reason, or Stopping."""
        self._under_way += 1
        self.counters.batches += 1
        self.counters.received += len(batch)
        began = self.peer.clock()
        try:
            prepared = await prepare(self.chain, batch)
            await self.pipeline.enter()
            refusal = await self.pipeline.run(Delivery(prepared, _nothing), prepared)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()
        self.counters.latency.observe(self.peer.clock() - began)
        if refusal is not None:
            self.counters.refused += 1
            raise Rejected(str(refusal.error)) from refusal.error
        self.counters.acknowledged += 1

    def stop(self) -> None:
        """Take no more requests."""
        self._stopping.set()

    async def close(self) -> None:
        """Take the routes away."""
        await self.input.close()
        await self.chain.close()


async def prepare(chain: Chain, batch: Batch) -> Batch:
    """Number the messages, so that errors find back to them, and apply the input's own processors."""
    for n, message in enumerate(batch):
        message.index = n
    if not chain.steps:
        return batch
    merged: Batch = [message for part in await chain.process(batch) for message in part]
    return merged


async def _first(*waits: Awaitable[object]) -> None:
    """Return when the first is done; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def _nothing(error: Exception | None) -> None:
    """A request learns its outcome from `emit` itself."""
