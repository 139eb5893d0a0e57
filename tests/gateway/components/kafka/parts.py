"""What the Kafka tests share: a context, a driver that plays the engine for one input, and ways to fill and read topics."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from penstock_gateway import language
from penstock_gateway.components.kafka import KafkaInputConfig, KafkaOutputConfig
from penstock_gateway.components.kafka.input import KafkaInput
from penstock_gateway.components.kafka.output import KafkaOutput
from penstock_gateway.message import Batch, Message
from penstock_gateway.registry import Delivery

DEADLINE = 30.0


class Surroundings:
    """A registry.Context for components that ask for nothing but language, clock and randomness."""

    def __init__(self, broadcast: bool = False, history: float = 300.0) -> None:
        self.label, self.path = "", ("input",)
        self.log = logging.getLogger("test.kafka")
        self.broadcast, self.history = broadcast, history
        self._environment = language.Environment()

    def clock(self) -> float:
        return asyncio.get_running_loop().time()

    def random(self) -> float:
        return random.random()

    def interpolation(self, text: str, *field_path: str | int) -> language.Interpolation:
        return language.compile_interpolation(text, environment=self._environment)


def topic_name() -> str:
    """A topic nobody else uses."""
    return f"t-{random.getrandbits(48):012x}"


def kafka_input(
    address: str, topic: str, *, broadcast: bool = False, history: float = 300.0, **fields: Any
) -> KafkaInput:
    """An input for one topic."""
    config = KafkaInputConfig.model_validate({"addresses": [address], "topics": [topic], **fields})
    return config.build(Surroundings(broadcast, history))  # type: ignore[arg-type]  # the part of a Context that is asked for


@asynccontextmanager
async def kafka_output(address: str, topic: str, **fields: Any) -> AsyncIterator[KafkaOutput]:
    """A connected output."""
    config = KafkaOutputConfig.model_validate({"addresses": [address], "topic": topic, **fields})
    output = config.build(Surroundings())  # type: ignore[arg-type]
    try:
        await output.connect()
        yield output
    finally:
        await output.close()


def messages(*bodies: bytes | str) -> Batch:
    """A batch."""
    return [Message(body.encode() if isinstance(body, str) else body) for body in bodies]


async def until(condition: Callable[[], bool], deadline: float = DEADLINE) -> None:
    """Wait for a condition."""
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        await asyncio.sleep(0.01)


async def read_topic(address: str, topic: str, count: int, deadline: float = DEADLINE) -> list[Any]:
    """The first `count` records of a topic, read by a client of its own."""
    consumer = AIOKafkaConsumer(bootstrap_servers=address, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    found: list[Any] = []
    try:
        numbers = await consumer._client._wait_on_metadata(topic)
        consumer.assign([TopicPartition(topic, number) for number in numbers])
        end = time.monotonic() + deadline
        while len(found) < count:
            assert time.monotonic() < end, f"{len(found)} of {count} records came"
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += records
    finally:
        await consumer.stop()
    return found


async def fill(address: str, topic: str, bodies: list[bytes], partition: int | None = None) -> None:
    """Write bodies, round the partitions or into one."""
    producer = AIOKafkaProducer(bootstrap_servers=address, enable_idempotence=True)
    await producer.start()
    try:
        count = len(await producer.partitions_for(topic))
        by_partition: dict[int, list[bytes]] = {}
        for n, body in enumerate(bodies):
            by_partition.setdefault(n % count if partition is None else partition, []).append(body)
        for number, group in by_partition.items():
            builder = producer.create_batch()
            for body in group:
                if builder.append(timestamp=None, key=None, value=body) is None:
                    await (await producer.send_batch(builder, topic, partition=number))
                    builder = producer.create_batch()
                    builder.append(timestamp=None, key=None, value=body)
            await (await producer.send_batch(builder, topic, partition=number))
    finally:
        await producer.stop()


@asynccontextmanager
async def administrator(address: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client."""
    client = AIOKafkaAdminClient(bootstrap_servers=address)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def make_topic(address: str, partitions: int, **settings: str) -> str:
    """A new topic with settings (`_` for `.`)."""
    name = topic_name()
    configs = {key.replace("_", "."): value for key, value in settings.items()}
    async with administrator(address) as admin:
        await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=configs)])
    return name


class Driver:
    """Plays the engine for one input: reads, and settles what `settle` says, in the order and at the time it says."""

    def __init__(self, source: KafkaInput, settle: Callable[[Delivery], bool] = lambda delivery: True) -> None:
        self.input, self._settle = source, settle
        self.seen: list[Delivery] = []
        self.taken: list[Message] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Driver:
        await self.input.connect()
        self._task = asyncio.create_task(self._run())
        return self

    async def _run(self) -> None:
        while True:
            for delivery in await self.input.read():
                self.seen.append(delivery)
                if delivery.withdrawn or not delivery.messages:
                    continue
                delivery.begun = True
                if self._settle(delivery):
                    self.taken += delivery.messages
                    delivery.settle(None)

    @property
    def bodies(self) -> list[bytes]:
        """What was acknowledged."""
        return [message.raw for message in self.taken]

    async def __aexit__(self, *reason: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait({self._task})
        await self.input.close()


async def committed(address: str, group: str, topic: str) -> dict[int, int]:
    """What a group has stored, by partition; partitions without a stored offset are left out."""
    consumer = AIOKafkaConsumer(bootstrap_servers=address, group_id=group, enable_auto_commit=False)
    await consumer._client.bootstrap()
    try:
        numbers = await consumer._client._wait_on_metadata(topic)
        partitions = [TopicPartition(topic, number) for number in numbers]
        consumer.assign(partitions)
        await consumer.start()
        found = {tp.partition: await consumer.committed(tp) for tp in partitions}
    finally:
        await consumer.stop()
    return {number: offset for number, offset in found.items() if offset is not None}
