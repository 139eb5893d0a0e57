"""Everything that goes to one partition waits in its lane: one batch is on its way while the next one fills.

No timer, no future per message: a write puts its messages into lanes at once and waits for one ticket. A batch that the broker refuses
for one of its records is split until that record is alone, and it alone is refused. Any other failure refuses everything that waits in
the lane, so that a replay cannot overtake it. Passing troubles are retried in place, with pauses that grow.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    CorruptRecordException,
    InvalidTimestampError,
    KafkaError,
    MessageSizeTooLargeError,
    ProducerClosed,
    RecordListTooLargeError,
    UnknownError,
)
from aiokafka.producer.message_accumulator import BatchBuilder

from penstock_gateway.components.kafka.producers import Producers, connection_lost
from penstock_gateway.components.kafka.records import Headers
from penstock_gateway.errors import NotConnected, Stopping, WriteError

TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
ONE_RECORD = (*TOO_LARGE, InvalidTimestampError, CorruptRecordException, UnknownError)
"""Refusals that may be meant for a single record. UnknownError: aiokafka does not know InvalidRecord (87), a keyless record of a
compacted topic for one."""
T = TypeVar("T")
GROW_AFTER = 50
"""Batches that must go well before a lane that had to split tries larger ones."""


class Ticket:
    """One write: how many of its messages are still on their way, which were refused and why."""

    __slots__ = ("done", "failed", "remaining")

    def __init__(self, count: int, done: asyncio.Future[None]) -> None:
        self.remaining, self.done = count, done
        self.failed: dict[int, Exception] = {}

    def settle(self, index: int, error: Exception | None) -> None:
        """One message is through, or refused."""
        if error is not None:
            self.failed[index] = error
        self.remaining -= 1
        if not self.remaining:
            self.finish()

    def finish(self) -> None:
        """All are through or refused: wake the write, unless it was cancelled."""
        if not self.done.done():
            self.done.set_result(None)


Record = tuple[bytes | None, bytes | None, Headers, Ticket, int]
"""Key, value and headers of a message on its way; the ticket of its write, and its place in that write's batch."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long lanes try. Times in seconds; None = for ever, 0 retries = no limit by count."""

    deadline: float | None
    max_retries: int
    initial: float
    longest: float
    elapsed: float | None


