"""Processor `retry`: runs processors on a message again and again until nothing in the result has failed."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel, ConfigDict, Field

from penstock_gateway.message import Batch, Message
from penstock_gateway.registry import Config, Context, Kind, Processor, ProcessorSlot, component
from penstock_gateway.units import Duration

_GROWTH = 1.5


class RetryPauses(BaseModel):
    """Pauses between attempts: they grow by half and vary by ± 50 %."""

    model_config = ConfigDict(extra="forbid")

    initial_interval: Duration = Field(0.5, description="The first pause.")
    max_interval: Duration = Field(10.0, description="The longest pause.")
    max_elapsed_time: Duration = Field(60.0, description="When to give up; 0s = never.")


@component("retry", Kind.PROCESSOR, summary="Runs processors until they succeed.", waits=True)
class Retry(Config):
    """Fields as Bento's."""

    backoff: RetryPauses = Field(default_factory=lambda: RetryPauses.model_validate({}), description="Pauses.")
    processors: list[ProcessorSlot] = Field(
        description="Applied to each message by itself, from its original each time."
    )
    parallel: bool = Field(False, description="Whether the messages of a batch are tried at the same time.")
    max_retries: int = Field(0, description="How many attempts may follow the first; 0 = limited by time only.", ge=0)

    def build(self, context: Context) -> Processor:
        """Build the chain."""
        return RetryProcessor(context.processors(self.processors), self, context)


class RetryProcessor:
    """A message that still fails when time or attempts are over goes on as the last attempt left it, marked."""

    def __init__(self, chain: Processor, config: Retry, context: Context) -> None:
        self.chain, self.config, self.context = chain, config, context

    async def process(self, batch: Batch) -> list[Batch]:
        """One batch; the results of each message stand in its place."""
        if self.config.parallel and len(batch) > 1:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._one(message)) for message in batch]
            parts = [task.result() for task in tasks]
        else:
            parts = [await self._one(message) for message in batch]
        results = [message for part in parts for message in part]
        return [results] if results else []

    async def _one(self, message: Message) -> Batch:
        pauses, started = self.config.backoff, self.context.clock()
        interval, attempts = pauses.initial_interval, 0
        while True:
            results = [result for part in await self.chain.process([message]) for result in part]
            failure = next((result.failure for result in results if result.failure is not None), None)
            if failure is None or failure is message.failure:  # a mark it came with is not for these processors to mend
                return results
            attempts += 1
            if self.config.max_retries and attempts > self.config.max_retries:
                self.context.log.debug("retry gives up after %d attempts: %s", attempts, failure.text)
                return results
            pause = interval * (0.5 + self.context.random())
            elapsed = self.context.clock() - started
            if pauses.max_elapsed_time and elapsed + pause > pauses.max_elapsed_time:
                self.context.log.debug("retry gives up after %g s: %s", elapsed, failure.text)
                return results
            await asyncio.sleep(pause)
            interval = min(pauses.max_interval, interval * _GROWTH)

    async def close(self) -> None:
        """Close the children."""
        await self.chain.close()
