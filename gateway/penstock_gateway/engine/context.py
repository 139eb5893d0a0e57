"""What components ask of the engine, answered: compiled language, nested components, resources, routes and outlets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from penstock_gateway import language
from penstock_gateway.batching import BatchPolicy
from penstock_gateway.delivery import DeliveryPlan
from penstock_gateway.engine.batcher import BatchingInput, BatchingOutput, Trigger
from penstock_gateway.engine.chain import Chain, Step
from penstock_gateway.engine.sink import Peer, Sink
from penstock_gateway.errors import ConfigError, Path, Problem, show_path
from penstock_gateway.message import Batch, Failure
from penstock_gateway.metrics import Measure, MeasureSort, Metrics
from penstock_gateway.registry import (
    Begin,
    Cache,
    Component,
    Gate,
    Input,
    InputGroup,
    Kind,
    Outlet,
    OutletOptions,
    Output,
    Processor,
    PushInput,
    RateLimit,
    Route,
    Slot,
)


class Edges(Protocol):
    """Where a stream meets HTTP: given to the engine by whoever assembles the process."""

    def route(self, api: str, stream: str, route: Route) -> Callable[[], None]:
        """Serve a path for a stream; the result takes it away again."""

    def outlet(self, api: str, stream: str, options: OutletOptions, delivery: DeliveryPlan) -> Outlet:
        """The outlet of a stream for these options."""


@dataclass(slots=True, eq=False)
class OutletHandle:
    """An outlet as its component holds it: the outlet itself is taken over when the instance starts, not when it is built."""

    open_outlet: Callable[[], Outlet]
    outlet: Outlet | None = None

    def open(self) -> None:
        """Take the outlet over from whoever wrote to it before."""
        self.outlet = self.open_outlet()

    @property
    def _opened(self) -> Outlet:
        if self.outlet is None:
            raise AssertionError("the outlet is used before the instance has started")
        return self.outlet

    @property
    def wanted(self) -> Gate:
        """Whether clients are there."""
        return self._opened.wanted

    async def write(self, batch: Batch) -> None:
        """See `registry.Outlet`."""
        await self._opened.write(batch)

    def begin(self, begin: Begin) -> None:
        """See `registry.Outlet`."""
        self._opened.begin(begin)

    def advance(self, position: Mapping[str, int]) -> None:
        """See `registry.Outlet`."""
        self._opened.advance(position)


@dataclass(slots=True)
class Surroundings:
    """What all components of one stream share."""

    api: str
    stream: str
    delivery: DeliveryPlan
    environment: language.Environment
    metrics: Metrics
    edges: Edges
    clock: Callable[[], float]
    random: Callable[[], float]
    resources: dict[Kind, dict[str, Component]] = field(default_factory=dict)
    built: dict[tuple[Kind, str], Any] = field(default_factory=dict)
    building: set[tuple[Kind, str]] = field(default_factory=set)
    outlets: list[OutletHandle] = field(default_factory=list)
    sinks: list[Sink] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def log(self) -> logging.Logger:
        """The logger of the stream."""
        return logging.getLogger(f"penstock.stream.{self.api}/{self.stream}")


class EngineContext:
    """The context of one component (see `registry.Context`)."""

    def __init__(self, shared: Surroundings, path: Path = (), label: str = "", name: str = "") -> None:
        self.shared, self.path, self.label, self.name = shared, path, label, name
        self.log = shared.log
        self.broadcast = shared.delivery.mode == "Broadcast"
        self.history = shared.delivery.history

    def child(self, component: Component) -> EngineContext:
        """The context of a component below."""
        return EngineContext(self.shared, component.path, component.label, component.name)

    def clock(self) -> float:
        """Seconds of the loop's clock."""
        return self.shared.clock()

    def random(self) -> float:
        """A number in [0, 1)."""
        return self.shared.random()

    def failure(self, text: str) -> Failure:
        """An error mark that names this component; the path as Bento writes it."""
        return Failure(text, self.label, self.name, dotted(self.path))

    # --- language -------------------------------------------------------------------------------------------------------

    def mapping(self, text: str, *field_path: str | int) -> language.Mapping:
        """Compile a mapping."""
        try:
            return language.compile_mapping(text, environment=self.shared.environment)
        except language.ParseError as error:
            raise self._mistake(error, field_path) from error

    def check(self, text: str, *field_path: str | int) -> language.Mapping:
        """Compile a check: a mapping whose `check` gives a bool."""
        return self.mapping(text, *field_path)

    def interpolation(self, text: str, *field_path: str | int) -> language.Interpolation:
        """Compile text with `${! … }` in it."""
        try:
            return language.compile_interpolation(text, environment=self.shared.environment)
        except language.ParseError as error:
            raise self._mistake(error, field_path) from error

    def _mistake(self, error: language.ParseError, field_path: tuple[str | int, ...]) -> ConfigError:
        return ConfigError([Problem(str(error), (*self.path, self.name, *field_path), rule="mapping")])

    # --- components -----------------------------------------------------------------------------------------------------

    def processors(self, slots: list[Slot]) -> Chain:
        """A chain of the slots' processors."""
        return self.chain([slot.resolved() for slot in slots])

    def chain(self, components: list[Component]) -> Chain:
        """A chain of processors, each counted by itself."""
        shared = self.shared
        steps = []
        for component in components:
            processor: Processor = component.config.build(self.child(component))
            counters = shared.metrics.processor(shared.api, shared.stream, component.label, show_path(component.path))
            steps.append(Step(processor, counters))
        return Chain(steps)

    def input(self, slot: Slot) -> Input | PushInput | InputGroup:
        """The runtime of an input, without its processors."""
        return self.raw_input(slot.resolved())

    def raw_input(self, component: Component) -> Input | PushInput | InputGroup:
        """The runtime of an input with its batch policy applied."""
        built: Input | PushInput | InputGroup = self.batched(component, component.config.build(self.child(component)))
        return built

    def batched(self, component: Component, built: Any) -> Any:
        """An input, or a buffer, with the batch policy of its configuration applied."""
        context = self.child(component)
        policy = getattr(component.config, "batching", None)
        if not isinstance(policy, BatchPolicy) or not policy.active:
            return built
        if not hasattr(built, "read"):
            text = f"batching of the input {component.name} is not supported yet: batch at the output"
            raise ConfigError([Problem(text, (*component.path, component.name, "batching"), rule="not-supported")])
        chain = context.processors(policy.processors)
        return BatchingInput(built, lambda: context.trigger(policy), chain, self.random)

    def trigger(self, policy: BatchPolicy) -> Trigger:
        """The trigger of a batch policy, its check compiled."""
        if not policy.check:
            return Trigger(policy)
        return Trigger(policy, self.check(policy.check, "batching", "check").check)

    def output(self, slot: Slot) -> Sink:
        """The runtime of an output."""
        return self.sink(slot.resolved())

    def sink(self, component: Component) -> Sink:
        """The runtime of an output with its batch policy, processors, in-flight limit and reconnection applied."""
        shared, context = self.shared, self.child(component)
        output: Output = component.config.build(context)
        policy = getattr(component.config, "batching", None)
        if isinstance(policy, BatchPolicy) and policy.active:
            output = BatchingOutput(output, context.trigger(policy), context.processors(policy.processors), self.random)
        path = show_path(component.path)
        counters = shared.metrics.output(shared.api, shared.stream, component.label, path)
        peer = Peer(f"output {component.label or component.name} at {path}", self.log, self.clock, self.random)
        sink = Sink(output, context.chain(component.processors), counters, peer)
        shared.sinks.append(sink)
        return sink

    def cache(self, label: str) -> Cache:
        """The cache resource of that label, built when it is first asked for."""
        cache: Cache = self._shared_resource(Kind.CACHE, label, self._build)
        return cache

    def rate_limit(self, label: str) -> RateLimit:
        """The rate limit resource of that label."""
        limit: RateLimit = self._shared_resource(Kind.RATE_LIMIT, label, self._build)
        return limit

    def processor(self, label: str) -> Processor:
        """The processor resource of that label; closed with the stream, not by who uses it."""
        processor: Processor = self._shared_resource(Kind.PROCESSOR, label, lambda component: self.chain([component]))
        return processor

    def resource(self, kind: Kind, label: str) -> Component:
        """The declaration of a resource."""
        found = self.shared.resources.get(kind, {}).get(label)
        if found is None:
            raise ConfigError(f"{kind} resource '{label}' was not found: add it to {kind}_resources", self.path)
        return found

    def _build(self, component: Component) -> Any:
        return component.config.build(self.child(component))

    def _shared_resource(self, kind: Kind, label: str, build: Callable[[Component], Any]) -> Any:
        built, key = self.shared.built, (kind, label)
        if key not in built:
            component = self.resource(kind, label)
            if key in self.shared.building:
                raise ConfigError(f"{kind} resource '{label}' contains itself", component.path)
            self.shared.building.add(key)
            built[key] = build(component)
            self.shared.building.discard(key)
        return built[key]

    def file(self, name: str, *field_path: str | int) -> bytes:
        """The content of a file the stream may read."""
        read = self.shared.environment.files
        place, reason = (*self.path, self.name, *field_path), "no such file"
        if read is not None:
            try:
                return read(name)
            except (OSError, KeyError) as error:
                reason = getattr(error, "strerror", None) or reason
        raise ConfigError(f"file {name} cannot be read: {reason}", place)

    def measure(self, name: str, sort: MeasureSort) -> Measure:
        """The metric of that name that a configuration asks for."""
        return self.shared.metrics.measure(self.shared.api, self.shared.stream, name, sort)

    # --- HTTP -----------------------------------------------------------------------------------------------------------

    def route(self, route: Route) -> Callable[[], None]:
        """Serve a path."""
        return self.shared.edges.route(self.shared.api, self.shared.stream, route)

    def outlet(self, options: OutletOptions) -> Outlet:
        """The outlet of this stream for these options."""
        shared = self.shared
        handle = OutletHandle(lambda: shared.edges.outlet(shared.api, shared.stream, options, shared.delivery))
        shared.outlets.append(handle)
        return handle


def dotted(path: Path) -> str:
    """`("pipeline", "processors", 0)` as `root.pipeline.processors.0`, Bento's way to write a path."""
    return ".".join(("root", *(str(part) for part in path)))
