"""Processor `branch`: works on a request made from each message and maps the result back into it."""

from __future__ import annotations

from penstock_gateway import branching
from penstock_gateway.branching import BranchFields
from penstock_gateway.message import Batch, Message
from penstock_gateway.registry import Context, Kind, Processor, component


@component("branch", Kind.PROCESSOR, summary="Processes a copy of each message and maps the result back.")
class Branch(BranchFields):
    """Fields as Bento's."""

    def build(self, context: Context) -> Processor:
        """Compile both mappings and build the chain."""
        return BranchProcessor(branching.Branch(self, context))


class BranchProcessor:
    """The original stays as it was where any of the three steps fails."""

    def __init__(self, branch: branching.Branch) -> None:
        self.branch = branch

    async def process(self, batch: Batch) -> list[Batch]:
        """The same batch, each message with its result mapped in or its failure marked."""
        results: list[Message | None] = list(batch)
        found = await self.branch.ask(batch, list(range(len(batch))))
        for n, text in self.branch.overlay(results, found).items():
            results[n] = self.branch.mark(batch[n], text)
        kept = [result for result in results if result is not None]
        return [kept] if kept else []

    async def close(self) -> None:
        """Close the children."""
        await self.branch.chain.close()
