"""Processors `mapping`, `bloblang` (its older name) and `mutation`: run a mapping on each message."""

from __future__ import annotations

from pydantic import Field

from penstock_gateway import language
from penstock_gateway.message import Batch, Message
from penstock_gateway.registry import Config, Context, Kind, MappingText, Processor, component


@component("bloblang", Kind.PROCESSOR, summary="Older name of `mapping`.", bare=True)
@component("mapping", Kind.PROCESSOR, summary="Makes a new document out of each message.", bare=True)
class Mapping(Config):
    """The text of the mapping is the whole configuration."""

    value: MappingText = Field(
        description="The mapping. What is never assigned passes unchanged; `root = deleted()` drops."
    )

    def build(self, context: Context) -> Processor:
        """Compile the mapping."""
        return MappingProcessor(context.mapping(self.value), context)


@component("mutation", Kind.PROCESSOR, summary="Edits each document in place.", bare=True)
class Mutation(Config):
    """The text of the mapping is the whole configuration."""

    value: MappingText = Field(
        description="The mapping; root starts as the document, and assignments before a failing one stay."
    )

    def build(self, context: Context) -> Processor:
        """Compile the mapping."""
        return MutationProcessor(context.mapping(self.value), context)


class MappingProcessor:
    """A failing message goes on unchanged, with the error marked on it."""

    __slots__ = ("context", "mapping")

    def __init__(self, mapping: language.Mapping, context: Context) -> None:
        self.mapping, self.context = mapping, context

    async def process(self, batch: Batch) -> list[Batch]:
        """One batch, without the messages that were deleted."""
        results: Batch = []
        for index, message in enumerate(batch):
            try:
                result: Message | None = self.mapping.apply(batch, index)
            except language.EvaluationError as error:
                result = message.copy()
                result.failure = self.context.failure(str(error))
            if result is not None:
                results.append(result)
        return [results] if results else []

    async def close(self) -> None:
        """Nothing is held."""


class MutationProcessor(MappingProcessor):
    """As `mapping`, but the document is edited and keeps what was assigned before a failure."""

    __slots__ = ()

    async def process(self, batch: Batch) -> list[Batch]:
        """One batch, without the messages that were deleted."""
        results: Batch = []
        for index, message in enumerate(batch):
            edited = message.copy()
            try:
                result = self.mapping.mutate(edited, batch, index)
            except language.EvaluationError as error:
                edited.failure = self.context.failure(str(error))
                result = edited
            if result is not None:
                results.append(result)
        return [results] if results else []
