"""Gathers messages by a batch policy: before an output, and behind an input. All members are settled with the batch they went in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from penstock_gateway.batching import BatchPolicy
from penstock_gateway.engine.chain import Chain
from penstock_gateway.errors import BatchError, PenstockError
from penstock_gateway.message import Batch, positions_of
from penstock_gateway.registry import Delivery, Input, Output

UNBOUNDED = 1 << 20
"""A batcher admits every writer: what bounds them is the output behind it."""


@dataclass(slots=True)
class Trigger:
    """Decides when a policy is met; `check` looks at the newest message."""

    policy: BatchPolicy
    check: Callable[[Batch, int], bool] | None = None
    count: int = 0
    size: int = 0

    def add(self, batch: Batch) -> bool:
        """Count a batch in; True when what was gathered must go on."""
        policy = self.policy
        self.count += len(batch)
        if policy.byte_size:
            self.size += sum(len(message.raw) for message in batch)
        met = bool(policy.count and self.count >= policy.count) or bool(
            policy.byte_size and self.size >= policy.byte_size
        )
        if self.check is not None and not met:
            met = any(self.check(batch, n) for n in range(len(batch)))
        return met

    def reset(self) -> None:
        """After a flush."""
        self.count = self.size = 0

    def period(self, random: float) -> float | None:
        """Seconds until an incomplete batch goes on; None = never."""
        if not self.policy.period:
            return None
        return self.policy.period * (1 + self.policy.jitter * random)


@dataclass(slots=True)
class _Entry:
    batch: Batch
    done: asyncio.Future[None]


@dataclass(slots=True, eq=False)
class BatchingOutput:
    """An Output that gathers what is written to it and writes batches to the output behind it."""

    output: Output
    trigger: Trigger
    chain: Chain
    random: Callable[[], float]
    max_in_flight: int = UNBOUNDED
    _entries: list[_Entry] = field(default_factory=list)
    _timer: asyncio.TimerHandle | None = None
    _flushes: set[asyncio.Task[None]] = field(default_factory=set)
    _slots: asyncio.Semaphore = field(init=False)
    _draining: bool = False

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(max(1, self.output.max_in_flight))

    async def connect(self) -> None:
        """Connect the output behind."""
        await self.output.connect()

    async def write(self, batch: Batch) -> None:
        """Returns when the batch that these messages went in was written."""
        entry = _Entry(batch, asyncio.get_running_loop().create_future())
        self._entries.append(entry)
        if self.trigger.add(batch) or self._draining:
            self._go()
        elif self._timer is None:
            period = self.trigger.period(self.random())
            if period is not None:
                self._timer = asyncio.get_running_loop().call_later(period, self._go)
        await entry.done

    def flush(self) -> None:
        """No more is coming: nothing is held back from now on."""
        self._draining = True
        self._go()

    def _go(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        entries, self._entries = self._entries, []
        self.trigger.reset()
        if entries:
            task = asyncio.create_task(self._write(entries))
            self._flushes.add(task)
            task.add_done_callback(self._flushes.discard)

    async def _write(self, entries: list[_Entry]) -> None:
        gathered: Batch = [message for entry in entries for message in entry.batch]
        error: PenstockError | None = None
        async with self._slots:
            try:
                results = await self.chain.process(gathered)
                merged: Batch = [message for result in results for message in result]
                if merged:
                    await self.output.write(merged)
            except BatchError as refused:
                error = _spread(refused, merged, gathered)
            except PenstockError as refused:
                error = refused
        _settle(entries, error)

    async def close(self) -> None:
        """Write what is held, then close the output behind."""
        self.flush()
        while self._flushes:
            await asyncio.wait(self._flushes)
        await self.output.close()
        await self.chain.close()


def _spread(error: BatchError, written: Batch, gathered: Batch) -> BatchError:
    if written == gathered:
        return error
    reason = next(iter(error.failed.values()), error)
    return BatchError(dict.fromkeys(positions_of((written[n] for n in error.failed), gathered), reason))


def _settle(entries: list[_Entry], error: PenstockError | None) -> None:
    start = 0
    for entry in entries:
        end = start + len(entry.batch)
        mine: PenstockError | None = error
        if isinstance(error, BatchError):
            failed = {n - start: reason for n, reason in error.failed.items() if start <= n < end}
            mine = BatchError(failed) if failed else None
        start = end
        if entry.done.done():
            continue
        if mine is None:
            entry.done.set_result(None)
        else:
            entry.done.set_exception(mine)


@dataclass(slots=True, eq=False)
class BatchingInput:
    """An Input that gathers what another one reads, per partition, and hands over batches that are settled as one."""

    input: Input
    make_trigger: Callable[[], Trigger]
    chain: Chain
    random: Callable[[], float]
    _groups: dict[str, _Group] = field(default_factory=dict)
    _reading: asyncio.Task[list[Delivery]] | None = None
    _ended: Exception | None = None

    @property
    def replays(self) -> bool:
        """As the input behind."""
        return self.input.replays

    async def connect(self) -> None:
        """Connect the input behind; what was gathered from an earlier connection is dropped, it comes again."""
        self._groups.clear()
        self._ended = None
        await self.input.connect()

    async def read(self) -> list[Delivery]:
        """The batches that are complete, because a trigger was met, the period is over, or the input ended."""
        loop = asyncio.get_running_loop()
        while True:
            if self._ended is not None:
                raise self._ended
            if self._reading is None:
                self._reading = asyncio.ensure_future(self.input.read())
            due = min((group.due for group in self._groups.values() if group.due is not None), default=None)
            timeout = None if due is None else max(0.0, due - loop.time())
            await asyncio.wait({self._reading}, timeout=timeout)
            ready = self._collect(loop.time())
            if ready:
                return [await self._merge(group) for group in ready]

    def _collect(self, now: float) -> list[_Group]:
        ready: list[_Group] = []
        if self._reading is not None and self._reading.done():
            reading, self._reading = self._reading, None
            error = reading.exception()
            if error is not None:
                self._ended = error if isinstance(error, Exception) else PenstockError(str(error))
                ready = list(self._groups.values())
                self._groups = {}
                return ready or self._raise()
            for delivery in reading.result():
                ready += self._add(delivery, now)
        for key, group in list(self._groups.items()):
            if group.due is not None and group.due <= now:
                ready.append(self._groups.pop(key))
        return ready

    def _raise(self) -> list[_Group]:
        assert self._ended is not None
        raise self._ended

    def _add(self, delivery: Delivery, now: float) -> list[_Group]:
        if not delivery.messages:
            return [_Group([delivery], None, None)]
        origin = delivery.messages[0].origin
        key = origin.source if origin else ""
        group = self._groups.get(key)
        if group is None:
            trigger = self.make_trigger()
            period = trigger.period(self.random())
            group = self._groups[key] = _Group([], trigger, None if period is None else now + period)
        group.deliveries.append(delivery)
        if group.trigger is not None and group.trigger.add(delivery.messages):
            return [self._groups.pop(key)]
        return []

    async def _merge(self, group: _Group) -> Delivery:
        deliveries = [delivery for delivery in group.deliveries if not delivery.withdrawn]
        if len(deliveries) == 1 and not self.chain.steps:
            return deliveries[0]
        messages: Batch = [message for delivery in deliveries for message in delivery.messages]
        if self.chain.steps:
            messages = [message for part in await self.chain.process(messages) for message in part]
        return _merged(messages, deliveries)

    async def close(self) -> None:
        """Stop reading; what was gathered and not handed over stays unsettled."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
            self._reading = None
        self._groups.clear()
        await self.input.close()
        await self.chain.close()


@dataclass(slots=True, eq=False)
class _Group:
    deliveries: list[Delivery]
    trigger: Trigger | None
    due: float | None


def _merged(messages: Batch, deliveries: list[Delivery]) -> Delivery:
    """Several deliveries as one: settled together, withdrawn when all are."""
    position: dict[str, int] = {}
    for delivery in deliveries:
        position.update(delivery.position or {})

    def settle(error: Exception | None) -> None:
        for delivery in deliveries:
            if not delivery.withdrawn:
                delivery.settle(error)

    for delivery in deliveries:
        delivery.begun = True
    return Delivery(messages, settle, position or None)
