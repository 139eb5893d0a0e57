"""Processor `split`: breaks a batch into smaller ones."""

from __future__ import annotations

from pydantic import Field

from penstock_gateway.message import Batch
from penstock_gateway.registry import Config, Context, Kind, Processor, component


@component("split", Kind.PROCESSOR, summary="Breaks a batch into smaller batches.")
class Split(Config):
    """Fields as Bento's."""

    size: int = Field(1, description="Messages per batch; 0 = by bytes only.", ge=0)
    byte_size: int = Field(0, description="Bytes of bodies after which a batch ends; 0 = by count only.", ge=0)

    def build(self, context: Context) -> Processor:
        """The runtime."""
        return SplitProcessor(self.size, self.byte_size)


class SplitProcessor:
    """Order is kept; a batch that is small enough passes as it is."""

    def __init__(self, size: int, byte_size: int) -> None:
        self.size, self.byte_size = size, byte_size

    async def process(self, batch: Batch) -> list[Batch]:
        """One batch or several."""
        if self.byte_size <= 0:
            size = self.size or len(batch)
            return [batch[n : n + size] for n in range(0, len(batch), size)]
        results: list[Batch] = []
        current: Batch = []
        held = 0
        for message in batch:
            length = len(message.raw)
            full = bool(self.size and len(current) >= self.size) or held + length > self.byte_size
            if current and full:
                results.append(current)
                current, held = [], 0
            current.append(message)
            held += length
        return [*results, current] if current else results

    async def close(self) -> None:
        """Nothing is held."""
