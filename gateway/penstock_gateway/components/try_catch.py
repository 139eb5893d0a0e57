"""Processors `try` (later steps skip messages that failed) and `catch` (runs for messages that failed, and clears the mark)."""

from __future__ import annotations

from pydantic import Field

from penstock_gateway.message import Batch
from penstock_gateway.registry import Config, Context, Kind, Processor, ProcessorSlot, component


@component("try", Kind.PROCESSOR, summary="Runs processors; a message that fails skips the rest.", bare=True)
class Try(Config):
    """The list of processors is the whole configuration."""

    value: list[ProcessorSlot] = Field(description="Steps that a message goes through until one fails.")

    def build(self, context: Context) -> Processor:
        """Build each step by itself."""
        return TryProcessor([context.processors([slot]) for slot in self.value])


@component("catch", Kind.PROCESSOR, summary="Runs processors on messages that failed and clears their mark.", bare=True)
class Catch(Config):
    """The list of processors is the whole configuration."""

    value: list[ProcessorSlot] = Field(description="Steps for failed messages; an empty list only clears the mark.")

    def build(self, context: Context) -> Processor:
        """Build the chain."""
        return CatchProcessor(context.processors(self.value))


class TryProcessor:
    """Messages are tried one by one, as Bento does: a batch of n gives n batches joined again in order."""

    def __init__(self, steps: list[Processor]) -> None:
        self.steps = steps

    async def process(self, batch: Batch) -> list[Batch]:
        """One batch."""
        results: Batch = []
        for message in batch:
            results += await self._one([message])
        return [results] if results else []

    async def _one(self, current: Batch) -> Batch:
        for step in self.steps:
            following: Batch = []
            for message in current:
                if message.failure is not None:
                    following.append(message)
                else:
                    following += [result for part in await step.process([message]) for result in part]
            current = following
        return current

    async def close(self) -> None:
        """Close the children."""
        for step in self.steps:
            await step.close()


class CatchProcessor:
    """Messages without a mark pass untouched; the others are handled one by one without it."""

    def __init__(self, chain: Processor) -> None:
        self.chain = chain

    async def process(self, batch: Batch) -> list[Batch]:
        """One batch, order kept. Inside the chain `error()` still tells what happened; afterwards the mark is gone."""
        results: Batch = []
        for message in batch:
            if message.failure is None:
                results.append(message)
                continue
            caught = message.copy()
            for part in await self.chain.process([caught]):
                for result in part:
                    if result.failure is message.failure:
                        result = result.copy() if result is caught else result
                        result.failure = None
                    results.append(result)
        return [results] if results else []

    async def close(self) -> None:
        """Close the children."""
        await self.chain.close()
