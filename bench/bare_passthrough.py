"""The baseline of the Kafka figures: aiokafka's `getmany`, `create_batch` and `send_batch`, topic to topic, and nothing else.

Run as `python -m bench.bare_passthrough BROKERS SOURCE TARGET`; it ends by a signal.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer


async def run(brokers: str, source: str, target: str) -> None:
    """Read, write to the same partition, commit every second what is written."""
    consumer = AIOKafkaConsumer(
        source, bootstrap_servers=brokers, group_id=source, enable_auto_commit=False, auto_offset_reset="earliest",
        session_timeout_ms=30_000,
    )  # fmt: skip
    producer = AIOKafkaProducer(bootstrap_servers=brokers, acks=1, linger_ms=0, max_batch_size=262_144)
    await consumer.start()
    await producer.start()
    committed = time.monotonic()
    while True:
        answers: list[Any] = []
        offsets = {}
        for tp, records in (await consumer.getmany(timeout_ms=500, max_records=1000)).items():
            offsets[tp] = records[-1].offset + 1
            builder = producer.create_batch()
            for record in records:
                if builder.append(timestamp=None, key=record.key, value=record.value, headers=[]) is None:
                    builder.close()
                    answers.append(await producer.send_batch(builder, target, partition=tp.partition))
                    builder = producer.create_batch()
                    builder.append(timestamp=None, key=record.key, value=record.value, headers=[])
            builder.close()
            answers.append(await producer.send_batch(builder, target, partition=tp.partition))
        for answer in answers:
            await answer
        if offsets and time.monotonic() - committed > 1:
            await consumer.commit(offsets)
            committed = time.monotonic()


if __name__ == "__main__":
    uvloop.run(run(*sys.argv[1:4]))
