"""Processor `switch`: the first case whose check is true processes the message."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from penstock_gateway import language
from penstock_gateway.message import Batch, Message
from penstock_gateway.registry import Config, Context, Kind, Processor, ProcessorSlot, QueryText, component


class Case(BaseModel):
    """One branch of the switch."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    check: QueryText = Field("", description="True takes the case; an empty check always does.")
    processors: list[ProcessorSlot] = Field(default_factory=list, description="Applied to the messages of the case.")
    fallthrough: bool = Field(False, description="Whether the next case processes the message too.")


@component("switch", Kind.PROCESSOR, summary="Processes each message by the first case that fits.", bare=True)
class Switch(Config):
    """The list of cases is the whole configuration."""

    value: list[Case] = Field(description="Cases in the order in which they are tried.")

    def build(self, context: Context) -> Processor:
        """Compile the checks and build the chains."""
        cases = []
        for n, case in enumerate(self.value):
            check = context.check(case.check, n, "check") if case.check else None
            cases.append(_Case(check, context.processors(case.processors), case.fallthrough))
        return SwitchProcessor(cases, context)


@dataclass(slots=True)
class _Case:
    check: language.Mapping | None
    chain: Processor
    fallthrough: bool


class SwitchProcessor:
    """A failing check marks the message and skips all further cases; the order of the batch is restored."""

    def __init__(self, cases: list[_Case], context: Context) -> None:
        self.cases, self.context = cases, context

    async def process(self, batch: Batch) -> list[Batch]:
        """One batch; messages keep their places, what a case adds stands beside its source."""
        done: list[Batch] = [[] for _ in batch]
        waiting = [(n, message) for n, message in enumerate(batch)]
        falling: list[tuple[int, Batch]] = []
        for case in self.cases:
            taken, waiting = self._split(case, batch, waiting, done)
            mine = sorted([*falling, *((n, [message]) for n, message in taken)], key=lambda pair: pair[0])
            falling = []
            if not mine:
                continue
            for n, results in await _run(case.chain, mine):
                if case.fallthrough:
                    falling.append((n, results))
                else:
                    done[n] += results
        for n, results in falling:
            done[n] += results
        for n, message in waiting:
            done[n].append(message)
        merged = [message for part in done for message in part]
        return [merged] if merged else []

    def _split(
        self, case: _Case, batch: Batch, waiting: list[tuple[int, Message]], done: list[Batch]
    ) -> tuple[list[tuple[int, Message]], list[tuple[int, Message]]]:
        taken: list[tuple[int, Message]] = []
        left: list[tuple[int, Message]] = []
        for n, message in waiting:
            try:
                fits = case.check is None or case.check.check(batch, n)
            except language.EvaluationError as error:
                failed = message.copy()
                failed.failure = self.context.failure(f"failed to execute switch check: {error}")
                done[n].append(failed)
                continue
            (taken if fits else left).append((n, message))
        return taken, left

    async def close(self) -> None:
        """Close the children."""
        for case in self.cases:
            await case.chain.close()


async def _run(chain: Processor, mine: list[tuple[int, Batch]]) -> list[tuple[int, Batch]]:
    """Run the messages of a case as one batch and give each result back to the place its source had."""
    batch: Batch = []
    places: list[int] = []
    for n, messages in mine:
        for message in messages:
            twin = message.copy()
            twin.index = len(places)
            batch.append(twin)
            places.append(n)
    results: dict[int, Batch] = {n: [] for n, _ in mine}
    for part in await chain.process(batch):
        for message in part:
            place = places[message.index] if 0 <= message.index < len(places) else places[-1]
            results[place].append(message)
    return list(results.items())
