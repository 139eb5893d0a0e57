"""The input `kafka`: its fields, and the runtime that connects, reads waves and leaves."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from penstock_gateway.batching import BatchPolicy
from penstock_gateway.components.kafka import client
from penstock_gateway.components.kafka.assignment import Broadcast, partitions_of, place_explicit
from penstock_gateway.components.kafka.group import Membership
from penstock_gateway.components.kafka.reader import Reader
from penstock_gateway.components.kafka.settings import ClientConfig
from penstock_gateway.components.kafka.topics import parse_topics
from penstock_gateway.errors import ConfigError, NotConnected
from penstock_gateway.registry import Context, Delivery, Kind, component
from penstock_gateway.units import Duration

_EVER = 2**31 - 1
"""Milliseconds: a member is never thrown out because its output stands still; heartbeats say that it lives."""


class GroupTimes(BaseModel):
    """How the group notices that a member is gone."""

    model_config = ConfigDict(extra="forbid")

    session_timeout: Duration = Field(
        10.0, description="Without a heartbeat for this long a member is thrown out.", gt=0
    )
    heartbeat_interval: Duration = Field(3.0, description="Time between heartbeats.", gt=0)
    rebalance_timeout: Duration = Field(60.0, description="How long a rebalance waits for its members.", gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> GroupTimes:
        if self.heartbeat_interval >= self.session_timeout:
            raise ValueError("heartbeat_interval must be below session_timeout, or every member is thrown out")
        return self


@component(
    "kafka",
    Kind.INPUT,
    summary="Reads topics of Kafka: with a consumer group, by named partitions, or whole in Broadcast.",
    positions="vector",
    sharing="shared",
)
class KafkaInputConfig(ClientConfig):
    """The fields of the `kafka` input. In Broadcast `consumer_group`, `start_from_oldest` and `commit_period` have no effect."""

    topics: list[str] = Field(description="Topics: `a`, `a,b`, or explicit partitions `a:0`, `a:0-3`.", min_length=1)
    consumer_group: str = Field(
        "",
        description="The group that shares the partitions and stores the offsets; needed unless partitions are named.",
    )
    start_from_oldest: bool = Field(
        True, description="Where to begin without a stored offset: at the oldest message, or at the latest."
    )
    checkpoint_limit: int = Field(
        1024, description="Most messages of a partition that are under way; a crash repeats at most these.", ge=1
    )
    auto_replay_nacks: bool = Field(
        True, description="Messages that an output refused are sent again without end; false drops them."
    )
    commit_period: Duration = Field(1.0, description="Time between commits of the settled offsets.", gt=0)
    max_processing_period: Duration = Field(
        0.1, description="Has no effect: partitions wait one by one, whatever the processing takes."
    )
    group: GroupTimes = Field(default_factory=GroupTimes, description="Times of the consumer group.")
    fetch_buffer_cap: int = Field(
        256, description="Most messages of a partition that are taken from the broker's answers at a time.", ge=1
    )
    multi_header: bool = Field(False, description="Headers become lists, so that names may repeat.")
    transaction_isolation_level: Literal["read_uncommitted", "read_committed"] = Field(
        "read_uncommitted", description="Whether messages of transactions that are open or aborted are read."
    )
    batching: BatchPolicy = Field(default_factory=BatchPolicy, description="Gathers messages per partition.")

    @field_validator("topics")
    @classmethod
    def _readable(cls, value: list[str]) -> list[str]:
        parse_topics(value)
        return value

    @model_validator(mode="after")
    def _bounded(self) -> KafkaInputConfig:
        """A batch that could never be filled within the limit would stand still for ever: it goes on when the limit is reached."""
        if self.batching.active and not self.batching.count:
            self.batching.count = self.checkpoint_limit
        return self

    def build(self, context: Context) -> KafkaInput:
        """The runtime object."""
        whole, _ = parse_topics(self.topics)
        if whole and not self.consumer_group and not context.broadcast:
            raise ConfigError(
                "a consumer group must be specified when consuming balanced topics",
                (*context.path, "kafka", "consumer_group"),
            )
        return KafkaInput(self, context)


class KafkaInput:
    """Reads Kafka as `registry.Input` asks. One connection is one consumer with its books; a new one begins with fresh books."""

    def __init__(self, config: KafkaInputConfig, context: Context) -> None:
        self._config, self._context = config, context
        self.replays = config.auto_replay_nacks
        self._topics, self._explicit = parse_topics(config.topics)
        self._broadcast = (
            Broadcast(self._topics, self._explicit, context.history, context.log) if context.broadcast else None
        )
        self._consumer: AIOKafkaConsumer | None = None
        self._reader: Reader | None = None
        self._membership: Membership | None = None
        self._keeping: asyncio.Task[None] | None = None
        client.prepare()

    # --- connect ----------------------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Start a consumer and its assignment; raises NotConnected with the reason."""
        await self._leave()
        arguments = self._config.arguments()
        consumer = AIOKafkaConsumer(**arguments, **self._consumer_arguments())
        reader = Reader(
            consumer,
            limit=max(self._config.checkpoint_limit, self._config.batching.count),
            buffer=self._config.fetch_buffer_cap,
            share=1 if self._config.batching.active else 1 << 30,  # a batch policy counts single messages
            multi_header=self._config.multi_header,
            with_positions=self._broadcast is not None,
            drop_refused=not self.replays,
            stall=self._config.group.rebalance_timeout + 30,
        )
        timeout = client.CONNECT_TIMEOUT + (self._config.group.rebalance_timeout if self._in_group else 0)
        await client.starting(consumer, lambda: self._start(consumer, reader), arguments, timeout)
        self._consumer, self._reader = consumer, reader

    @property
    def _in_group(self) -> bool:
        return self._broadcast is None and bool(self._topics)

    def _consumer_arguments(self) -> dict[str, Any]:
        config = self._config
        reset = "earliest" if config.start_from_oldest else "latest"
        times = config.group
        return {
            "group_id": None if self._broadcast is not None else config.consumer_group or None,
            "enable_auto_commit": False,
            "auto_offset_reset": "none" if self._broadcast is not None else reset,
            "session_timeout_ms": int(times.session_timeout * 1000),
            "heartbeat_interval_ms": int(times.heartbeat_interval * 1000),
            "rebalance_timeout_ms": int(times.rebalance_timeout * 1000),
            "request_timeout_ms": int(times.rebalance_timeout * 1000 + 5000),  # joining may take the whole rebalance
            "max_poll_interval_ms": _EVER,
            "metadata_max_age_ms": 10_000,
            "isolation_level": config.transaction_isolation_level,
            "client_rack": config.rack_id or None,
        }

    async def _start(self, consumer: AIOKafkaConsumer, reader: Reader) -> None:
        if self._broadcast is not None:
            await consumer.start()
            await self._broadcast.start(consumer, reader)
            return
        membership = self._member(consumer, reader) if self._config.consumer_group else None
        if self._topics:
            assert membership is not None  # `build` refuses whole topics without a group
            await self._join(consumer, membership)
        else:
            await consumer.start()
            offsets = await place_explicit(
                consumer, self._explicit, stored=membership is not None, oldest=self._config.start_from_oldest
            )
            consumer.assign(list(offsets))
            for tp, offset in offsets.items():
                consumer.seek(tp, offset)
            reader.begin(offsets)
        if membership is not None:
            self._membership = membership
            self._keeping = asyncio.create_task(membership.keep(self._config.commit_period))

    def _member(self, consumer: AIOKafkaConsumer, reader: Reader) -> Membership:
        patience = min(5.0, self._config.group.rebalance_timeout / 3)
        return Membership(consumer, reader, self._context.log, patience)

    async def _join(self, consumer: AIOKafkaConsumer, membership: Membership) -> None:
        await consumer._client.bootstrap()  # so that a topic can be missed before aiokafka waits for it without a word
        await partitions_of(consumer, self._topics)
        consumer.subscribe(self._topics, listener=membership)
        await consumer.start()

    # --- read, close ------------------------------------------------------------------------------------------------------

    async def read(self) -> list[Delivery]:
        """The next wave, one delivery per partition at a time; in Broadcast a `Begin` comes alone."""
        consumer, reader = self._consumer, self._reader
        if consumer is None or reader is None:
            raise NotConnected("not connected")
        try:
            if self._broadcast is not None:
                return await self._broadcast.read(consumer, reader)
            return await reader.fetched(_never)
        except KafkaError as error:
            raise NotConnected(client.reason_of(error)) from None

    async def close(self) -> None:
        """Commit what is settled, then leave the group."""
        await self._leave()

    async def _leave(self) -> None:
        consumer, reader, membership = self._consumer, self._reader, self._membership
        self._consumer = self._reader = self._membership = None
        keeping, self._keeping = self._keeping, None
        if keeping is not None:
            keeping.cancel()
            await asyncio.wait({keeping})
        if membership is not None:
            await membership.commit()
        if reader is not None:
            await reader.close()
        if consumer is not None:
            await client.stop(consumer)


def _never() -> bool:
    return False
