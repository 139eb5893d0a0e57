"""Brokers for the Kafka tests: the embedded one, and a real one that is skipped without Java (and fails then under CI=true)."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from penstock_operator.embedded import EmbeddedKafka
from testbed.kafka import RealKafka, Unavailable


@pytest.fixture(scope="session")
def embedded() -> Iterator[str]:
    """The address of the embedded broker."""
    with EmbeddedKafka() as broker:
        yield broker.address


@pytest.fixture(scope="session")
def real_broker() -> Iterator[RealKafka]:
    """A real broker for the whole session."""
    try:
        broker = RealKafka()
    except Unavailable as reason:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no real Kafka: {reason}")
    try:
        yield broker
    finally:
        broker.close()


@pytest.fixture
def real(real_broker: RealKafka) -> str:
    """The address of the real broker."""
    return real_broker.address
