"""Membership in a consumer group: commits the contiguous prefix, and gives partitions back without losing or overtaking anybody.

On revoke everything that no output has begun is dropped at once; only writes under way are waited for, then their offsets are
committed, and after that nothing is committed for these partitions any more, however late an acknowledgement comes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from penstock_gateway.components.kafka.client import reason_of
from penstock_gateway.components.kafka.reader import Reader

PATIENCE = 5.0
"""Most seconds a revoke waits for writes under way."""
COMMIT_TIMEOUT = 5.0
"""Most seconds a commit may take."""


class Membership(ConsumerRebalanceListener):
    """Commits for a reader's books, one commit at a time."""

    def __init__(
        self, consumer: AIOKafkaConsumer, reader: Reader, log: logging.Logger, patience: float = PATIENCE
    ) -> None:
        self._consumer, self._reader, self._log, self._patience = consumer, reader, log, patience
        self._lock = asyncio.Lock()
        self._running: asyncio.Task[None] | None = None
        self._complaint = ""
        self._pressed = asyncio.Event()
        reader.press = self._pressed.set

    async def keep(self, period: float) -> None:
        """Commit every `period` seconds, and at once when the reader presses, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(period):
                    await self._pressed.wait()
            except TimeoutError:
                pass
            self._pressed.clear()
            self._running = asyncio.ensure_future(self._commit(self._reader.ledgers))
            await asyncio.wait({self._running})

    async def commit(self) -> None:
        """Commit what is settled now."""
        await self._commit(self._reader.ledgers)

    async def _commit(self, partitions: Iterable[TopicPartition]) -> None:
        """What cannot be committed now stays due."""
        async with self._lock:
            ledgers = {tp: self._reader.ledgers[tp] for tp in list(partitions) if tp in self._reader.ledgers}
            due = {tp: ledger.due for tp, ledger in ledgers.items()}
            offsets = {tp: OffsetAndMetadata(found[0], "") for tp, found in due.items() if found is not None}
            if not offsets or self._expelled():
                return
            try:
                async with asyncio.timeout(COMMIT_TIMEOUT):
                    await self._consumer.commit(offsets)
            except (KafkaError, TimeoutError, OSError) as error:
                self._complain(f"offsets were not committed, the next commit tries again: {reason_of(error)}")
                return
            self._complaint = ""
            for tp, found in due.items():
                if found is not None:
                    ledgers[tp].committed(found[1])
            self._reader.rouse()

    def _expelled(self) -> bool:
        """A member that the group has given up would commit as a stranger, over the heads of those who took over."""
        coordinator = self._consumer._coordinator
        if coordinator is None or not self._consumer._subscription.partitions_auto_assigned():
            return False
        return bool(coordinator.generation < 1)

    def _complain(self, text: str) -> None:
        if text != self._complaint:
            self._log.warning("kafka: %s", text)
        self._complaint = text

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Open the books. No await: nothing is fetched earlier."""
        self._reader.begin(assigned)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Settle what is under way, commit, close the books."""
        partitions = list(revoked)
        if not partitions:
            return
        loop = asyncio.get_running_loop()
        ledgers = [self._reader.ledgers[tp] for tp in partitions if tp in self._reader.ledgers]
        for ledger in ledgers:
            ledger.withdraw()
        await self._reader.settled(partitions, loop.time() + self._patience)
        running = self._running
        if running is not None and not running.done():
            await asyncio.wait({running}, timeout=COMMIT_TIMEOUT)
            running.cancel()
        await self._commit(partitions)
        for ledger in ledgers:
            ledger.revoke()
