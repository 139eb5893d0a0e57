"""Output and processor `sync_response`: what they get becomes the answer to the request a message came from."""

from __future__ import annotations

from penstock_gateway.message import Batch
from penstock_gateway.registry import Config, Context, Kind, Output, Processor, component


def _store(batch: Batch) -> None:
    reply = next((message.reply for message in batch if message.reply is not None), None)
    if reply is not None:
        reply.batches.append([message.copy() for message in batch])


@component("sync_response", Kind.OUTPUT, summary="Answers the request that a message came from; nothing elsewhere.")
class SyncResponseOutput(Config):
    """No fields."""

    def build(self, context: Context) -> Output:
        """The runtime."""
        return _Output()


@component("sync_response", Kind.PROCESSOR, summary="Stores the batch as the answer to its request and passes it on.")
class SyncResponseProcessor(Config):
    """No fields."""

    def build(self, context: Context) -> Processor:
        """The runtime."""
        return _Processor()


class _Output:
    """Always acknowledges."""

    max_in_flight = 64

    async def connect(self) -> None:
        """Always there."""

    async def write(self, batch: Batch) -> None:
        """Store the answer."""
        _store(batch)

    async def close(self) -> None:
        """Nothing is held."""


class _Processor:
    """Passes batches through."""

    async def process(self, batch: Batch) -> list[Batch]:
        """The same batch."""
        _store(batch)
        return [batch]

    async def close(self) -> None:
        """Nothing is held."""
