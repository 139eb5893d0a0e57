"""Where sources hand their batches: the pipeline itself, or a buffer in front of it that takes them at once."""

from __future__ import annotations

import asyncio
from typing import Protocol

from penstock_gateway.engine.pipeline import Refusal
from penstock_gateway.errors import WriteError
from penstock_gateway.message import Batch
from penstock_gateway.registry import Buffer, Delivery


class Entry(Protocol):
    """What a source needs of whatever comes after it."""

    async def enter(self) -> None:
        """Wait until one more batch may be run; `run` gives the place back."""

    async def run(self, delivery: Delivery, batch: Batch) -> Refusal | None:
        """Returns when the batch is taken (None) or refused."""

    def flush(self) -> None:
        """A source has ended: nothing is held back any more."""


class Buffered:
    """Writes to a buffer, one batch at a time, so that their order is kept; a batch in the buffer counts as taken."""

    def __init__(self, buffer: Buffer) -> None:
        self.buffer = buffer
        self._worker = asyncio.Semaphore(1)

    async def enter(self) -> None:
        """Wait for the batch before."""
        await self._worker.acquire()

    async def run(self, delivery: Delivery, batch: Batch) -> Refusal | None:
        """Keep the batch."""
        try:
            delivery.begun = True
            if batch:
                await self.buffer.write(batch)
        except WriteError as error:
            return Refusal(list(range(len(batch))), error)
        finally:
            self._worker.release()
        return None

    def flush(self) -> None:
        """The buffer learns of the end when all sources have ended."""
