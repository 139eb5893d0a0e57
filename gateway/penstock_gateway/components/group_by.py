"""Processors `group_by` (by checks) and `group_by_value` (by a key): split a batch into batches that belong together."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from penstock_gateway import language
from penstock_gateway.message import Batch, Message
from penstock_gateway.per_message import marked
from penstock_gateway.registry import (
    Config,
    Context,
    Interpolated,
    Kind,
    Processor,
    ProcessorSlot,
    QueryText,
    component,
)


class GroupConfig(BaseModel):
    """One group."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    check: QueryText = Field(description="True puts the message into this group.")
    processors: list[ProcessorSlot] = Field(default_factory=list, description="Applied to the group as a batch.")


@component("group_by", Kind.PROCESSOR, summary="Splits a batch into groups by checks.", shape="n:m", bare=True)
class GroupBy(Config):
    """The list of groups is the whole configuration."""

    value: list[GroupConfig] = Field(description="Groups in the order in which they are tried.")

    def build(self, context: Context) -> Processor:
        """Compile the checks and build the chains."""
        groups = [
            _Group(context.check(group.check, n, "check"), context.processors(group.processors))
            for n, group in enumerate(self.value)
        ]
        return GroupByProcessor(groups, context)


@dataclass(slots=True)
class _Group:
    check: language.Mapping
    chain: Processor


class GroupByProcessor:
    """A message goes to the first group whose check is true; those of no group form the last batch."""

    def __init__(self, groups: list[_Group], context: Context) -> None:
        self.groups, self.context = groups, context

    async def process(self, batch: Batch) -> list[Batch]:
        """A batch for each group that has messages, through its processors."""
        members: list[Batch] = [[] for _ in self.groups]
        rest: Batch = []
        for n, message in enumerate(batch):
            place = self._place(batch, n)
            (rest if place is None else members[place]).append(message)
        results: list[Batch] = []
        for group, found in zip(self.groups, members, strict=True):
            if found:
                results += await group.chain.process(found)
        return [*results, rest] if rest else results

    def _place(self, batch: Batch, n: int) -> int | None:
        for place, group in enumerate(self.groups):
            try:
                if group.check.check(batch, n):
                    return place
            except language.EvaluationError as error:  # as in Bento: said in the log, and the group is not taken
                self.context.log.error("group_by could not evaluate the check of group %d: %s", place, error)
        return None

    async def close(self) -> None:
        """Close the children."""
        for group in self.groups:
            await group.chain.close()


@component("group_by_value", Kind.PROCESSOR, summary="Splits a batch into groups of equal value.", shape="n:m")
class GroupByValue(Config):
    """Fields as Bento's."""

    value: Interpolated = Field(description="Messages for which this gives the same text form a batch.")

    def build(self, context: Context) -> Processor:
        """Compile the value."""
        return GroupByValueProcessor(context.interpolation(self.value, "value"), context)


class GroupByValueProcessor:
    """Groups come in the order in which their first message stood; order within a group is kept."""

    def __init__(self, value: language.Interpolation, context: Context) -> None:
        self.value, self.context = value, context

    async def process(self, batch: Batch) -> list[Batch]:
        """A batch for each value; messages whose value cannot be evaluated are marked and go together."""
        groups: dict[str, Batch] = {}
        for n, message in enumerate(batch):
            kept: Message = message
            try:
                value = self.value.evaluate(batch, n)
            except language.EvaluationError as error:
                value = ""
                kept = marked(message, self.context, f"group value interpolation error: {error}")
            groups.setdefault(value, []).append(kept)
        return list(groups.values())

    async def close(self) -> None:
        """Nothing is held."""
