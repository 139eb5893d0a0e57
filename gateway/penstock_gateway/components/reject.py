"""Output `reject`: refuses every message with a text, so that a request is answered 502 and a queue gets it back."""

from __future__ import annotations

from pydantic import Field

from penstock_gateway import language
from penstock_gateway.errors import BatchError, WriteError
from penstock_gateway.message import Batch
from penstock_gateway.registry import Config, Context, Interpolated, Kind, Output, component


@component("reject", Kind.OUTPUT, summary="Refuses every message with a text.", bare=True)
class Reject(Config):
    """The text is the whole configuration."""

    value: Interpolated = Field(description="The reason the input is told.")

    def build(self, context: Context) -> Output:
        """Compile the text."""
        return RejectOutput(context.interpolation(self.value))


class RejectOutput:
    """Always refuses."""

    max_in_flight = 1

    def __init__(self, text: language.Interpolation) -> None:
        self.text = text

    async def connect(self) -> None:
        """Always there."""

    async def write(self, batch: Batch) -> None:
        """Refuse; each message has a reason of its own."""
        reasons: dict[int, Exception] = {}
        for n in range(len(batch)):
            try:
                reasons[n] = WriteError(self.text.evaluate(batch, n))
            except language.EvaluationError as error:
                reasons[n] = WriteError(f"reject message interpolation error: {error}")
        raise BatchError(reasons)

    async def close(self) -> None:
        """Nothing is held."""
