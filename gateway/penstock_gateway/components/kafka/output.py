"""The output `kafka`: its fields, and the runtime that turns messages into records and waits for the brokers' answer."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from penstock_gateway.batching import BatchPolicy
from penstock_gateway.components.kafka import client
from penstock_gateway.components.kafka.encoder import Encoder, HeaderFilter, Text
from penstock_gateway.components.kafka.lanes import Patience, Ticket
from penstock_gateway.components.kafka.partitioners import partitioner
from penstock_gateway.components.kafka.producers import Producers
from penstock_gateway.components.kafka.settings import ClientConfig
from penstock_gateway.components.kafka.topic_lanes import Lanes
from penstock_gateway.errors import BatchError, NotConnected, PenstockError, Stopping, WriteError
from penstock_gateway.message import Batch
from penstock_gateway.registry import Context, Interpolated, Kind, component
from penstock_gateway.units import Duration

CLOSE_TIMEOUT = 5.0
"""Seconds that closing waits for what is on its way."""
MOST_BATCH_BYTES = 262_144


class Backoff(BaseModel):
    """Pauses between attempts."""

    model_config = ConfigDict(extra="forbid")

    initial_interval: Duration = Field(3.0, description="The first pause.", gt=0)
    max_interval: Duration = Field(10.0, description="The longest pause.", gt=0)
    max_elapsed_time: Duration = Field(30.0, description="Time after which a write is given up; 0s = never.", ge=0)


class MetadataFilter(BaseModel):
    """Which metadata becomes headers."""

    model_config = ConfigDict(extra="forbid")

    exclude_prefixes: list[str] = Field(default_factory=list, description="Metadata whose name begins so is left out.")


@component(
    "kafka", Kind.OUTPUT, summary="Writes messages to topics of Kafka and waits for the brokers' acknowledgement."
)
class KafkaOutputConfig(ClientConfig):
    """The fields of the `kafka` output."""

    topic: Interpolated = Field(description="The topic; may be computed per message.", min_length=1)
    key: Interpolated = Field("", description="The key; empty = none.")
    partitioner: Literal["fnv1a_hash", "murmur2_hash", "random", "round_robin", "manual"] = Field(
        "fnv1a_hash", description="How the partition is chosen; `murmur2_hash` agrees with the Java client."
    )
    partition: Interpolated = Field("", description="The partition as a number, for the partitioner `manual` only.")
    compression: Literal["none", "snappy", "lz4", "gzip", "zstd"] = Field("none", description="Compression of batches.")
    static_headers: dict[str, str] = Field(default_factory=dict, description="Headers of every message.")
    metadata: MetadataFilter = Field(default_factory=MetadataFilter, description="Which metadata becomes headers.")
    max_in_flight: int = Field(64, description="Most batches that are being written at a time.", ge=1)
    idempotent_write: bool = Field(
        False,
        description="Lets the broker sort out repeats of retries; needs the right IDEMPOTENT_WRITE, implies ack_replicas.",
    )
    ack_replicas: bool = Field(False, description="Wait for all replicas in sync instead of the leader alone.")
    max_msg_bytes: int = Field(
        1_000_000, description="Largest message with key, headers and framing; a larger one is refused by itself.", ge=1
    )
    timeout: Duration = Field(5.0, description="Time a broker has for one request.", gt=0)
    retry_as_batch: bool = Field(
        False,
        description="Refuse a whole batch when one of its messages failed, which keeps the order when it is replayed.",
    )
    batching: BatchPolicy = Field(default_factory=BatchPolicy, description="Gathers messages before they are written.")
    max_retries: int = Field(0, description="Most attempts after the first; 0 = limited by time only.", ge=0)
    backoff: Backoff = Field(default_factory=Backoff, description="Pauses between attempts, and when they end.")

    @model_validator(mode="after")
    def _partition_is_manual(self) -> KafkaOutputConfig:
        if self.partitioner == "manual" and not self.partition:
            raise ValueError("partition field required for 'manual' partitioner")
        if self.partitioner != "manual" and self.partition:
            raise ValueError("partition field can only be specified for 'manual' partitioner")
        return self

    def build(self, context: Context) -> KafkaOutput:
        """The runtime object."""
        return KafkaOutput(self, context)

    def producer_settings(self) -> dict[str, Any]:
        """What the producer is given beside the cluster's settings."""
        return {
            "acks": "all" if self.ack_replicas or self.idempotent_write else 1,
            "enable_idempotence": self.idempotent_write,
            "compression_type": None if self.compression == "none" else self.compression,
            "linger_ms": 0,
            "max_batch_size": min(MOST_BATCH_BYTES, self.max_msg_bytes),
            "request_timeout_ms": max(1000, int(self.timeout * 1000)),
            "metadata_max_age_ms": 30_000,
        }

    def patience(self) -> Patience:
        """How long lanes try. An idempotent producer retries by itself, so there the deadline alone decides."""
        backoff, elapsed = self.backoff, self.backoff.max_elapsed_time or None
        deadline: float | None = max(5.0, 3 * self.timeout)
        if self.idempotent_write:
            deadline = None if elapsed is None else max(elapsed, 2 * self.timeout)
        return Patience(deadline, self.max_retries, backoff.initial_interval, backoff.max_interval, elapsed)


