"""Reading by assignment: every partition (Broadcast) or those that were named, without a group's help.

Broadcast begins `history` seconds ago, commits nothing, and says with a `Begin` where it starts: at first, when partitions are added,
when a topic was made anew, and when the log no longer has what was to be read next (a gap; it goes on at the log's start).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import (
    KafkaError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from penstock_gateway.components.kafka.client import reason_of
from penstock_gateway.components.kafka.epochs import topic_ids
from penstock_gateway.components.kafka.reader import Reader
from penstock_gateway.errors import NotConnected
from penstock_gateway.registry import Begin, Delivery

UNSEEKABLE_HISTORY = 10_000
"""Messages per partition to begin with where the broker cannot seek by time."""
POLL_METADATA = 5.0
"""Seconds between looks at the partitions of the topics."""
POLL_TOPIC_IDS = 30.0
"""Seconds between questions for the ids of the topics."""
TOPIC_TIMEOUT = 5.0
"""Seconds a topic may take to appear (a broker that creates topics on demand needs a moment)."""


def source_of(tp: TopicPartition) -> str:
    """The name of a partition in origins and positions."""
    return f"{tp.topic}/{tp.partition}"


async def partitions_of(consumer: AIOKafkaConsumer, topics: Iterable[str]) -> list[TopicPartition]:
    """All partitions of the topics; NotConnected names a topic that does not exist or may not be seen."""
    found: list[TopicPartition] = []
    for topic in topics:
        try:
            async with asyncio.timeout(TOPIC_TIMEOUT):
                numbers = await consumer._client._wait_on_metadata(topic)
        except (TimeoutError, UnknownTopicOrPartitionError):
            raise NotConnected(f"topic {topic} does not exist, and the broker did not create it") from None
        except TopicAuthorizationFailedError:
            raise NotConnected(f"topic {topic}: this client is not authorized to see it") from None
        found += [TopicPartition(topic, number) for number in sorted(numbers)]
    return found


@dataclass(slots=True, eq=False)
class Broadcast:
    """The positions of one Broadcast input; they outlive a connection, so a new one goes on where the last ended."""

    topics: list[str]
    explicit: Mapping[str, list[int]]
    history: float
    log: logging.Logger
    upcoming: dict[TopicPartition, int] = field(default_factory=dict)
    """The offset that is handed over next."""
    epochs: dict[str, str] = field(default_factory=dict)
    _begin: Begin | None = None
    _looked: float = 0.0
    _asked: float = 0.0

    async def start(self, consumer: AIOKafkaConsumer, reader: Reader) -> None:
        """Assign and seek everything."""
        partitions = await self._partitions(consumer)
        await self._renew_epochs(consumer)
        await self._place([tp for tp in partitions if tp not in self.upcoming], consumer)
        self.upcoming = {tp: self.upcoming[tp] for tp in partitions}
        _assign(consumer, self.upcoming)
        reader.begin(partitions)
        await self._announce(consumer)

    async def read(self, consumer: AIOKafkaConsumer, reader: Reader) -> list[Delivery]:
        """The next wave; a `Begin` comes alone."""
        while True:
            if self._begin is not None:
                begin, self._begin = self._begin, None
                return [Delivery([], _nothing, begin=begin)]
            try:
                wave = await reader.fetched(lambda: self._look_due() or bool(self._passed(consumer, reader)))
            except OffsetOutOfRangeError as error:
                await self._out_of_range(error, consumer, reader)
                continue
            wave = wave or self._skipped(self._passed(consumer, reader))
            for delivery in wave:
                self._handed(delivery)
            if wave:
                return wave
            await self._look(consumer, reader)

    def _handed(self, delivery: Delivery) -> None:
        for source, offset in (delivery.position or {}).items():
            topic, _, number = source.rpartition("/")
            self.upcoming[TopicPartition(topic, int(number))] = offset

    # --- where to begin ---------------------------------------------------------------------------------------------------

    async def _partitions(self, consumer: AIOKafkaConsumer) -> list[TopicPartition]:
        if self.topics:
            return await partitions_of(consumer, self.topics)
        known = set(await partitions_of(consumer, self.explicit))
        wanted = [TopicPartition(topic, number) for topic, numbers in self.explicit.items() for number in numbers]
        missing = [source_of(tp) for tp in wanted if tp not in known]
        if missing:
            raise NotConnected(f"partition {missing[0]} does not exist")
        return wanted

    async def _place(self, fresh: list[TopicPartition], consumer: AIOKafkaConsumer) -> None:
        """Decide where partitions begin that were never read: at the first message of the history, else at the end."""
        if not fresh:
            return
        first, end = await consumer.beginning_offsets(fresh), await consumer.end_offsets(fresh)
        since = max(0, int((time.time() - self.history) * 1000))
        found = await consumer.offsets_for_times(dict.fromkeys(fresh, since))
        filled = [tp for tp in fresh if end[tp] > first[tp] and found[tp] is None]
        oldest = await consumer.offsets_for_times(dict.fromkeys(filled, 0)) if filled else {}
        for tp in fresh:
            at = found[tp]
            if at is not None:
                self.upcoming[tp] = at.offset
            elif tp in oldest and oldest[tp] is None:  # it has messages, yet none since 1970: it cannot seek by time
                self.upcoming[tp] = max(first[tp], end[tp] - UNSEEKABLE_HISTORY)
            else:
                self.upcoming[tp] = end[tp]

    async def _announce(self, consumer: AIOKafkaConsumer) -> None:
        head = await consumer.end_offsets(list(self.upcoming))
        self._begin = Begin(
            {source_of(tp): offset for tp, offset in self.upcoming.items()},
            {source_of(tp): offset for tp, offset in head.items()},
            dict(self.epochs),
        )
        self._looked = time.monotonic()

    # --- changes while reading --------------------------------------------------------------------------------------------

    def _look_due(self) -> bool:
        return time.monotonic() - self._looked >= POLL_METADATA

    async def _look(self, consumer: AIOKafkaConsumer, reader: Reader) -> None:
        """Have partitions been added, was a topic made anew?"""
        if not self._look_due():
            return
        self._looked = time.monotonic()
        renewed = await self._renew_epochs(consumer) if self._looked - self._asked >= POLL_TOPIC_IDS else set()
        seen = {
            TopicPartition(topic, number)
            for topic in self.topics
            for number in consumer.partitions_for_topic(topic) or ()
        }
        added = seen - set(self.upcoming)
        again = {tp for tp in self.upcoming if tp.topic in renewed}
        if not added and not again:
            return
        self.log.info("kafka: %d partitions added, %d begin anew", len(added), len(again))
        await self._replace(sorted(added), sorted(again), consumer, reader)

    async def _replace(
        self, added: list[TopicPartition], again: list[TopicPartition], consumer: AIOKafkaConsumer, reader: Reader
    ) -> None:
        await reader.halt()
        self.upcoming.update(await consumer.beginning_offsets([*added, *again]))
        ahead = {tp: _position(consumer, tp) for tp in self.upcoming if tp not in added and tp not in again}
        _assign(consumer, {**self.upcoming, **{tp: offset for tp, offset in ahead.items() if offset is not None}})
        reader.extend(added)
        for tp in again:
            reader.restart(tp)
        await self._announce(consumer)

    async def _renew_epochs(self, consumer: AIOKafkaConsumer) -> set[str]:
        """Ask for the topic ids; the topics whose id is another one than before."""
        self._asked = time.monotonic()
        found = await topic_ids(consumer, self.topics or self.explicit)
        changed = {topic for topic, name in found.items() if name and self.epochs.get(topic, name) != name}
        self.epochs.update({topic: name for topic, name in found.items() if name or topic not in self.epochs})
        for tp in [tp for tp in self.upcoming if tp.topic in changed]:
            self.upcoming[tp] = 0
        return changed

    async def _out_of_range(self, error: OffsetOutOfRangeError, consumer: AIOKafkaConsumer, reader: Reader) -> None:
        renewed = await self._renew_epochs(consumer)
        named = error.args[0] if error.args else {}
        lost = [tp for tp in self.upcoming if tp in named or tp.topic in renewed]
        first = await consumer.beginning_offsets(lost)
        for tp, offset in first.items():
            self.log.warning(
                "kafka: %s no longer has offset %d, going on at %d", source_of(tp), self.upcoming[tp], offset
            )
            self.upcoming[tp] = offset
            consumer.seek(tp, offset)
            reader.restart(tp)
        await self._announce(consumer)

    def _passed(self, consumer: AIOKafkaConsumer, reader: Reader) -> dict[str, int]:
        """Partitions whose position went on without a message: transaction markers, aborted or compacted records."""
        found: dict[str, int] = {}
        for tp, offset in self.upcoming.items():
            ledger = reader.ledgers.get(tp)
            position = _position(consumer, tp) if ledger is not None and ledger.hungry and not reader.busy else None
            if position is not None and position > offset:
                found[source_of(tp)] = position
        return found

    def _skipped(self, positions: dict[str, int]) -> list[Delivery]:
        return [Delivery([], _nothing, positions)] if positions else []


def _position(consumer: AIOKafkaConsumer, tp: TopicPartition) -> int | None:
    subscription = consumer._subscription.subscription
    state = subscription.assignment.state_value(tp) if subscription is not None else None
    return int(state.position) if state is not None and state.has_valid_position else None


def _assign(consumer: AIOKafkaConsumer, offsets: Mapping[TopicPartition, int]) -> None:
    """Assign and seek without a pause between them: aiokafka would look for committed offsets otherwise."""
    consumer.assign(list(offsets))
    for tp, offset in offsets.items():
        consumer.seek(tp, offset)


def _nothing(error: Exception | None) -> None:
    """Positions and beginnings need no settling."""


async def place_explicit(
    consumer: AIOKafkaConsumer, explicit: Mapping[str, list[int]], *, stored: bool, oldest: bool
) -> dict[TopicPartition, int]:
    """Where named partitions begin without Broadcast: at the group's stored offset, else at the oldest or latest message."""
    known = set(await partitions_of(consumer, explicit))
    wanted = [TopicPartition(topic, number) for topic, numbers in explicit.items() for number in numbers]
    missing = [source_of(tp) for tp in wanted if tp not in known]
    if missing:
        raise NotConnected(f"partition {missing[0]} does not exist")
    edges: dict[TopicPartition, int] = await (
        consumer.beginning_offsets(wanted) if oldest else consumer.end_offsets(wanted)
    )
    if not stored:
        return edges
    try:
        kept = {tp: await consumer.committed(tp) for tp in wanted}
    except KafkaError as error:
        raise NotConnected(f"stored offsets cannot be read: {reason_of(error)}") from None
    return {tp: edges[tp] if kept[tp] is None else kept[tp] for tp in wanted}
