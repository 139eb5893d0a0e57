"""Processors `processors` (a list as one), `for_each` and `parallel` (each message as a batch of its own)."""

from __future__ import annotations

import asyncio

from pydantic import Field

from penstock_gateway.message import Batch
from penstock_gateway.registry import Config, Context, Kind, Processor, ProcessorSlot, component


@component("processors", Kind.PROCESSOR, summary="Runs a list of processors as one.", bare=True)
class Processors(Config):
    """The list of processors is the whole configuration."""

    value: list[ProcessorSlot] = Field(default_factory=list, description="Applied to each batch, one after another.")

    def build(self, context: Context) -> Processor:
        """Build the chain."""
        return context.processors(self.value)


@component("for_each", Kind.PROCESSOR, summary="Runs processors on each message as a batch of its own.", bare=True)
class ForEach(Config):
    """The list of processors is the whole configuration."""

    value: list[ProcessorSlot] = Field(default_factory=list, description="Applied to each message by itself.")

    def build(self, context: Context) -> Processor:
        """Build the chain."""
        return EachProcessor(context.processors(self.value), 1)


@component("parallel", Kind.PROCESSOR, summary="Runs processors on all messages of a batch at the same time.")
class Parallel(Config):
    """Fields as Bento's."""

    cap: int = Field(0, description="How many messages may be under way; 0 = all of the batch.", ge=0)
    processors: list[ProcessorSlot] = Field(description="Applied to each message by itself.")

    def build(self, context: Context) -> Processor:
        """Build the chain."""
        return EachProcessor(context.processors(self.processors), self.cap)


class EachProcessor:
    """Results are joined in the order of the messages they come from, as one batch."""

    def __init__(self, chain: Processor, cap: int) -> None:
        self.chain, self.cap = chain, cap

    async def process(self, batch: Batch) -> list[Batch]:
        """One batch, or none when nothing is left."""
        if self.cap == 1 or len(batch) == 1:
            parts = [await self.chain.process([message]) for message in batch]
        else:
            limit = asyncio.Semaphore(self.cap or len(batch))
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._one([message], limit)) for message in batch]
            parts = [task.result() for task in tasks]
        results = [message for part in parts for result in part for message in result]
        return [results] if results else []

    async def _one(self, batch: Batch, limit: asyncio.Semaphore) -> list[Batch]:
        async with limit:
            return await self.chain.process(batch)

    async def close(self) -> None:
        """Close the children."""
        await self.chain.close()
