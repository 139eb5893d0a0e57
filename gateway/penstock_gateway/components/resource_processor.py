"""Processor `resource`: runs a processor that stands in `processor_resources`."""

from __future__ import annotations

from pydantic import Field

from penstock_gateway.message import Batch
from penstock_gateway.registry import Config, Context, Kind, Processor, ProcessorLabel, component


@component("resource", Kind.PROCESSOR, summary="Runs a processor resource.", bare=True)
class Resource(Config):
    """The label is the whole configuration."""

    value: ProcessorLabel = Field(description="Label of the processor resource.", min_length=1)

    def build(self, context: Context) -> Processor:
        """Find the resource."""
        return ResourceProcessor(context.processor(self.value))


class ResourceProcessor:
    """One processor, however many places refer to it: it is closed with the stream."""

    def __init__(self, processor: Processor) -> None:
        self.processor = processor

    async def process(self, batch: Batch) -> list[Batch]:
        """What the resource makes of the batch."""
        return await self.processor.process(batch)

    async def close(self) -> None:
        """The resource is closed by its owner."""
