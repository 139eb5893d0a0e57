"""Takes records from an aiokafka consumer and hands them over as deliveries, one per partition and wave, within the limits.

A fetch outlives a cancelled `read`: what it brings is handed over by the next one. aiokafka's own pause would throw away what was
prefetched, so a partition at its limit is simply not asked for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from penstock_gateway.components.kafka.client import keep_as_parsed
from penstock_gateway.components.kafka.ledger import Entry, Ledger
from penstock_gateway.components.kafka.records import messages_of
from penstock_gateway.errors import NotConnected
from penstock_gateway.registry import Delivery

POLL = 0.5
"""Seconds one fetch waits for records."""
MOST_AT_ONCE = 1000
"""Records one fetch decodes: more would hold the loop for longer than two milliseconds."""
SILENCE = 20.0
"""Seconds without any answer to fetches after which the brokers count as lost."""

Fetched = Mapping[TopicPartition, Sequence[Any]]


@dataclass(slots=True, eq=False)
class Reader:
    """The books of all assigned partitions and the one fetch that is under way for them."""

    consumer: AIOKafkaConsumer
    limit: int
    buffer: int
    """Messages per assigned partition that a fetch takes."""
    share: int
    multi_header: bool
    with_positions: bool
    drop_refused: bool
    stall: float
    press: Callable[[], None] | None = None
    """Asks for a commit now. None: nothing is committed, and a settled message is done."""
    ledgers: dict[TopicPartition, Ledger] = field(default_factory=dict)
    epoch: int = 0
    _fetch: asyncio.Task[tuple[int, Fetched]] | None = None
    _wake: asyncio.Future[None] | None = None
    _silent: int = 0
    _began: float = 0.0
    _settled: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self, partitions: Iterable[TopicPartition]) -> None:
        """A new assignment: fresh books; whatever a fetch of the old one still brings is dropped."""
        self.epoch += 1
        for ledger in self.ledgers.values():
            ledger.revoke()
        self.ledgers = {tp: self._ledger(tp) for tp in partitions}
        self._silent = 0
        self.rouse()

    def _ledger(self, tp: TopicPartition) -> Ledger:
        ledger = Ledger(f"{tp.topic}/{tp.partition}", self.limit, stored=self.press is not None)
        ledger.share = min(ledger.share, self.share)
        return ledger

    @property
    def busy(self) -> bool:
        """Whether a fetch brought something that is not in the books yet."""
        return self._fetch is not None and self._fetch.done()

    async def fetched(self, idle: Callable[[], bool]) -> list[Delivery]:
        """The next wave; an empty list when `idle` says that something else is to be done. Errors of the fetch are raised."""
        while True:
            wave = self._hand_over()
            if wave or idle():
                return wave
            await self._wait()
            self._collect()

    def _hand_over(self) -> list[Delivery]:
        wave: list[Delivery] = []
        for tp, ledger in self.ledgers.items():
            taken = ledger.take()
            while taken is not None:
                wave.append(self._delivery(tp, ledger, *taken))
                taken = ledger.take()
            if self.press is not None and ledger.pressing:
                self.press()
        return wave

    def _delivery(self, tp: TopicPartition, ledger: Ledger, records: Sequence[Any], entry: Entry) -> Delivery:
        messages = messages_of(records, tp.topic, tp.partition, ledger.end, multi_header=self.multi_header)

        def settle(error: Exception | None) -> None:
            ledger.settle(entry, None if self.drop_refused else error)
            self._settled.set()
            if self.press is not None and ledger.pressing:
                self.press()
            self.rouse()

        delivery = Delivery(messages, settle)
        if self.with_positions:
            delivery.position = {ledger.source: entry.following}
        entry.delivery = delivery
        return delivery

    async def _wait(self) -> None:
        """Until the fetch is done, something was settled, or the books changed."""
        loop = asyncio.get_running_loop()
        self._wake = loop.create_future()
        if self._fetch is None:
            hungry = [tp for tp, ledger in self.ledgers.items() if ledger.hungry]
            if hungry or not self.ledgers:  # without an assignment the consumer waits for one
                self._began = loop.time()
                self._fetch = asyncio.create_task(self._get(hungry))
                self._fetch.add_done_callback(lambda _: self.rouse())
        elif self._fetch.done():
            return
        timer = loop.call_later(POLL, self.rouse)
        try:
            await self._wake
        finally:
            timer.cancel()
            self._wake = None

    async def _get(self, partitions: list[TopicPartition]) -> tuple[int, Fetched]:
        most = min(MOST_AT_ONCE, self.buffer * max(1, len(self.ledgers)))
        keep_as_parsed(self.consumer)
        records = await self.consumer.getmany(*partitions, timeout_ms=int(POLL * 1000), max_records=most)
        return self.epoch, records

    def rouse(self) -> None:
        """Whoever waits in `read` looks again."""
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _collect(self) -> None:
        fetch = self._fetch
        if fetch is None:
            return
        if not fetch.done():
            if asyncio.get_running_loop().time() - self._began > self.stall:
                raise NotConnected(f"the group gave no assignment within {self.stall:g} s")
            return
        self._fetch = None
        epoch, records = fetch.result()
        for tp, found in records.items():
            ledger = self.ledgers.get(tp)
            if ledger is not None and epoch == self.epoch:
                ledger.fetched(found, self.consumer.highwater(tp) or 0)
        self._listen(bool(records))

    def _listen(self, came: bool) -> None:
        """When nothing came: was that the brokers' answer, or silence? aiokafka retries for ever and says nothing."""
        assigned = self.consumer.assignment()
        asked = [tp for tp, ledger in self.ledgers.items() if ledger.hungry and tp in assigned]
        heard = max((self.consumer.last_poll_timestamp(tp) or 0 for tp in asked), default=None)
        if came or heard is None or time.time() * 1000 - heard < SILENCE * 1000:
            self._silent = 0
            return
        self._silent += 1
        if self._silent * POLL > SILENCE:
            raise NotConnected(f"the brokers have not answered for {SILENCE:g} s")

    async def halt(self) -> None:
        """Stop the fetch that is under way; what it brought is kept. Positions move only when a fetch returns: nothing is lost."""
        fetch = self._fetch
        if fetch is None:
            return
        fetch.cancel()
        await asyncio.wait({fetch})
        if fetch.cancelled():
            self._fetch = None
        else:
            self._collect()

    def extend(self, partitions: Iterable[TopicPartition]) -> None:
        """More partitions; the books of the others go on."""
        for tp in partitions:
            self.ledgers.setdefault(tp, self._ledger(tp))

    def restart(self, tp: TopicPartition) -> None:
        """A partition begins anew at another offset: what was fetched and not handed over is dropped."""
        self.ledgers[tp] = self._ledger(tp)

    async def settled(self, partitions: Iterable[TopicPartition], deadline: float) -> None:
        """Wait until nothing of these partitions is being written, at most until `deadline` (loop's clock)."""
        loop = asyncio.get_running_loop()
        watched = [self.ledgers[tp] for tp in partitions if tp in self.ledgers]
        while any(ledger.under_way for ledger in watched) and loop.time() < deadline:
            self._settled.clear()
            try:
                await asyncio.wait_for(self._settled.wait(), max(0.001, deadline - loop.time()))
            except TimeoutError:
                return

    async def close(self) -> None:
        """Forget everything; no further delivery is handed over."""
        for ledger in self.ledgers.values():
            ledger.withdraw()
            ledger.revoke()
        self.epoch += 1
        fetch, self._fetch = self._fetch, None
        if fetch is not None:
            fetch.cancel()
            await asyncio.wait({fetch})
            if not fetch.cancelled():
                fetch.exception()  # looked at, or asyncio complains