class KafkaOutput:
    """Writes batches as `registry.Output` asks."""

    def __init__(self, config: KafkaOutputConfig, context: Context) -> None:
        self._config, self._context = config, context
        self.max_in_flight = config.max_in_flight
        self._topic = Text(context, config.topic, "topic")
        self._partitioner = None if config.partitioner == "manual" else partitioner(config.partitioner, context.random)
        self._encoder = Encoder(
            self._topic,
            Text(context, config.key, "key") if config.key else None,
            Text(context, config.partition, "partition") if config.partition else None,
            HeaderFilter(config.metadata.exclude_prefixes, config.static_headers),
            self._partitioner,
            config.max_msg_bytes,
        )
        self._producers: Producers | None = None
        self._lanes: Lanes | None = None
        client.prepare()

    async def connect(self) -> None:
        """Start a producer, and look at the topic when it is known beforehand; raises NotConnected."""
        if self._producers is None or self._lanes is None:
            self._producers = Producers(self._config.arguments(), self._config.producer_settings(), self._context.log)
            self._lanes = Lanes(self._producers, self._config.patience(), self._partitioner, self._config.timeout)
        await self._producers.start()
        if self._topic.constant is not None:
            await self._lanes.look_up(self._topic.constant)

    async def write(self, batch: Batch) -> None:
        """All messages enter their lanes before the first suspension; then one wait for the brokers' answers."""
        if self._lanes is None:
            raise NotConnected("not connected")
        if not batch:
            return
        ticket = Ticket(len(batch), asyncio.get_running_loop().create_future())
        self._encoder.enter(batch, ticket, self._lanes)
        await ticket.done
        if ticket.failed:
            raise self._verdict(ticket.failed, len(batch))

    def _verdict(self, failed: dict[int, Exception], count: int) -> PenstockError:
        """Nothing arrived because the broker is away: connect again. Otherwise the messages, or the batch, were refused."""
        first = next(iter(failed.values()))
        if any(isinstance(error, Stopping) for error in failed.values()):
            return Stopping()
        if len(failed) == count and all(isinstance(error, NotConnected) for error in failed.values()):
            return NotConnected(str(first))
        if self._config.retry_as_batch:
            return WriteError(str(first))
        return BatchError(failed)

    async def close(self) -> None:
        """Wait for what is on its way, then leave."""
        if self._lanes is not None:
            await self._lanes.close(CLOSE_TIMEOUT)
        if self._producers is not None:
            await self._producers.close()
