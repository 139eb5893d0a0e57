"""What inputs around others share: any input of a slot as one that is pulled, its processors and batching applied.

Requests (`http_server`) are handed over one by one and answered when they are settled; the children of a `broker` are read at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from penstock_gateway.errors import EndOfInput, NotConnected, Rejected, Stopping
from penstock_gateway.message import Batch
from penstock_gateway.registry import Component, Context, Delivery, Input, Kind, Processor, PushInput, Settle, Slot


def whole_input(slot: Slot, context: Context) -> Input:
    """The input of a slot as one input."""
    found = slot.resolved()
    built: Any = context.input(slot)
    if getattr(built, "children", None) is not None:
        slots = [inner for inner in found.config.__dict__.get("inputs", []) if isinstance(inner, Slot)]
        copies = getattr(found.config, "copies", 1)
        whole: Input = Merged([whole_input(inner, context) for _ in range(copies) for inner in slots])
    else:
        whole = built if hasattr(built, "read") else Requests(built)
    if not found.processors:
        return whole
    return Prepared(whole, context.child(found).processors([_held(step) for step in found.processors]))


def _held(component: Component) -> Slot:
    slot = Slot(Kind.PROCESSOR, None)
    slot.component = component
    return slot


class Prepared:
    """An input whose deliveries go through processors."""

    def __init__(self, inner: Input, chain: Processor) -> None:
        self.inner, self.chain = inner, chain

    @property
    def replays(self) -> bool:
        """As the input inside."""
        return self.inner.replays

    async def connect(self) -> None:
        """Connect the input inside."""
        await self.inner.connect()

    async def read(self) -> list[Delivery]:
        """What the input inside gives; of what the processors left nothing of, that is told at once."""
        deliveries = []
        for delivery in await self.inner.read():
            if delivery.messages:
                for n, message in enumerate(delivery.messages):
                    message.index = n
                parts = await self.chain.process(delivery.messages)
                delivery.messages = [message for part in parts for message in part]
                if not delivery.messages:
                    delivery.settle(None)
                    continue
            deliveries.append(delivery)
        return deliveries

    async def close(self) -> None:
        """Close the input inside and the processors."""
        await self.inner.close()
        await self.chain.close()


class Requests:
    """An input that requests come to, as one that is read; the outcome goes back to the request."""

    replays = False

    def __init__(self, inner: PushInput) -> None:
        self.inner = inner
        self._waiting: asyncio.Queue[Delivery] = asyncio.Queue(1)
        self._connected = False

    async def connect(self) -> None:
        """Serve, once."""
        if not self._connected:
            self._connected = True
            await self.inner.connect(self._emit)

    async def _emit(self, batch: Batch) -> None:
        outcome: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

        def settle(error: Exception | None) -> None:
            if not outcome.done():
                outcome.set_result(error)

        await self._waiting.put(Delivery(batch, settle))
        error = await outcome
        if error is not None:
            raise error if isinstance(error, Stopping) else Rejected(str(error)) from error

    async def read(self) -> list[Delivery]:
        """The next request."""
        return [await self._waiting.get()]

    async def close(self) -> None:
        """Serve no more; who still waits is told to go."""
        if self._connected:
            self._connected = False
            await self.inner.close()
        while not self._waiting.empty():
            self._waiting.get_nowait().settle(Stopping())


class Merged:
    """Several inputs read at once; ends when all have ended. One that is lost is connected again, the others go on."""

    def __init__(self, inner: Sequence[Input]) -> None:
        self.inner = inner
        self.replays = all(child.replays for child in inner)
        self._reads: dict[int, asyncio.Task[list[Delivery]]] = {}
        self._connected: set[int] = set()
        self._over: set[int] = set()

    async def connect(self) -> None:
        """Children connect with their first read."""

    async def _child(self, n: int) -> list[Delivery]:
        pause = 0.1
        while True:
            try:
                if n not in self._connected:
                    await self.inner[n].connect()
                    self._connected.add(n)
                return await self.inner[n].read()
            except NotConnected:
                self._connected.discard(n)
                await asyncio.sleep(pause)
                pause = min(1.0, pause * 1.5)

    async def read(self) -> list[Delivery]:
        """What the first of them gives."""
        while True:
            for n in range(len(self.inner)):
                if n not in self._over and n not in self._reads:
                    self._reads[n] = asyncio.create_task(self._child(n))
            if not self._reads:
                raise EndOfInput
            done, _ = await asyncio.wait(self._reads.values(), return_when=asyncio.FIRST_COMPLETED)
            deliveries: list[Delivery] = []
            for n, task in list(self._reads.items()):
                if task in done:
                    del self._reads[n]
                    deliveries += self._result(n, task)
            if deliveries:
                return deliveries

    def _result(self, n: int, task: asyncio.Task[list[Delivery]]) -> list[Delivery]:
        try:
            return task.result()
        except EndOfInput:
            self._over.add(n)
            return []

    async def close(self) -> None:
        """Close them all."""
        for task in self._reads.values():
            task.cancel()
        if self._reads:
            await asyncio.wait(self._reads.values())
        self._reads.clear()
        for child in self.inner:
            await child.close()


class Pending:
    """A read of an input that outlives whoever waited for it, so that a time limit or a cancellation loses nothing."""

    def __init__(self, read: Callable[[], Awaitable[list[Delivery]]]) -> None:
        self._read = read
        self._task: asyncio.Future[list[Delivery]] | None = None

    async def next(self, seconds: float | None = None) -> list[Delivery] | None:
        """The result of the read; None when the time is over first."""
        if self._task is None:
            self._task = asyncio.ensure_future(self._read())
        done, _ = await asyncio.wait({self._task}, timeout=seconds)
        if not done:
            return None
        task, self._task = self._task, None
        return task.result()

    async def drop(self) -> None:
        """Give the read up."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled():
                task.exception()


def all_settled(delivery: Delivery, then: Callable[[Exception | None], None]) -> Settle:
    """The settle of a delivery, with something to do after it."""
    inner = delivery.settle

    def settle(error: Exception | None) -> None:
        inner(error)
        then(error)

    return settle
