"""Kafka → mapping → Kafka through `penstock run` on a real broker: kill -9 in the middle, and members that come and go; nothing is lost.

The long form (`PENSTOCK_SOAK=1`, what `make soak` sets) sends 50,000 messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import GroupCoordinatorNotAvailableError

from gateway.components.kafka.parts import administrator, fill, make_topic
from testbed.kafka import RealKafka, Unavailable

pytestmark = [pytest.mark.kafka, pytest.mark.process, pytest.mark.timeout(300)]
MESSAGES = 50_000 if os.environ.get("PENSTOCK_SOAK") else 20_000
PARTITIONS, KILLS, LIMIT = 4, 5, 256
DEADLINE = 90.0


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    try:
        kafka = RealKafka({"group.min.session.timeout.ms": "1000"})
    except Unavailable as reason:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no real Kafka: {reason}")
    try:
        yield kafka.address
    finally:
        kafka.close()


def write_config(folder: Path, address: str, source: str, target: str) -> Path:
    path = folder / "stream.yaml"
    path.write_text(f"""
http: {{enabled: false}}
input:
  kafka:
    addresses: [{address}]
    topics: [{source}]
    consumer_group: {source}
    checkpoint_limit: {LIMIT}
    group: {{session_timeout: 1500ms, heartbeat_interval: 300ms, rebalance_timeout: 5s}}
pipeline:
  processors:
  - mapping: root = content().string() + "!"
output:
  kafka:
    addresses: [{address}]
    topic: {target}
    ack_replicas: true
    metadata: {{exclude_prefixes: [kafka_]}}
""")
    return path


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    """Whatever a test starts ends with it."""
    started: list[Process] = []
    yield started
    for process in started:
        process.kill()


class Process:
    """One `penstock run`."""

    def __init__(self, config: Path, started: list[Process]) -> None:
        started.append(self)
        self._config, self._log = config, config.with_suffix(".log")
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        command = [str(Path(sys.executable).with_name("penstock")), "run", str(self._config)]
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)

    def kill(self) -> None:
        """End it if it still runs."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)

    async def end(self, with_signal: int) -> int:
        """Signal it and wait; -9 after a kill, 0 after a polite stop."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(with_signal)
        return await asyncio.wait_for(self._process.wait(), 30)


class Reader:
    """An independent client that counts what arrives in a topic."""

    def __init__(self) -> None:
        self.counts: Counter[bytes] = Counter()

    async def until(self, distinct: int) -> None:
        deadline = time.monotonic() + DEADLINE
        while len(self.counts) < distinct:
            assert time.monotonic() < deadline, f"{len(self.counts)} of {distinct} arrived"
            await asyncio.sleep(0.002)

    @property
    def repeats(self) -> int:
        return sum(self.counts.values()) - len(self.counts)


@contextlib.asynccontextmanager
async def reading(address: str, topic: str) -> AsyncIterator[Reader]:
    consumer = AIOKafkaConsumer(bootstrap_servers=address, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
    reader = Reader()

    async def read() -> None:
        while True:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                reader.counts.update(record.value or b"" for record in records)

    task = asyncio.create_task(read())
    try:
        yield reader
    finally:
        task.cancel()
        await asyncio.wait({task})
        await consumer.stop()


def bodies(first: int, last: int) -> list[bytes]:
    return [b"%06d" % n for n in range(first, last)]


async def test_five_kills_lose_nothing(broker: str, tmp_path: Path, processes: list[Process]) -> None:
    """D1: SIGKILL five times while messages flow; a kill repeats at most checkpoint_limit messages of each partition."""
    source, target = await make_topic(broker, PARTITIONS), await make_topic(broker, PARTITIONS)
    process = Process(write_config(tmp_path, broker, source, target), processes)
    written, kills, repeats = 0, 0, []
    async with reading(broker, target) as reader:
        while kills < KILLS:
            portion = max(MESSAGES // (KILLS + 1), 500)
            feeding = asyncio.create_task(fill(broker, source, bodies(written, written + portion)))
            written += portion
            await process.start()
            before = reader.repeats
            await reader.until(written - portion + portion // 3)
            await process.end(signal.SIGKILL)
            kills += 1
            await feeding
            repeats.append(reader.repeats - before)
        await fill(broker, source, bodies(written, max(MESSAGES, written)))
        written = max(MESSAGES, written)
        await process.start()
        await reader.until(written)
        assert await process.end(signal.SIGTERM) == 0
    print(f"{kills} kills in {written} messages: {reader.repeats} repeats (by the next kill: {repeats})")
    assert set(reader.counts) == {body + b"!" for body in bodies(0, written)}
    assert reader.repeats <= kills * PARTITIONS * LIMIT


async def members(address: str, group: str) -> int:
    """How many members a stable group has; 0 while it rebalances."""
    async with administrator(address) as admin:
        try:
            answers: list[Any] = await admin.describe_consumer_groups([group])
        except GroupCoordinatorNotAvailableError:  # the broker's first group is just being set up
            return 0
    _error, _group, state, _type, _protocol, found, *_ = answers[0].groups[0]
    return len(found) if state == "Stable" else 0


async def until_members(address: str, group: str, count: int) -> None:
    deadline = time.monotonic() + DEADLINE
    while await members(address, group) != count:
        assert time.monotonic() < deadline, f"the group did not come to {count} members"


async def test_three_members_come_and_go(broker: str, tmp_path: Path, processes: list[Process]) -> None:
    """D4: two join, one leaves, under load: three rebalances, nothing lost."""
    source, target = await make_topic(broker, PARTITIONS), await make_topic(broker, PARTITIONS)
    config = write_config(tmp_path, broker, source, target)
    trio = [Process(config, processes) for _ in range(3)]
    written, done = 0, asyncio.Event()

    async def feed() -> None:
        nonlocal written
        while not done.is_set() or written < MESSAGES // 4:
            await fill(broker, source, bodies(written, written + 100))
            written += 100
            await asyncio.sleep(0.05)  # the load: some thousand messages a second

    async with reading(broker, target) as reader:
        feeding = asyncio.create_task(feed())
        for count, process in enumerate(trio, 1):
            await process.start()
            await until_members(broker, source, count)
            await reader.until(written + 100)
        assert await trio[0].end(signal.SIGTERM) == 0
        await until_members(broker, source, 2)
        await reader.until(written + 100)
        done.set()
        await feeding
        await reader.until(written)
        for process in trio[1:]:
            assert await process.end(signal.SIGTERM) == 0
    print(f"three rebalances in {written} messages: {reader.repeats} repeats")
    assert set(reader.counts) == {body + b"!" for body in bodies(0, written)}
