"""Processor `sleep`: holds each message back for a while."""

from __future__ import annotations

import asyncio

from pydantic import Field

from penstock_gateway import language
from penstock_gateway.message import Batch
from penstock_gateway.registry import Config, Context, Interpolated, Kind, Processor, component
from penstock_gateway.units import parse_duration


@component("sleep", Kind.PROCESSOR, summary="Waits a time for each message of a batch.", waits=True)
class Sleep(Config):
    """Fields as Bento's."""

    duration: Interpolated = Field(description="How long to wait, as a Go duration; may differ for each message.")

    def build(self, context: Context) -> Processor:
        """Compile the duration."""
        return SleepProcessor(context.interpolation(self.duration, "duration"), context)


class SleepProcessor:
    """A duration that cannot be read is logged, and nothing is waited for."""

    def __init__(self, duration: language.Interpolation, context: Context) -> None:
        self.duration, self.context = duration, context

    async def process(self, batch: Batch) -> list[Batch]:
        """The same batch, later."""
        for n in range(len(batch)):
            try:
                await asyncio.sleep(max(0.0, parse_duration(self.duration.evaluate(batch, n))))
            except (language.EvaluationError, ValueError) as error:
                self.context.log.error("sleep could not read its duration: %s", error)
        return [batch]

    async def close(self) -> None:
        """Nothing is held."""
