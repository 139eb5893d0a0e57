"""Output `switch`: each message goes to the first output whose check is true."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from penstock_gateway import language
from penstock_gateway.around import Around
from penstock_gateway.errors import BatchError, PenstockError, Stopping, WriteError
from penstock_gateway.message import Batch
from penstock_gateway.registry import Config, Context, Kind, Output, OutputSlot, QueryText, component


class Case(BaseModel):
    """One way out."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    check: QueryText = Field("", description="True takes the case; an empty check always does.")
    output: OutputSlot = Field(description="Where the messages of the case go.")
    continue_: bool = Field(False, alias="continue", description="Whether later cases are tried too.")


@component("switch", Kind.OUTPUT, summary="Routes each message to the first output whose check is true.")
class Switch(Config):
    """Fields as Bento's. A message that no case takes is dropped, or refused in strict mode."""

    cases: list[Case] = Field(description="Cases in the order in which they are tried.", min_length=2)
    retry_until_success: bool = Field(
        False, description="Whether what an output refuses is tried again there for ever."
    )
    strict_mode: bool = Field(False, description="Whether a message without a case is refused instead of dropped.")
    max_in_flight: int = Field(64, description="Writes under way at a time (deprecated in Bento).", ge=1)

    def build(self, context: Context) -> Output:
        """Compile the checks and build the outputs."""
        cases = []
        for n, case in enumerate(self.cases):
            check = context.check(case.check, "cases", n, "check") if case.check else None
            cases.append(_Case(check, context.output(case.output), case.continue_))
        return SwitchOutput(cases, self, context)


@dataclass(slots=True)
class _Case:
    check: language.Mapping | None
    output: Output
    goes_on: bool


class SwitchOutput(Around):
    """A check that fails counts as no match, and the next case is tried."""

    def __init__(self, cases: list[_Case], config: Switch, context: Context) -> None:
        super().__init__(*(case.output for case in cases), max_in_flight=config.max_in_flight)
        self.cases, self.config, self.context = cases, config, context

    async def write(self, batch: Batch) -> None:
        """Returns when every chosen output has its messages."""
        routed, failed = self._route(batch)
        parts = [(case, places) for case, places in zip(self.cases, routed, strict=True) if places]
        results = await asyncio.gather(
            *(self._one(case.output, [batch[n] for n in places]) for case, places in parts), return_exceptions=True
        )
        for (_, places), result in zip(parts, results, strict=True):
            if isinstance(result, BatchError):
                failed |= {places[n]: reason for n, reason in result.failed.items()}
            elif isinstance(result, WriteError):
                failed |= dict.fromkeys(places, result)
            elif isinstance(result, BaseException):
                raise result
        if failed:
            raise BatchError(failed)

    def _route(self, batch: Batch) -> tuple[list[list[int]], dict[int, Exception]]:
        routed: list[list[int]] = [[] for _ in self.cases]
        failed: dict[int, Exception] = {}
        for n in range(len(batch)):
            matched = False
            for place, case in enumerate(self.cases):
                if self._fits(case, batch, n):
                    routed[place].append(n)
                    matched = True
                    if not case.goes_on:
                        break
            if not matched and self.config.strict_mode:
                failed[n] = WriteError("no switch output conditions were met by message")
        return routed, failed

    def _fits(self, case: _Case, batch: Batch, n: int) -> bool:
        if case.check is None:
            return True
        try:
            return case.check.check(batch, n)
        except language.EvaluationError as error:
            self.context.log.error("Failed to test case: %s", error)
            return False

    async def _one(self, output: Output, batch: Batch) -> None:
        while True:
            try:
                await output.write(batch)
                return
            except Stopping:
                raise
            except PenstockError as error:
                if not self.config.retry_until_success:
                    raise
                if isinstance(error, BatchError):
                    batch = [batch[n] for n in sorted(error.failed)]
                await asyncio.sleep(0.5 + 0.5 * self.context.random())
