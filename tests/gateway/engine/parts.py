"""Small real inputs and outputs for tests of the engine: scripted, in memory, without a mock library."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from penstock_gateway.engine.chain import Chain
from penstock_gateway.engine.pipeline import Pipeline
from penstock_gateway.engine.sink import Peer, Sink
from penstock_gateway.engine.source import Source
from penstock_gateway.errors import EndOfInput
from penstock_gateway.message import Batch, Message
from penstock_gateway.metrics import InputCounters, OutputCounters
from penstock_gateway.registry import Delivery, Output


def peer(name: str = "part") -> Peer:
    return Peer(name, logging.getLogger("test"), lambda: asyncio.get_running_loop().time(), lambda: 0.5)


@dataclass
class Script:
    """An input that hands over the given batches and ends; remembers how each was settled."""

    batches: list[list[str]]
    replays: bool = True
    connect_errors: list[Exception] = field(default_factory=list)
    settled: dict[int, Exception | None] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)
    connects: int = 0
    endless: bool = False

    async def connect(self) -> None:
        self.connects += 1
        if self.connect_errors:
            raise self.connect_errors.pop(0)

    async def read(self) -> list[Delivery]:
        n = len(self.deliveries)
        if n >= len(self.batches):
            if self.endless:
                await asyncio.Event().wait()
            raise EndOfInput
        delivery = Delivery([Message(text.encode()) for text in self.batches[n]], self._settle(n))
        self.deliveries.append(delivery)
        return [delivery]

    def _settle(self, n: int) -> Callable[[Exception | None], None]:
        def settle(error: Exception | None) -> None:
            assert n not in self.settled, "settled twice"
            self.settled[n] = error

        return settle

    async def close(self) -> None:
        pass


@dataclass
class Memory:
    """An output that keeps what it gets; `refuse` may raise for a batch before it is kept, `hold` lets writes wait."""

    max_in_flight: int = 64
    refuse: Callable[[list[str]], None] = lambda texts: None
    hold: asyncio.Event | None = None
    written: list[list[str]] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    connect_errors: list[Exception] = field(default_factory=list)
    closed: bool = False

    async def connect(self) -> None:
        if self.connect_errors:
            raise self.connect_errors.pop(0)

    async def write(self, batch: Batch) -> None:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            if self.hold is not None:
                await self.hold.wait()
            texts = [message.raw.decode() for message in batch]
            self.refuse(texts)
            self.written.append(texts)
        finally:
            self.under_way -= 1

    async def close(self) -> None:
        self.closed = True

    @property
    def texts(self) -> list[str]:
        return [text for batch in self.written for text in batch]


def sink_of(output: Output) -> Sink:
    return Sink(output, Chain([]), OutputCounters(), peer("output"))


def source_of(script: Script, sink: Sink, *, threads: int = 1, chain: Chain | None = None) -> Source:
    pipeline = Pipeline(chain or Chain([]), sink, threads)
    return Source(script, Chain([]), pipeline, InputCounters(), peer("input"))


async def run(script: Script, output: Output, **options: object) -> Source:
    """Run a script to its end through a sink."""
    sink = sink_of(output)
    source = source_of(script, sink, **options)  # type: ignore[arg-type]  # passed on as given
    await sink.connect()
    await asyncio.wait_for(source.run(), 20)
    await sink.close()
    return source


def once(errors: Iterable[Exception]) -> Callable[[list[str]], None]:
    """Refuses with each error in turn, then takes everything."""
    waiting = list(errors)

    def refuse(texts: list[str]) -> None:
        if waiting:
            raise waiting.pop(0)

    return refuse
