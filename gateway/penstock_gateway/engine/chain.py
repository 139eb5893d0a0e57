"""A chain of processors: each batch goes through all of them, one after another; nothing here waits by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penstock_gateway.message import Batch
from penstock_gateway.metrics import ProcessorCounters
from penstock_gateway.registry import Processor


@dataclass(slots=True)
class Step:
    """One processor and what is counted about it."""

    processor: Processor
    counters: ProcessorCounters


class Chain:
    """Processors in a row; itself a Processor."""

    __slots__ = ("steps",)

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = tuple(steps)

    async def process(self, batch: Batch) -> list[Batch]:
        """The batches that come out at the end; none = everything was filtered."""
        batches = [batch]
        for step in self.steps:
            batches = await _apply(step, batches)
            if not batches:
                break
        return batches

    async def close(self) -> None:
        """Close every processor."""
        for step in self.steps:
            await step.processor.close()


async def _apply(step: Step, batches: list[Batch]) -> list[Batch]:
    counters, processor = step.counters, step.processor
    if len(batches) == 1:
        results = await processor.process(batches[0])
        counters.received += len(batches[0])
    else:
        results = []
        for batch in batches:
            results += await processor.process(batch)
            counters.received += len(batch)
    counters.batches_received += len(batches)
    counters.batches_sent += len(results)
    for result in results:
        counters.sent += len(result)
    return results
