"""Input and output `inproc`: what one writes under a name the other reads, within the process; for `penstock run` only."""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

from pydantic import Field

from penstock_gateway.errors import PenstockError, Stopping, WriteError
from penstock_gateway.message import Batch
from penstock_gateway.registry import Config, Context, Delivery, Input, Kind, Output, component

_Entry = tuple[Batch, "asyncio.Future[None]"]
_CHANNELS: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Queue[_Entry]]] = WeakKeyDictionary()


def _channel(name: str) -> asyncio.Queue[_Entry]:
    """The channel of that name in the running loop."""
    channels = _CHANNELS.setdefault(asyncio.get_running_loop(), {})
    return channels.setdefault(name, asyncio.Queue(1))


@component("inproc", Kind.INPUT, summary="Reads what an output inproc writes.", bare=True, host=True)
class InprocInput(Config):
    """The name is the whole configuration."""

    value: str = Field(description="Name of the channel.")

    def build(self, context: Context) -> Input:
        """The runtime."""
        return InprocReader(self.value)


@component("inproc", Kind.OUTPUT, summary="Writes to an input inproc.", bare=True, host=True)
class InprocOutput(Config):
    """The name is the whole configuration."""

    value: str = Field(description="Name of the channel.")

    def build(self, context: Context) -> Output:
        """The runtime."""
        return InprocWriter(self.value)


class InprocReader:
    """A refusal goes back to the writer, whose input sends again."""

    replays = False

    def __init__(self, name: str) -> None:
        self.name = name

    async def connect(self) -> None:
        """A channel is there as soon as somebody names it."""

    async def read(self) -> list[Delivery]:
        """The next batch; one whose writer gave up is left out."""
        while True:
            batch, outcome = await _channel(self.name).get()
            if not outcome.done():
                return [Delivery([message.copy() for message in batch], Settled(outcome))]

    async def close(self) -> None:
        """The channel stays: another stream may read it."""


class InprocWriter:
    """A batch is written when the reader's stream has settled it."""

    max_in_flight = 64

    def __init__(self, name: str) -> None:
        self.name = name
        self._closing = asyncio.Event()

    async def connect(self) -> None:
        """A channel is there as soon as somebody names it."""

    async def write(self, batch: Batch) -> None:
        """Returns when the batch is acknowledged; raises WriteError when it is refused, Stopping when nobody will settle it."""
        outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        handing: asyncio.Future[Any] = asyncio.ensure_future(_channel(self.name).put((batch, outcome)))
        closing: asyncio.Future[Any] = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait([handing, closing], return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait([outcome, closing], return_when=asyncio.FIRST_COMPLETED)
            if not outcome.done():
                raise Stopping
            outcome.result()
        finally:
            handing.cancel()
            closing.cancel()
            outcome.cancel()

    async def close(self) -> None:
        """Nobody waits any more."""
        self._closing.set()


class Settled:
    """Tells the writer what became of its batch."""

    def __init__(self, outcome: asyncio.Future[None]) -> None:
        self.outcome = outcome

    def __call__(self, error: Exception | None) -> None:
        """Once; a writer that gave up is not there any more."""
        if self.outcome.done():
            return
        if error is None:
            self.outcome.set_result(None)
        else:
            self.outcome.set_exception(error if isinstance(error, PenstockError) else WriteError(str(error)))
