"""A running stream: built from its configuration (no I/O), started, watched, drained."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Protocol

from penstock_gateway.config import StreamConfig, leaf_inputs
from penstock_gateway.engine.buffered import Buffered, Entry
from penstock_gateway.engine.chain import Chain
from penstock_gateway.engine.context import EngineContext, Surroundings
from penstock_gateway.engine.mapping_caches import MappingCaches
from penstock_gateway.engine.pipeline import Pipeline
from penstock_gateway.engine.sink import Peer, Sink
from penstock_gateway.engine.source import PushSource, Source
from penstock_gateway.errors import ConfigError, Problem, show_path
from penstock_gateway.registry import Buffer, Component, Delivery, Gate, Kind, Slot

IO_WORKERS = 8
"""Workers of a pipeline with `threads: -1` whose processors wait for something; one is enough for those that only compute."""


class Closes(Protocol):
    """Whatever holds something."""

    async def close(self) -> None:
        """Give it up."""


@dataclass(slots=True, eq=False)
class Instance:
    """One stream. `ready` once a Broadcast stream has read up to the head that it saw at start."""

    config: StreamConfig
    shared: Surroundings
    sources: list[Source | PushSource] = field(default_factory=list)
    buffered: Buffered | None = None
    behind: Source | None = None
    """Reads the buffer, where the stream has one."""
    sink: Sink = field(init=False)
    chain: Chain = field(init=False)
    pipeline: Pipeline = field(init=False)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    started_at: float = 0.0
    _heads: dict[str, int] = field(default_factory=dict)
    _positions: dict[str, int] = field(default_factory=dict)
    _began: bool = False
    _task: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        context = EngineContext(self.shared)
        self.shared.resources = self.config.resources
        self.shared.environment.caches = MappingCaches(context.cache)
        self.sink = context.sink(self.config.output)
        self.chain = context.chain(self.config.processors)
        self.pipeline = Pipeline(self.chain, self.sink, _threads(self.config))
        if self.config.buffer:
            self.buffered = self._add_buffer(context, self.config.buffer)
        self._add_source(context, self.config.input, [], self.buffered or self.pipeline)

    def _add_buffer(self, context: EngineContext, component: Component) -> Buffered:
        """The buffer of the stream, read by a source of its own; the inputs write to what is returned."""
        shared, path = self.shared, show_path(component.path)
        if self.broadcast:
            text = "a buffer forgets positions: set delivery.mode to Compete, or leave the buffer out"
            raise ConfigError([Problem(text, component.path, rule="delivery")])
        buffer: Buffer = component.config.build(context.child(component))
        read = context.batched(component, buffer)
        counters = shared.metrics.input(shared.api, shared.stream, component.label, path)
        peer = Peer(f"buffer {component.name} at {path}", shared.log, shared.clock, shared.random)
        self.behind = Source(read, context.chain([]), self.pipeline, counters, peer)
        return Buffered(buffer)

    def _add_source(self, context: EngineContext, component: Component, above: list[Component], entry: Entry) -> None:
        built: Any = context.raw_input(component)
        children = getattr(built, "children", None)
        if children is not None:
            slots = [slot for slot in component.config.__dict__.get("inputs", []) if isinstance(slot, Slot)]
            for _ in range(getattr(component.config, "copies", 1)):
                for slot in slots:
                    self._add_source(context, slot.resolved(), [*component.processors, *above], entry)
            return
        shared, path = self.shared, show_path(component.path)
        chain = context.chain([*component.processors, *above])
        counters = shared.metrics.input(shared.api, shared.stream, component.label, path)
        peer = Peer(f"input {component.label or component.name} at {path}", shared.log, shared.clock, shared.random)
        if hasattr(built, "read"):
            complete = self._complete if self.broadcast else None
            gated = not self.broadcast and component.spec.sharing == "shared"
            self.sources.append(Source(built, chain, entry, counters, peer, complete, gated=gated))
        else:
            self.sources.append(PushSource(built, chain, entry, counters, peer))

    def _gate(self) -> Gate | None:
        """A Compete stream whose only output is a client outlet reads while somebody listens."""
        only = self.config.output.spec.clients and len(self.shared.outlets) == 1
        return self.shared.outlets[0].wanted if only and not self.config.bare else None

    @property
    def broadcast(self) -> bool:
        """Whether every client gets every message."""
        return self.shared.delivery.mode == "Broadcast"

    # --- Broadcast positions --------------------------------------------------------------------------------------------

    def _complete(self, delivery: Delivery) -> None:
        if delivery.begin is not None:
            self._began = True
            for source, head in delivery.begin.head.items():
                self._heads.setdefault(source, head)
            self._positions.update(delivery.begin.start)
            for outlet in self.shared.outlets:
                outlet.begin(delivery.begin)
        if delivery.position:
            self._positions.update(delivery.position)
            for outlet in self.shared.outlets:
                outlet.advance(delivery.position)

    @property
    def ready(self) -> bool:
        """Whether a new client would find the history it may ask for."""
        if not self.broadcast or all(leaf.spec.positions == "none" for leaf in leaf_inputs(self.config.input)):
            return True
        return self._began and all(self._positions.get(source, 0) >= head for source, head in self._heads.items())

    # --- life -----------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect the outputs and run the inputs; returns at once."""
        self.started_at = self.shared.clock()
        for outlet in self.shared.outlets:
            outlet.open()
        for source in self.sources:
            if isinstance(source, Source) and source.gated:
                source.gate = self._gate()
        for sink in self.shared.sinks:
            await sink.connect()
        self._task = asyncio.create_task(self._run(), name=f"stream {self.shared.api}/{self.shared.stream}")

    async def _run(self) -> None:
        runs = [asyncio.create_task(source.run()) for source in self.sources]
        reading = [asyncio.create_task(self.behind.run())] if self.behind is not None else []
        try:
            await asyncio.gather(*runs)
            if self.buffered is not None:
                self.buffered.buffer.end()
                await asyncio.gather(*reading)
            self.sink.flush()
        finally:
            for run in (*runs, *reading):
                run.cancel()
        self.ended.set()

    async def stop(self, grace: float = 20.0) -> bool:
        """Stop reading, settle what is under way within `grace` seconds, commit, leave; False when that was too short."""
        in_time = True
        for source in self.sources:
            source.stop()
        self.sink.flush()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=grace)
            if not self._task.done():
                in_time = False
                self.shared.log.warning("stopped with unsettled messages after %g s; they will come again", grace)
                self._task.cancel()
                await asyncio.wait({self._task})
        parts: list[Closes] = [
            *self.sources,
            *([self.behind] if self.behind is not None else []),
            self.chain,
            *reversed(self.shared.sinks),
            *reversed(self.shared.built.values()),
        ]
        for part in parts:
            await self._close(part)
        return in_time

    async def _close(self, part: Closes) -> None:
        """One part that cannot close, or that was interrupted in it, does not keep the others from closing."""
        (result,) = await asyncio.gather(part.close(), return_exceptions=True)
        if isinstance(result, BaseException):
            self.shared.log.error("closing %s failed", type(part).__name__, exc_info=result)

    def status(self) -> dict[str, Any]:
        """What `/status` says of the stream: no message, no secret."""
        faults = [source.fault for source in self.sources if source.fault]
        faults += [sink.fault for sink in self.shared.sinks if sink.fault]
        return {
            "name": self.shared.stream,
            "mode": self.shared.delivery.mode,
            "guarantee": self.shared.delivery.guarantee,
            "ready": self.ready,
            "connected": not faults,
            "faults": faults,
            "ended": self.ended.is_set(),
        }


def _threads(config: StreamConfig) -> int:
    if config.threads > 0:
        return config.threads
    waits = any(
        component.spec.waits or component.spec.effects == "external" or component.spec.state == "external"
        for component in config.components()
        if component.spec.kind is Kind.PROCESSOR
    )
    return IO_WORKERS if waits else 1
