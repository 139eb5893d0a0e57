"""Buffer `memory`: takes messages from the inputs at once and keeps them until the outputs have them, or the process ends."""

from __future__ import annotations

import asyncio
from collections import deque

from pydantic import Field

from penstock_gateway.batching import BatchPolicy
from penstock_gateway.errors import EndOfInput
from penstock_gateway.message import Batch
from penstock_gateway.registry import Buffer, Config, Context, Delivery, Kind, Settle, component


class BufferPolicy(BatchPolicy):
    """A batch policy that has to be switched on."""

    enabled: bool = Field(False, description="Whether messages leave in batches.")

    @property
    def active(self) -> bool:
        """Whether it is on and any trigger is set."""
        return self.enabled and super().active


@component("memory", Kind.BUFFER, summary="Keeps messages in memory; inputs are acknowledged at once.", state="process")
class MemoryBufferConfig(Config):
    """Fields as Bento's. What is in memory when the process ends unexpectedly is lost."""

    limit: int = Field(524_288_000, description="Bytes beyond which inputs have to wait.", ge=1)
    spillover: bool = Field(False, description="Whether messages beyond the limit are dropped, instead of waiting.")
    batch_policy: BufferPolicy = Field(default_factory=BufferPolicy, description="How messages leave.")

    @property
    def batching(self) -> BatchPolicy:
        """Where the engine looks for a policy."""
        return self.batch_policy

    def build(self, context: Context) -> Buffer:
        """The runtime."""
        return MemoryBuffer(self.limit, self.spillover, context)


class MemoryBuffer:
    """Counts what is in it until it is acknowledged behind it; refused batches are sent again."""

    replays = True

    def __init__(self, limit: int, spillover: bool, context: Context) -> None:
        self.limit, self.spillover, self.context = limit, spillover, context
        self._held: deque[tuple[Batch, int]] = deque()
        self._size = 0
        self._ended = False
        self._changed = asyncio.Event()

    async def connect(self) -> None:
        """Always there."""

    async def write(self, batch: Batch) -> None:
        """Returns when there was room; what can never have any, or spills over, is dropped and logged."""
        size = sum(len(message.raw) for message in batch)
        full = self._size + size > self.limit
        if size > self.limit or (full and self.spillover):
            self.context.log.error("%d messages dropped: %d bytes do not fit in the buffer", len(batch), size)
            return
        while self._size + size > self.limit:
            self._changed.clear()
            await self._changed.wait()
        self._size += size
        kept = [message.copy() for message in batch]
        for message in kept:
            message.origin = None  # positions end here: what leaves is batched whatever it came from
        self._held.append((kept, size))
        self._changed.set()

    def end(self) -> None:
        """No more is coming."""
        self._ended = True
        self._changed.set()

    async def read(self) -> list[Delivery]:
        """All that is held; raises EndOfInput when nothing is and nothing is coming."""
        while not self._held:
            if self._ended:
                raise EndOfInput
            self._changed.clear()
            await self._changed.wait()
        taken = [self._held.popleft() for _ in range(len(self._held))]
        return [Delivery(batch, self._settle(size)) for batch, size in taken]

    def _settle(self, size: int) -> Settle:
        def settle(error: Exception | None) -> None:
            self._size -= size
            self._changed.set()

        return settle

    async def close(self) -> None:
        """Forget what is held."""
        if self._held:
            self.context.log.error("%d batches in the buffer are lost", len(self._held))
        self._held.clear()
