"""Processor `while`: runs processors on a batch as long as a check of its first message is true."""

from __future__ import annotations

import asyncio

from pydantic import Field

from penstock_gateway import language
from penstock_gateway.message import Batch
from penstock_gateway.registry import Config, Context, Kind, Processor, ProcessorSlot, QueryText, component


@component("while", Kind.PROCESSOR, summary="Repeats processors on a batch while a check is true.")
class While(Config):
    """Fields as Bento's."""

    at_least_once: bool = Field(False, description="Whether the first round runs without a check.")
    max_loops: int = Field(0, description="How many rounds there may be; 0 = no limit. Reaching it is no error.", ge=0)
    check: QueryText = Field("", description="Asked of the first message before each round.")
    processors: list[ProcessorSlot] = Field(description="Applied to the batch in each round.")

    def build(self, context: Context) -> Processor:
        """Compile the check and build the chain."""
        check = context.check(self.check, "check") if self.check else None
        return WhileProcessor(check, context.processors(self.processors), self, context)


class WhileProcessor:
    """A check that fails counts as false. Each round lets others run, so an endless loop stops only its own batch."""

    def __init__(self, check: language.Mapping | None, chain: Processor, config: While, context: Context) -> None:
        self.check, self.chain, self.config, self.context = check, chain, config, context

    async def process(self, batch: Batch) -> list[Batch]:
        """What the last round left."""
        batches, rounds = [batch], 0
        again = self.config.at_least_once or self._holds(batch)
        while again and not (self.config.max_loops and rounds >= self.config.max_loops):
            batches = [result for current in batches for result in await self.chain.process(current)]
            rounds += 1
            if not batches:
                return []
            again = self._holds(batches[0])
            await asyncio.sleep(0)
        return batches

    def _holds(self, batch: Batch) -> bool:
        if self.check is None:
            return False
        try:
            return self.check.check(batch, 0)
        except language.EvaluationError as error:
            self.context.log.error("while could not evaluate its check: %s", error)
            return False

    async def close(self) -> None:
        """Close the children."""
        await self.chain.close()
