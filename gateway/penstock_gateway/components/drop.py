"""Output `drop`: takes everything and throws it away."""

from __future__ import annotations

from penstock_gateway.message import Batch
from penstock_gateway.registry import Config, Context, Kind, Output, component


@component("drop", Kind.OUTPUT, summary="Acknowledges and forgets every message.")
class Drop(Config):
    """No fields."""

    def build(self, context: Context) -> Output:
        """The runtime."""
        return DropOutput()


class DropOutput:
    """Acknowledges at once."""

    max_in_flight = 64

    async def connect(self) -> None:
        """Always there."""

    async def write(self, batch: Batch) -> None:
        """Forget."""

    async def close(self) -> None:
        """Nothing is held."""
