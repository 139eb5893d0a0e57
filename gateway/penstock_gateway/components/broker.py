"""Input and output `broker`: several inputs as one, and one stream into several outputs by a pattern."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

from pydantic import Field

from penstock_gateway.around import Around
from penstock_gateway.batching import BatchPolicy
from penstock_gateway.errors import BatchError, ConfigError, PenstockError, Stopping
from penstock_gateway.message import Batch
from penstock_gateway.registry import (
    Config,
    Context,
    Input,
    InputGroup,
    InputSlot,
    Kind,
    Output,
    OutputSlot,
    PushInput,
    component,
)
from penstock_gateway.whole_input import Merged, whole_input

Pattern = Literal[
    "fan_out", "fan_out_fail_fast", "fan_out_sequential", "fan_out_sequential_fail_fast", "round_robin", "greedy"
]


@component("broker", Kind.INPUT, summary="Reads several inputs as one.", sharing="shared")
class BrokerInput(Config):
    """Fields as Bento's; the engine runs each child as a source of its own."""

    inputs: list[InputSlot] = Field(description="The inputs to read.", min_length=1)
    copies: int = Field(1, description="How many times each input is made.", ge=1)
    batching: BatchPolicy | None = Field(None, description="Gathers messages of all inputs into batches.")

    def build(self, context: Context) -> Input | InputGroup:
        """The children, of which the engine makes the copies; all of them as one input where they are batched together."""
        if self.batching is not None and self.batching.active:
            return Merged([whole_input(slot, context) for _ in range(self.copies) for slot in self.inputs])
        return Group([context.input(slot) for slot in self.inputs])


class Group:
    """The children of a broker."""

    def __init__(self, children: list[Input | PushInput | InputGroup]) -> None:
        self.children = children


@component("broker", Kind.OUTPUT, summary="Writes to several outputs by a pattern.")
class BrokerOutput(Config):
    """Fields as Bento's."""

    outputs: list[OutputSlot] = Field(description="The outputs to write to.", min_length=1)
    pattern: Pattern = Field(
        "fan_out", description="Who gets a batch: all (fan_out…), one in turn, or whoever is free (greedy)."
    )
    copies: int = Field(1, description="How many times each output is made.", ge=1)
    batching: BatchPolicy | None = Field(None, description="Gathers messages before they are written.")

    def build(self, context: Context) -> Output:
        """Build the children."""
        children = [context.output(slot) for _ in range(self.copies) for slot in self.outputs]
        if self.copies > 1 and any(slot.resolved().spec.clients for slot in self.outputs):
            raise ConfigError("an output that clients connect to cannot be copied", (*context.path, "broker", "copies"))
        if self.pattern == "round_robin":
            return RoundRobin(children)
        if self.pattern == "greedy":
            return Greedy(children)
        return FanOut(children, self.pattern, context.random)


class FanOut(Around):
    """Every child gets every batch; unless failing fast, what a child refuses is tried again there until it is taken."""

    def __init__(self, children: list[Output], pattern: str, random: Callable[[], float]) -> None:
        super().__init__(*children)
        self.sequential = "sequential" in pattern
        self.fail_fast = pattern.endswith("fail_fast")
        self.random = random

    async def write(self, batch: Batch) -> None:
        """Returns when all children have it."""
        if self.sequential:
            for child in self.inner:
                await self._one(child, batch)
            return
        results = await asyncio.gather(*(self._one(child, batch) for child in self.inner), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def _one(self, child: Output, batch: Batch) -> Awaitable[None]:
        return child.write(batch) if self.fail_fast else self._until_taken(child, batch)

    async def _until_taken(self, child: Output, batch: Batch) -> None:
        pause = 0.5
        while batch:
            try:
                await child.write(batch)
                return
            except BatchError as error:
                batch = [batch[n] for n in sorted(error.failed)]
            except Stopping:
                raise
            except PenstockError:
                pass  # the child logs and counts it; it is tried again below
            await asyncio.sleep(pause * (0.5 + self.random()))
            pause = min(1.0, pause * 1.1)


class RoundRobin(Around):
    """Each batch goes to the next child in turn."""

    def __init__(self, children: list[Output]) -> None:
        super().__init__(*children, max_in_flight=sum(child.max_in_flight for child in children))
        self.turn = -1

    async def write(self, batch: Batch) -> None:
        """Returns when the child has it."""
        self.turn = (self.turn + 1) % len(self.inner)
        await self.inner[self.turn].write(batch)


class Greedy(Around):
    """Each batch goes to the child with the fewest writes under way."""

    def __init__(self, children: list[Output]) -> None:
        super().__init__(*children, max_in_flight=sum(child.max_in_flight for child in children))
        self.under_way = [0] * len(children)

    async def write(self, batch: Batch) -> None:
        """Returns when the child has it; raises WriteError when it refuses."""
        chosen = min(range(len(self.inner)), key=self.under_way.__getitem__)
        self.under_way[chosen] += 1
        try:
            await self.inner[chosen].write(batch)
        finally:
            self.under_way[chosen] -= 1
