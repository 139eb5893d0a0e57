"""The Kafka figures: topic to topic through `penstock run`, against bare aiokafka doing the same, on a real broker.

Both processes stay up for all rounds. In a round the one that is measured is stopped while its source topic is filled, then goes on;
what it used until everything has arrived, divided by the messages, is its cost. Waiting costs next to nothing, so the broker's
speed on a busy machine does not matter.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench.rows import ROOT, Unavailable, common_ground, cpu_seconds, interleaved, row

MESSAGES, PARTITIONS, SIZE = 120_000, 4, 200
BARE = "bare aiokafka getmany + send_batch"

_STREAM = """
http: {{enabled: false}}
logger: {{level: WARN}}
input:
  kafka:
    addresses: [{brokers}]
    topics: [{source}]
    consumer_group: {source}
    group: {{session_timeout: 30s}}
pipeline: {{processors: [{processors}]}}
output:
  kafka:
    addresses: [{brokers}]
    topic: {target}
    key: '${{! meta("kafka_key") }}'
    {partitioner}
    metadata: {{exclude_prefixes: [kafka_]}}
"""

_SAME_PARTITION = """partitioner: manual
    partition: '${! meta("kafka_partition") }'"""


class Flow:
    """One process that carries messages from a topic to another."""

    def __init__(self, brokers: str, command: list[str], source: str, target: str, body: bytes) -> None:
        self._brokers, self._source, self._target, self._body = brokers, source, target, body
        self._process = subprocess.Popen(command, cwd=ROOT)  # noqa: S603 - our own command
        self._arrived = 0

    def cost(self, messages: int = MESSAGES) -> float:
        """CPU µs per message of one round."""
        return asyncio.run(self._round(messages))

    async def _round(self, messages: int) -> float:
        pid = self._process.pid
        os.kill(pid, signal.SIGSTOP)
        await self._fill(messages)
        before = cpu_seconds(pid)
        os.kill(pid, signal.SIGCONT)
        self._arrived += messages
        await self._until_arrived()
        return (cpu_seconds(pid) - before) / messages * 1e6

    async def _fill(self, messages: int) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self._brokers, max_batch_size=262_144)
        await producer.start()
        for partition in range(PARTITIONS):
            builder = producer.create_batch()
            for n in range(messages // PARTITIONS):
                key = b"%08d" % (n * PARTITIONS + partition)
                if builder.append(timestamp=None, key=key, value=self._body) is None:
                    await (await producer.send_batch(builder, self._source, partition=partition))
                    builder = producer.create_batch()
                    builder.append(timestamp=None, key=key, value=self._body)
            await (await producer.send_batch(builder, self._source, partition=partition))
        await producer.stop()

    async def _until_arrived(self) -> None:
        consumer = AIOKafkaConsumer(bootstrap_servers=self._brokers)
        await consumer.start()
        try:
            partitions = [TopicPartition(self._target, number) for number in range(PARTITIONS)]
            deadline = time.monotonic() + 120
            while sum((await consumer.end_offsets(partitions)).values()) < self._arrived:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise AssertionError("not everything arrived")
                await asyncio.sleep(0.02)
        finally:
            await consumer.stop()

    def close(self) -> None:
        """End the process."""
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        self._process.wait(30)


async def _make_topics(brokers: str, names: list[str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    await admin.start()
    await admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names])
    await admin.close()


@contextlib.contextmanager
def _broker() -> Iterator[str]:
    sys.path.insert(0, str(ROOT / "tests"))  # the testbed belongs to the tests
    from testbed import kafka

    try:
        broker = kafka.RealKafka()
    except kafka.Unavailable as reason:
        raise Unavailable(str(reason)) from None
    try:
        yield broker.address
    finally:
        broker.close()


def _flows(brokers: str, folder: Path) -> dict[str, Flow]:
    ground = common_ground()
    names = {
        which: (f"{which}-in-{secrets.token_hex(3)}", f"{which}-out-{secrets.token_hex(3)}")
        for which in ("bare", "passthrough", "hashed", "mapping")
    }
    asyncio.run(_make_topics(brokers, [name for pair in names.values() for name in pair]))
    document = (ground / "document.json").read_bytes()
    mapping = json.dumps((ground / "mapping.blobl").read_text())  # a JSON text is a YAML text
    flows = {}
    plain = b"x" * SIZE
    for which, body in (("bare", plain), ("passthrough", plain), ("hashed", plain), ("mapping", document)):
        source, target = names[which]
        command = [sys.executable, "-m", "bench.bare_passthrough", brokers, source, target]
        if which != "bare":
            processors = f"{{mapping: {mapping}}}" if which == "mapping" else ""
            partitioner = "" if which == "hashed" else _SAME_PARTITION
            config = folder / f"{which}.yaml"
            config.write_text(
                _STREAM.format(
                    brokers=brokers, source=source, target=target, processors=processors, partitioner=partitioner
                )
            )
            command = [str(Path(sys.executable).with_name("penstock")), "run", str(config)]
        flows[which] = Flow(brokers, command, source, target, body)
    return flows


def measure(rounds: int) -> list[dict[str, Any]]:
    """CPU µs per message of passthrough and mapping, topic to topic, and their ratio to bare aiokafka."""
    with tempfile.TemporaryDirectory() as folder, _broker() as brokers:
        flows = _flows(brokers, Path(folder))
        try:
            for flow in flows.values():
                time.sleep(1)  # let it start and join; the first round is not counted
                flow.cost(MESSAGES // 4)
            found = interleaved(rounds, **{which: flow.cost for which, flow in flows.items()})
        finally:
            for flow in flows.values():
                flow.close()
    bare = found["bare"]
    return [
        row(f"Kafka to Kafka, {BARE}", bare, "µs/message"),
        row("Kafka to Kafka, passthrough", found["passthrough"], "µs/message", BARE, found["passthrough"] / bare),
        row(
            "Kafka to Kafka, partition by hash of distinct keys",
            found["hashed"],
            "µs/message",
            BARE,
            found["hashed"] / bare,
        ),
        row("Kafka to Kafka, with mapping", found["mapping"], "µs/message", BARE, found["mapping"] / bare),
    ]
