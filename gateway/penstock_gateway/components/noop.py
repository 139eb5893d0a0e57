"""Processor `noop`: passes everything on."""

from __future__ import annotations

from penstock_gateway.message import Batch
from penstock_gateway.registry import Config, Context, Kind, Processor, component


@component("noop", Kind.PROCESSOR, summary="Does nothing; for the place where a processor must stand.")
class Noop(Config):
    """Without fields."""

    def build(self, context: Context) -> Processor:
        """The runtime."""
        return NoopProcessor()


class NoopProcessor:
    """Gives back what it was given."""

    async def process(self, batch: Batch) -> list[Batch]:
        """The same batch."""
        return [batch]

    async def close(self) -> None:
        """Nothing is held."""
