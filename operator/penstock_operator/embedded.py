"""An in-process Kafka broker for `penstock dev --kafka embedded` and for tests: the mock cluster of confluent-kafka.

It speaks the real protocol and starts in milliseconds, but keeps some megabytes per partition, cannot seek by time, and takes one
member per consumer group. It lives in librdkafka's threads: start other processes by spawn, never by fork, while it runs.
"""

from __future__ import annotations

import signal
from typing import Any


class EmbeddedUnavailable(Exception):
    """confluent-kafka is not installed; the text says how to get it."""


class EmbeddedKafka:
    """The broker; it runs from construction to `close`."""

    def __init__(self, brokers: int = 1) -> None:
        try:
            from confluent_kafka import Producer
        except ImportError:
            raise EmbeddedUnavailable(
                "the embedded Kafka needs confluent-kafka: install the extra dev (pip install 'penstock[dev]'), "
                "or name a broker of your own"
            ) from None
        # The broker's threads take over this thread's mask: a Ctrl-C must reach Python, not end their poll.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        try:
            self._owner: Any = Producer(
                {"bootstrap.servers": "ignored:1", "test.mock.num.brokers": brokers, "log_level": 3}
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        known = self._owner.list_topics(timeout=10).brokers
        self.address = ",".join(sorted(f"{broker.host}:{broker.port}" for broker in known.values()))

    def ensure_topics(self, *names: str) -> None:
        """Make topics exist (four partitions each)."""
        for name in names:
            self._owner.list_topics(name, timeout=10)

    def close(self) -> None:
        """Stop the broker; what it held is gone."""
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.flush(0)
            close = getattr(owner, "close", None)
            if close is not None:
                close()
            del owner

    def __enter__(self) -> EmbeddedKafka:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()
