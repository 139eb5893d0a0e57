"""The lanes of one output by topic and partition; a topic whose partitions are not known yet lets its records wait in order."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from penstock_gateway.components.kafka.client import reason_of
from penstock_gateway.components.kafka.lanes import Lane, Patience, Record
from penstock_gateway.components.kafka.partitioners import Partitioner
from penstock_gateway.components.kafka.producers import Producers
from penstock_gateway.errors import NotConnected, Stopping, WriteError


class Topic:
    """One topic: how many partitions it has (0: not known yet), its lanes, and what waits for that to be known."""

    __slots__ = ("count", "lanes", "looking", "name", "ready", "waiting")

    def __init__(self, name: str) -> None:
        self.name = name
        self.count = 0
        self.ready = False
        self.lanes: dict[int, Lane] = {}
        self.waiting: list[tuple[int | None, Record]] = []
        self.looking: asyncio.Task[None] | None = None


class Lanes:
    """All lanes of one output."""

    def __init__(
        self, producers: Producers, patience: Patience, partitioner: Partitioner | None, timeout: float
    ) -> None:
        self._producers, self._patience, self._partitioner, self._timeout = producers, patience, partitioner, timeout
        self._topics: dict[str, Topic] = {}
        self._watched: Any = None

    def topic(self, name: str) -> Topic:
        """The topic of that name; `ready` when its partitions are known and nothing waits."""
        topic = self._topics.get(name)
        if topic is None:
            topic = self._topics[name] = Topic(name)
        if not topic.ready and topic.looking is None:
            self._refresh(topic)
        return topic

    def park(self, topic: Topic, partition: int | None, record: Record) -> None:
        """Keep a record until the topic's partitions are known."""
        topic.waiting.append((partition, record))
        if topic.looking is None:
            topic.looking = asyncio.create_task(self._look(topic))

    def lane(self, topic: Topic, partition: int) -> Lane:
        """The lane of a partition; WriteError when there is no such partition."""
        lane = topic.lanes.get(partition)
        if lane is None:
            if partition >= topic.count:
                self._refresh(topic)
            if not 0 <= partition < topic.count:
                raise WriteError(f"partition {partition} of topic {topic.name} does not exist, it has {topic.count}")
            lane = topic.lanes[partition] = Lane(self._producers, self._patience, topic.name, partition)
        return lane

    def _refresh(self, topic: Topic) -> None:
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
            topic.ready = not topic.waiting

    def _changed(self, cluster: Any) -> None:
        for topic in self._topics.values():
            found = cluster.partitions_for_topic(topic.name)
            if found:
                topic.count = len(found)

    async def look_up(self, name: str) -> None:
        """Learn a topic's partitions; NotConnected when it cannot be had."""
        topic = self.topic(name)
        try:
            await self._ask(topic)
        except WriteError as error:
            raise NotConnected(str(error)) from None

    async def _look(self, topic: Topic) -> None:
        reason: Exception | None = None
        try:
            await self._ask(topic)
        except (WriteError, NotConnected, Stopping) as error:
            reason = error
        topic.looking = None
        waiting, topic.waiting = topic.waiting, []
        for partition, record in waiting:
            key, _value, _headers, ticket, place = record
            try:
                if reason is not None:
                    raise reason
                if partition is None:
                    assert self._partitioner is not None
                    partition = self._partitioner.choose(key, topic.count)
                self.lane(topic, partition).add(record)
            except (WriteError, NotConnected, Stopping) as refused:
                ticket.settle(place, refused)
        topic.ready = bool(topic.count)

    async def _ask(self, topic: Topic) -> None:
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
            for _partition, (*_, ticket, place) in topic.waiting:
                ticket.settle(place, Stopping())
            topic.waiting = []
            for lane in topic.lanes.values():
                await lane.close(deadline)