class Lane:
    """One partition of one topic."""

    __slots__ = ("_most", "_patience", "_producers", "_task", "_well", "asleep", "partition", "queue", "topic")

    def __init__(self, producers: Producers, patience: Patience, topic: str, partition: int) -> None:
        self._producers, self._patience = producers, patience
        self.topic, self.partition = topic, partition
        self.queue: deque[Record] = deque()
        self._most = 1 << 30
        self._well = 0
        self._task: asyncio.Task[None] | None = None
        self.asleep = True

    def add(self, record: Record) -> None:
        """Queue a record; it leaves with the next batch."""
        self.queue.append(record)
        if self.asleep:
            self.wake()

    def wake(self) -> None:
        """Something was queued while nothing was under way."""
        self.asleep = False
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        """Until the queue is empty."""
        try:
            while self.queue:
                await self._next()
        finally:
            self.asleep, self._task = True, None

    async def _next(self) -> None:
        loop = asyncio.get_running_loop()
        began, attempt, pause = loop.time(), 0, self._patience.initial
        while True:
            records, error = await self._attempt()
            if error is None:
                self._went_well(records)
                return
            if not connection_lost(error) or isinstance(error, NotConnected):
                self._refused(records, error)
                return
            attempt += 1
            if self._spent(attempt, loop.time() + pause - began):
                self._fail(records, error)
                return
            self.queue.extendleft(reversed(records))
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, self._patience.longest)

    def _spent(self, attempt: int, elapsed: float) -> bool:
        patience = self._patience
        return (0 < patience.max_retries < attempt) or (patience.elapsed is not None and elapsed > patience.elapsed)

    # --- one batch --------------------------------------------------------------------------------------------------------

    async def _attempt(self) -> tuple[list[Record], Exception | None]:
        """Send the longest prefix of the queue that fits a batch. NotConnected: nobody knows what became of it."""
        try:
            producer = await _within(self._patience.deadline, self._producers.current())
        except TimeoutError:
            return self._all(), NotConnected(self._producers.fault or "there is no connection to the brokers")
        except Stopping as error:
            return self._all(), error
        builder, records = self._fill(producer)
        try:
            await _within(self._patience.deadline, self._send(producer, builder))
        except ProducerClosed:  # replaced meanwhile: through the next one
            self.queue.extendleft(reversed(records))
            return await self._attempt()
        except TimeoutError:
            self._producers.replace(producer, f"{self.topic}/{self.partition} gave no answer")
            return records, NotConnected(
                f"no answer for {self.topic}/{self.partition} in time; it may have been written"
            )
        except (KafkaError, OSError) as error:
            if not connection_lost(error) and self._producers.spoilt(producer):
                self._producers.replace(producer, f"{self.topic}/{self.partition} was refused: {_name(error)}")
            return records, error
        return records, None

    async def _send(self, producer: AIOKafkaProducer, builder: BatchBuilder) -> None:
        answer = await producer.send_batch(builder, self.topic, partition=self.partition)
        answer.add_done_callback(_look_at)
        await answer

    def _fill(self, producer: AIOKafkaProducer) -> tuple[BatchBuilder, list[Record]]:
        builder = producer.create_batch()
        append = builder._builder.append  # the wrapper around it only serializes what is bytes already
        now, count, queue = int(time.time() * 1000), 0, self.queue
        for key, value, headers, _ticket, _place in islice(queue, self._most):
            if append(count, now, key, value, headers) is None:
                break
            count += 1
        if count == len(queue):
            records = list(queue)
            queue.clear()
        else:
            records = [queue.popleft() for _ in range(count)]
        builder._relative_offset = count
        builder.close()  # an open batch would wait for more
        return builder, records

    # --- what became of it ------------------------------------------------------------------------------------------------

    def _went_well(self, records: list[Record]) -> None:
        for record in records:
            ticket = record[3]
            ticket.remaining -= 1
            if not ticket.remaining:
                ticket.finish()
        if self._most < 1 << 30:
            self._well += 1
            if self._well >= GROW_AFTER:
                self._most, self._well = self._most * 2, 0

    def _refused(self, records: list[Record], error: Exception) -> None:
        self._well = 0
        if not isinstance(error, ONE_RECORD):
            self._fail(records, error)
        elif len(records) > 1:
            self._most = max(1, len(records) // 2)
            self.queue.extendleft(reversed(records))
        else:
            *_, ticket, place = records[0]
            ticket.settle(place, _refusal(error, self.topic, self.partition))

    def _fail(self, records: list[Record], error: Exception) -> None:
        """Refuse these and all that wait behind them."""
        reason = error if isinstance(error, NotConnected | Stopping) else _refusal(error, self.topic, self.partition)
        for *_, ticket, place in [*records, *self._all()]:
            ticket.settle(place, reason)

    def _all(self) -> list[Record]:
        records = list(self.queue)
        self.queue.clear()
        return records

    async def close(self, deadline: float) -> None:
        """Wait until the lane is empty, at most until `deadline` (loop's clock); then refuse what is left."""
        task = self._task
        if task is not None:
            left = max(0.0, deadline - asyncio.get_running_loop().time())
            await asyncio.wait({task}, timeout=left)
            task.cancel()
        self._fail([], Stopping())


def _refusal(error: Exception, topic: str, partition: int) -> Exception:
    text = f"{topic}/{partition}: {_name(error)}"
    if connection_lost(error):
        return NotConnected(text)
    if isinstance(error, TOO_LARGE):
        text = f"{topic}/{partition}: the message is larger than the broker takes ({_name(error)})"
    return WriteError(text)


def _name(error: Exception) -> str:
    text = str(error)
    return text if type(error).__name__ in text else f"{type(error).__name__} {text}".strip()


def _look_at(answer: asyncio.Future[object]) -> None:
    """An answer that comes after the deadline is looked at, or asyncio complains."""
    if not answer.cancelled():
        answer.exception()


async def _within(seconds: float | None, wait: Awaitable[T]) -> T:
    async with asyncio.timeout(seconds):
        return await wait
