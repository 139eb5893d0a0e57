"""Output `retry`: tries what an output refuses again with backoff, so that the input never hears of it."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel, ConfigDict, Field

from penstock_gateway.around import Around
from penstock_gateway.errors import BatchError, PenstockError, Stopping
from penstock_gateway.message import Batch
from penstock_gateway.registry import Config, Context, Kind, Output, OutputSlot, component
from penstock_gateway.units import Duration


class Pauses(BaseModel):
    """How long to wait between attempts."""

    model_config = ConfigDict(extra="forbid")

    initial_interval: Duration = Field(0.5, description="Pause before the first repetition.")
    max_interval: Duration = Field(3.0, description="Longest pause.")
    max_elapsed_time: Duration = Field(0.0, description="Time after which it gives up; 0s = never.")


@component("retry", Kind.OUTPUT, summary="Tries again what an output refuses.")
class Retry(Config):
    """Fields as Bento's."""

    output: OutputSlot = Field(description="The output to write to.")
    max_retries: int = Field(0, description="Repetitions after which it gives up; 0 = never.", ge=0)
    backoff: Pauses = Field(default_factory=Pauses, description="Pauses between attempts, growing by half each time.")

    def build(self, context: Context) -> Output:
        """Build the output behind."""
        return RetryOutput(context.output(self.output), self, context)


class RetryOutput(Around):
    """Only what was refused is tried again."""

    def __init__(self, output: Output, config: Retry, context: Context) -> None:
        super().__init__(output)
        self.output, self.config, self.context = output, config, context

    async def write(self, batch: Batch) -> None:
        """Returns when everything was taken; raises the last refusal when it gives up."""
        pauses, places = self.config.backoff, list(range(len(batch)))
        pause, attempts, began = pauses.initial_interval, 0, self.context.clock()
        while True:
            try:
                await self.output.write([batch[n] for n in places])
                return
            except Stopping:
                raise
            except PenstockError as error:
                refused = error.failed if isinstance(error, BatchError) else dict.fromkeys(range(len(places)), error)
                left = {places[n]: reason for n, reason in sorted(refused.items())}
            attempts += 1
            elapsed = self.context.clock() - began
            spent = bool(self.config.max_retries and attempts > self.config.max_retries)
            if spent or (pauses.max_elapsed_time and elapsed >= pauses.max_elapsed_time):
                raise BatchError(left)
            places = list(left)
            await asyncio.sleep(pause * (0.5 + self.context.random()))
            pause = min(pauses.max_interval, pause * 1.5)
