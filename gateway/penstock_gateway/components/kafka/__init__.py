"""Kafka on aiokafka: the input `kafka` (groups, assignment, Broadcast) and the output `kafka` (batches in lanes, one per partition)."""

from __future__ import annotations

from penstock_gateway.components.kafka.input import KafkaInputConfig
from penstock_gateway.components.kafka.output import KafkaOutputConfig

__all__ = ["KafkaInputConfig", "KafkaOutputConfig"]
