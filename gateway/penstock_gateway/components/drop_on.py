"""Output `drop_on`: drops what an output refuses, or takes too long to take, instead of telling the input."""

from __future__ import annotations

import asyncio
from typing import Any

import re2
from pydantic import Field, field_validator

from penstock_gateway.around import Around
from penstock_gateway.errors import BatchError, PenstockError, Stopping
from penstock_gateway.message import Batch
from penstock_gateway.registry import Config, Context, Kind, Output, OutputSlot, component
from penstock_gateway.units import Duration


@component("drop_on", Kind.OUTPUT, summary="Drops messages that an output refuses or blocks.")
class DropOn(Config):
    """Fields as Bento's."""

    output: OutputSlot = Field(description="The output to write to.")
    error: bool = Field(False, description="Whether every refusal drops.")
    error_patterns: list[str] = Field(default_factory=list, description="Refusals that match one of these (RE2) drop.")
    back_pressure: Duration | None = Field(None, description="Time to wait for the output before a batch is dropped.")

    @field_validator("error_patterns")
    @classmethod
    def _are_patterns(cls, patterns: list[str]) -> list[str]:
        for pattern in patterns:
            try:
                re2.compile(pattern)  # type: ignore[no-untyped-call]  # the package has no types
            except re2.error as error:
                raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
        return patterns

    def build(self, context: Context) -> Output:
        """Build the output behind."""
        return DropOnOutput(context.output(self.output), self, context)


class DropOnOutput(Around):
    """What is dropped is logged with the reason."""

    def __init__(self, output: Output, config: DropOn, context: Context) -> None:
        super().__init__(output)
        self.output, self.config, self.context = output, config, context
        self.patterns: list[Any] = [re2.compile(pattern) for pattern in config.error_patterns]  # type: ignore[no-untyped-call]

    async def write(self, batch: Batch) -> None:
        """Returns when each message was taken or dropped; raises the refusals that do not drop."""
        try:
            if self.config.back_pressure is None:
                await self.output.write(batch)
            else:
                await asyncio.wait_for(self.output.write(batch), self.config.back_pressure)
        except TimeoutError:
            self.context.log.warning("%d messages dropped: the output did not take them in time", len(batch))
        except Stopping:
            raise
        except PenstockError as error:
            self._judge(batch, error)

    def _judge(self, batch: Batch, error: PenstockError) -> None:
        refused = error.failed if isinstance(error, BatchError) else dict.fromkeys(range(len(batch)), error)
        kept = {n: reason for n, reason in refused.items() if not self._drops(str(reason))}
        if len(kept) < len(refused):
            self.context.log.warning("%d messages dropped: %s", len(refused) - len(kept), error)
        if kept:
            raise BatchError(kept)

    def _drops(self, reason: str) -> bool:
        return self.config.error or any(pattern.search(reason) for pattern in self.patterns)
