"""The lanes of one output by topic and partition; a topic whose partitions are not known yet lets its records wait in order."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from penstock_gateway.components.kafka.client import reason_of
from penstock_gateway.components.kafka.lanes import Lane, Patience, Record
from penstock_gateway.components.kafka.partitioners import Choose
from penstock_gateway.components.kafka.producers import Producers
from penstock_gateway.errors import NotConnected, Stopping, WriteError


class _Topic:
    __slots__ = ("count", "lanes", "looking", "name", "waiting")

    def __init__(self, name: str) -> None:
        self.name = name
        self.count = 0
        self.lanes: dict[int, Lane] = {}
        self.waiting: list[tuple[int | None, Record]] = []
        self.looking: asyncio.Task[None] | None = None


class Lanes:
    """All lanes of one output."""

    def __init__(self, producers: Producers, patience: Patience, choose: Choose | None, timeout: float) -> None:
        self._producers, self._patience, self._choose, self._timeout = producers, patience, choose, timeout
        self._topics: dict[str, _Topic] = {}
        self._watched: Any = None

    def add(self, name: str, partition: int | None, record: Record) -> None:
        """Put a record into its lane; WriteError when its partition does not exist."""
        topic = self._topics.get(name)
        if topic is None:
            topic = self._topics[name] = _Topic(name)
        if not topic.count or topic.waiting:
            self._refresh(topic)
        if topic.count and not topic.waiting:
            self._lane(topic, partition, record.key).add(record)
            return
        topic.waiting.append((partition, record))
        if topic.looking is None:
            topic.looking = asyncio.create_task(self._look(topic))

    def _lane(self, topic: _Topic, partition: int | None, key: bytes | None) -> Lane:
        if partition is None:
            assert self._choose is not None
            partition = self._choose(key, topic.count)
        lane = topic.lanes.get(partition)
        if lane is None:
            if partition >= topic.count:
                self._refresh(topic)
            if partition >= topic.count:
                raise WriteError(f"partition {partition} of topic {topic.name} does not exist, it has {topic.count}")
            lane = topic.lanes[partition] = Lane(self._producers, self._patience, topic.name, partition)
        return lane

    def _refresh(self, topic: _Topic) -> None:
        """Take the number of partitions from what is known now, and watch for changes of it."""
        cluster = self._producers.cluster
        if cluster is None:
            return
        if cluster is not self._watched:
            cluster.add_listener(self._changed)
            self._watched = cluster
        found = cluster.partitions_for_topic(topic.name)
        if found:
            topic.count = len(found)

    def _changed(self, cluster: Any) -> None:
        for topic in self._topics.values():
            found = cluster.partitions_for_topic(topic.name)
            if found:
                topic.count = len(found)

    async def look_up(self, name: str) -> None:
        """Learn a topic's partitions; NotConnected when it cannot be had."""
        topic = self._topics.setdefault(name, _Topic(name))
        try:
            await self._ask(topic)
        except WriteError as error:
            raise NotConnected(str(error)) from None

    async def _look(self, topic: _Topic) -> None:
        reason: Exception | None = None
        try:
            await self._ask(topic)
        except (WriteError, NotConnected, Stopping) as error:
            reason = error
        topic.looking = None
        waiting, topic.waiting = topic.waiting, []
        for partition, record in waiting:
            refusal = reason
            if refusal is None:
                try:
                    self._lane(topic, partition, record.key).add(record)
                    continue
                except WriteError as error:
                    refusal = error
            record.ticket.settle(record.place, refusal)

    async def _ask(self, topic: _Topic) -> None:
        try:
            async with asyncio.timeout(max(5.0, self._timeout)):
                producer = await self._producers.current()
                await producer.client._wait_on_metadata(topic.name)
        except TopicAuthorizationFailedError:
            raise WriteError(f"topic {topic.name}: this client is not authorized to write to it") from None
        except TimeoutError:
            reason = self._producers.fault
            if reason:
                raise NotConnected(reason) from None
            raise WriteError(f"topic {topic.name} does not exist, and the broker did not create it") from None
        except (KafkaError, OSError) as error:
            raise WriteError(f"topic {topic.name}: {reason_of(error)}") from None
        self._refresh(topic)

    async def close(self, grace: float) -> None:
        """Wait until all lanes are empty, at most `grace` seconds; then refuse what is left with Stopping."""
        deadline = asyncio.get_running_loop().time() + grace
        for topic in list(self._topics.values()):
            if topic.looking is not None:
                topic.looking.cancel()
            for _, record in topic.waiting:
                record.ticket.settle(record.place, Stopping())
            topic.waiting = []
            for lane in topic.lanes.values():
                await lane.close(deadline)
