"""Processors `bounds_check`, `insert_part` and `select_parts`: which messages a batch consists of."""

from __future__ import annotations

from pydantic import Field

from penstock_gateway import language
from penstock_gateway.message import Batch
from penstock_gateway.per_message import marked, with_raw
from penstock_gateway.registry import Config, Context, Interpolated, Kind, Processor, component


@component(
    "bounds_check",
    Kind.PROCESSOR,
    summary="Drops batches with too few, too many, too small or too large messages.",
    shape="1:n",
)
class BoundsCheck(Config):
    """Fields as Bento's; sizes in bytes."""

    max_part_size: int = Field(1_073_741_824, description="Largest message that passes.")
    min_part_size: int = Field(1, description="Smallest message that passes.")
    max_parts: int = Field(100, description="Most messages a batch may have.")
    min_parts: int = Field(1, description="Fewest messages a batch may have.")

    def build(self, context: Context) -> Processor:
        """The runtime."""
        return BoundsProcessor(self, context)


class BoundsProcessor:
    """One message out of bounds drops its whole batch, as in Bento."""

    def __init__(self, config: BoundsCheck, context: Context) -> None:
        self.config, self.context = config, context

    async def process(self, batch: Batch) -> list[Batch]:
        """The same batch, or none."""
        config = self.config
        if not config.min_parts <= len(batch) <= config.max_parts:
            self.context.log.debug("bounds_check dropped a batch of %d messages", len(batch))
            return []
        for message in batch:
            if not config.min_part_size <= len(message.raw) <= config.max_part_size:
                self.context.log.debug("bounds_check dropped a batch with a message of %d bytes", len(message.raw))
                return []
        return [batch]

    async def close(self) -> None:
        """Nothing is held."""


@component("insert_part", Kind.PROCESSOR, summary="Adds a message to each batch.", shape="n:m")
class InsertPart(Config):
    """Fields as Bento's."""

    index: int = Field(-1, description="Where the new message stands; negative counts from the end, -1 is the end.")
    content: Interpolated = Field("", description="Body of the new message.")

    def build(self, context: Context) -> Processor:
        """Compile the content."""
        return InsertProcessor(self.index, context.interpolation(self.content, "content"), context)


class InsertProcessor:
    """The new message has the metadata of the first of the batch."""

    def __init__(self, index: int, content: language.Interpolation, context: Context) -> None:
        self.index, self.content, self.context = index, content, context

    async def process(self, batch: Batch) -> list[Batch]:
        """The batch with one message more; marked as a whole when the content cannot be evaluated."""
        try:
            raw = self.content.evaluate_bytes(batch, 0)
        except language.EvaluationError as error:
            text = f"content interpolation error: {error}"
            return [[marked(message, self.context, text) for message in batch]]
        added = with_raw(batch[0], raw)
        added.failure = None
        place = self.index if self.index >= 0 else max(0, len(batch) + self.index + 1)
        return [[*batch[:place], added, *batch[place:]]]

    async def close(self) -> None:
        """Nothing is held."""


@component("select_parts", Kind.PROCESSOR, summary="Keeps the messages at some places of a batch.", shape="n:m")
class SelectParts(Config):
    """Fields as Bento's."""

    parts: list[int] = Field(
        default_factory=list,
        description="Places in the order wanted; negative counts from the end, missing is ignored.",
    )

    def build(self, context: Context) -> Processor:
        """The runtime."""
        return SelectProcessor(self.parts)


class SelectProcessor:
    """What is not selected is dropped; a batch of which nothing is selected too."""

    def __init__(self, parts: list[int]) -> None:
        self.parts = parts

    async def process(self, batch: Batch) -> list[Batch]:
        """One batch, or none."""
        count = len(batch)
        results = [batch[place].copy() for place in self.parts if -count <= place < count]
        return [results] if results else []

    async def close(self) -> None:
        """Nothing is held."""
