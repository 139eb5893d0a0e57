"""The producer that lanes send through: replaced when a refusal has spoilt its sequence numbers, cut off when it does not answer.

aiokafka retries a batch of an idempotent producer without end, and a refused one leaves a hole in the sequence numbers that makes the
broker refuse everything after it. So every send has a deadline here, and a producer that refused something is given up.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from penstock_gateway.components.kafka import client
from penstock_gateway.errors import NotConnected, Stopping

AGAIN = 0.5
"""Seconds between attempts to start a replacement."""


class Producers:
    """One producer at a time; `current` waits while it is being replaced."""

    def __init__(self, arguments: dict[str, Any], settings: dict[str, Any], log: logging.Logger) -> None:
        self._arguments, self._settings, self._log = arguments, settings, log
        self._producer: AIOKafkaProducer | None = None
        self._there = asyncio.Event()
        self._replacing: asyncio.Task[None] | None = None
        self._stopping: set[asyncio.Task[None]] = set()
        self._starting = asyncio.Lock()
        self._closed = False
        self.fault = ""

    def spoilt(self, producer: AIOKafkaProducer) -> bool:
        """After a refusal: are the sequence numbers of this producer gone, or has its sender ended?"""
        sender = producer._sender.sender_task
        return bool(self._settings.get("enable_idempotence")) or sender is None or sender.done()

    async def start(self) -> None:
        """Begin with a fresh producer; raises NotConnected with each broker's reason."""
        async with self._starting:
            await self._call_off()
            old, self._producer = self._producer, None
            self._there.clear()
            if old is not None:
                self._stop_later(old)
            try:
                self._take(await self._fresh())
            except NotConnected as error:
                self.fault = str(error)
                raise

    async def _fresh(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(**self._arguments, **self._settings)
        await client.starting(producer, producer.start, self._arguments)
        return producer

    def _take(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self.fault = ""
        self._there.set()

    async def current(self) -> AIOKafkaProducer:
        """The producer to send with."""
        while self._producer is None:
            if self._closed:
                raise Stopping
            await self._there.wait()
        return self._producer

    @property
    def cluster(self) -> Any:
        """What is known of the cluster's topics, None while there is no producer."""
        return None if self._producer is None else self._producer.client.cluster

    def replace(self, producer: AIOKafkaProducer, reason: str) -> None:
        """Give this producer up; what other lanes have under way in it may still end well."""
        if producer is not self._producer or self._closed:
            return
        self._log.warning("kafka: the producer is replaced: %s", reason)
        self._producer = None
        self._there.clear()
        self._stop_later(producer)
        self._replacing = asyncio.create_task(self._replace())

    async def _replace(self) -> None:
        while not self._closed:
            try:
                self._take(await self._fresh())
                return
            except NotConnected as error:
                self.fault = str(error)
                await asyncio.sleep(AGAIN)

    def _stop_later(self, producer: AIOKafkaProducer) -> None:
        task = asyncio.create_task(client.stop(producer))
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    async def _call_off(self) -> None:
        replacing, self._replacing = self._replacing, None
        if replacing is not None:
            replacing.cancel()
            await asyncio.wait({replacing})

    async def close(self) -> None:
        """Flush and leave; whoever still waits for a producer gives up."""
        self._closed = True
        await self._call_off()
        producer, self._producer = self._producer, None
        self._there.set()
        if producer is not None:
            self._stop_later(producer)
        if self._stopping:
            await asyncio.wait(self._stopping)


def connection_lost(error: BaseException) -> bool:
    """Whether an error speaks of the broker being away rather than of what was sent."""
    return isinstance(error, NotConnected | OSError | TimeoutError) or (
        isinstance(error, KafkaError) and bool(error.retriable)
    )
