"""The registry of components: how one is declared, and what it may ask of the engine.

A component is a pydantic configuration class whose field descriptions are its manual, a runtime class, and one decorator:

    @component("split", Kind.PROCESSOR, summary="Breaks a batch into smaller ones.", shape="1:n")
    class Split(Config):
        size: int = Field(1, description="Messages per batch; 0 = no limit by count.", ge=0)

        def build(self, context: Context) -> Processor:
            return SplitProcessor(self.size)

Three phases: *validate* (the pydantic class, pure), *build* (no I/O, spawns nothing), *connect* (I/O). Fields that hold another
component are `ProcessorSlot`, `InputSlot`, `OutputSlot`; fields that hold language text are `MappingText`, `QueryText` and
`Interpolated`: lint, schema and docs know them by their annotations.

From the declaration come validation, JSON schema, docs, lint rules, and the facts that decide delivery:

* inputs: `positions` none | vector (may a client resume by position?), `sharing` shared | push | singleton
* processors: `shape` 1:1 | 1:n | n:m, `state` none | process | external, `effects` none | external
* `host`: reads the host or runs programs; exists for `penstock run` and is refused in every StreamAPI.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, ConfigDict
from pydantic_core import core_schema

from penstock_gateway.border import Channel as Channel
from penstock_gateway.border import Cors as Cors
from penstock_gateway.border import OutletOptions as OutletOptions
from penstock_gateway.border import Request as Request
from penstock_gateway.border import Response as Response
from penstock_gateway.border import Route as Route
from penstock_gateway.errors import Path
from penstock_gateway.message import Batch, Failure

if TYPE_CHECKING:
    import logging

    from penstock_gateway import language
    from penstock_gateway.metrics import Measure, MeasureSort

C = TypeVar("C", bound="type[Config]")


class Kind(enum.StrEnum):
    """What a component can be; the values are the keys of a Bento configuration."""

    INPUT = "input"
    OUTPUT = "output"
    PROCESSOR = "processor"
    CACHE = "cache"
    RATE_LIMIT = "rate_limit"
    BUFFER = "buffer"
    SCANNER = "scanner"
    METRICS = "metrics"
    TRACER = "tracer"


@dataclass(frozen=True, slots=True)
class Text:
    """Marks a string field as language text: `mapping`, `query` (one expression) or `interpolated` (`${! … }` inside text)."""

    form: Literal["mapping", "query", "interpolated"]


@dataclass(frozen=True, slots=True)
class HostOnly:
    """Marks a field that reaches for the host (a listener of its own, a file): for `penstock run`, refused in a StreamAPI."""

    advice: str


MappingText = Annotated[str, Text("mapping")]
QueryText = Annotated[str, Text("query")]
Interpolated = Annotated[str, Text("interpolated")]


@dataclass(frozen=True, slots=True)
class LabelOf:
    """Marks a field (a text or a list of them) as the label of a resource of that kind."""

    kind: Kind


CacheLabel = Annotated[str, LabelOf(Kind.CACHE)]
RateLimitLabel = Annotated[str, LabelOf(Kind.RATE_LIMIT)]
ProcessorLabel = Annotated[str, LabelOf(Kind.PROCESSOR)]


class Slot:
    """A place in a configuration for another component: the raw data first, the resolved `component` after `config.resolve`."""

    __slots__ = ("component", "data", "kind")

    def __init__(self, kind: Kind, data: Any) -> None:
        self.kind, self.data = kind, data
        self.component: Component | None = None

    def resolved(self) -> Component:
        """The component; only configurations that went through `config` are ever built."""
        if self.component is None:
            raise AssertionError(f"{self.kind} slot was never resolved")
        return self.component


@dataclass(frozen=True, slots=True)
class SlotOf:
    """The annotation that makes a field a slot for one kind of component."""

    kind: Kind

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        def wrap(data: Any) -> Slot:
            return data if isinstance(data, Slot) else Slot(self.kind, data)

        return core_schema.no_info_plain_validator_function(wrap)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return {"x-slot": self.kind.value}


ProcessorSlot = Annotated[Slot, SlotOf(Kind.PROCESSOR)]
InputSlot = Annotated[Slot, SlotOf(Kind.INPUT)]
OutputSlot = Annotated[Slot, SlotOf(Kind.OUTPUT)]


class Config(BaseModel):
    """The configuration of a component. A component whose whole configuration is one list or one text (`try`, `mapping`)
    declares a single field named `value` and `bare=True` in its decorator."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    def build(self, context: Context) -> Any:
        """The runtime object: an Input, PushInput, Output, Processor or Cache. No I/O here."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Spec:
    """What the decorator declared about a component."""

    name: str
    kind: Kind
    config: type[Config]
    summary: str
    bare: bool = False
    host: bool = False
    positions: Literal["none", "vector"] = "none"
    sharing: Literal["shared", "push", "singleton"] = "singleton"
    shape: Literal["1:1", "1:n", "n:m"] = "1:1"
    state: Literal["none", "process", "external"] = "none"
    effects: Literal["none", "external"] = "none"
    waits: bool = False  # a processor that waits for something: several workers pay off
    clients: bool = False  # an output whose peer is a client of the gateway (http_server)
    status: Literal["stable", "beta", "experimental", "deprecated"] = "stable"
    examples: tuple[str, ...] = ()


@dataclass(slots=True)
class Component:
    """One component of a loaded configuration: its declaration, its validated fields and where it stands."""

    spec: Spec
    config: Config
    path: Path
    label: str = ""
    processors: list[Component] = field(default_factory=list)  # inputs and outputs may carry some

    @property
    def name(self) -> str:
        """The YAML key of the component."""
        return self.spec.name


_SPECS: dict[Kind, dict[str, Spec]] = {kind: {} for kind in Kind}


def component(name: str, kind: Kind, *, summary: str, **facts: Any) -> Callable[[C], C]:
    """Declare a configuration class as the component `name`; `facts` are fields of `Spec`."""

    def declare(config: C) -> C:
        if name in _SPECS[kind]:
            raise AssertionError(f"{kind} {name} is declared twice")
        _SPECS[kind][name] = Spec(name, kind, config, summary, **facts)
        return config

    return declare


def specs(kind: Kind) -> Mapping[str, Spec]:
    """All components of a kind by name."""
    return _SPECS[kind]


# --- what authors write -------------------------------------------------------------------------------------------------


Settle = Callable[[Exception | None], None]


@dataclass(frozen=True, slots=True)
class Begin:
    """An input with positions says where it starts, again whenever its sources change or it had to jump.

    `start`: source → first offset it will read; `head`: source → end of the log as seen now (ready once passed);
    `epochs`: topic → an id that changes when the topic is made anew. A start beyond what was read before is a gap.
    """

    start: Mapping[str, int]
    head: Mapping[str, int]
    epochs: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Delivery:
    """One batch as an input hands it over: a transaction. `settle(None)` acknowledges, `settle(error)` refuses; called once.

    `position` is set by inputs with positions: for each source in this batch the offset that comes after it. `begin` comes alone, before
    the first messages of new sources. An input sets `withdrawn` when the batch is not its own any more (a partition was revoked): what no
    output has begun is dropped; the engine sets `begun` right before the first write.
    """

    messages: Batch
    settle: Settle
    position: Mapping[str, int] | None = None
    begin: Begin | None = None
    withdrawn: bool = False
    begun: bool = False


class Input(Protocol):
    """Reads from somewhere. The engine connects (again, with backoff), reads in a loop, replays what was refused, and closes."""

    @property
    def replays(self) -> bool:
        """True: the engine sends a refused batch again from memory. False: the refusal goes to `settle`."""

    async def connect(self) -> None:
        """Reach the peer; raises NotConnected."""

    async def read(self) -> list[Delivery]:
        """The next wave. Raises NotConnected (connect again) or EndOfInput (finished). Must be cancellable without loss."""

    async def close(self) -> None:
        """Commit what is settled and leave. No `read` is under way."""


Emit = Callable[[Batch], Awaitable[None]]
"""Runs a batch through pipeline and outputs in the caller's task; returns when acknowledged, raises Rejected when refused."""


class InputGroup(Protocol):
    """Several inputs as one (`broker`): the engine runs each of them as a source of its own."""

    children: list[Input | PushInput | InputGroup]


class Buffer(Input, Protocol):
    """Stands between inputs and pipeline: what is written to it is acknowledged, and read from it like from any input."""

    async def write(self, batch: Batch) -> None:
        """Returns when the batch is kept."""

    def end(self) -> None:
        """No more is written: once all is read, `read` raises EndOfInput."""


class PushInput(Protocol):
    """An input that requests come to. It registers routes in `connect` and calls `emit` for each request."""

    async def connect(self, emit: Emit) -> None:
        """Register the routes."""

    async def close(self) -> None:
        """Take no more requests."""


class Processor(Protocol):
    """Turns a batch into batches. A failure of one message is marked on it (`Failure`), never raised; no batch = filtered."""

    async def process(self, batch: Batch) -> list[Batch]:
        """The batches that go on. The messages of `batch` belong to the caller, who may send them again: whoever changes one
        changes a copy (`Message.copy`, `Message.derive`)."""

    async def close(self) -> None:
        """Give up what is held."""


class Output(Protocol):
    """Writes somewhere. The engine connects, limits how many writes are under way (`max_in_flight`), retries NotConnected."""

    @property
    def max_in_flight(self) -> int:
        """How many writes may be under way."""

    async def connect(self) -> None:
        """Reach the peer; raises NotConnected."""

    async def write(self, batch: Batch) -> None:
        """Returns when the peer has the batch; raises NotConnected, WriteError or BatchError. Order: what reaches the peer
        first is decided before the first suspension, so calls made one after another keep their order."""

    async def close(self) -> None:
        """Flush and leave."""


@runtime_checkable
class Flushes(Protocol):
    """An output that may hold messages back for a batch."""

    def flush(self) -> None:
        """No more is coming: from now on nothing is held back."""


class Cache(Protocol):
    """A key-value store of a pipeline; ttl in seconds, None = the cache's default."""

    async def get(self, key: str) -> bytes | None:
        """The value, or None."""

    async def set(self, key: str, value: bytes, ttl: float | None = None) -> None:
        """Write."""

    async def add(self, key: str, value: bytes, ttl: float | None = None) -> bool:
        """Write if absent; False when the key was there."""

    async def delete(self, key: str) -> None:
        """Forget."""

    async def close(self) -> None:
        """Give up what is held."""


class RateLimit(Protocol):
    """Says when the next message or request may pass."""

    async def access(self, size: int = 0) -> float:
        """Seconds to wait before asking again; 0 = one of `size` bytes passes now, and is counted."""

    async def close(self) -> None:
        """Give up what is held."""


# --- where messages meet clients -----------------------------------------------------------------------------------------


class Gate(Protocol):
    """Tells a source whether anybody wants its messages (a Compete stream reads only while it has clients)."""

    async def wait_open(self) -> None:
        """Returns when somebody wants messages."""

    async def wait_closed(self) -> None:
        """Returns when nobody has wanted any for a while (5 s)."""


class Outlet(Protocol):
    """Where a stream meets its clients."""

    @property
    def wanted(self) -> Gate:
        """Opens with the first client and closes a while after the last (Compete)."""

    async def write(self, batch: Batch) -> None:
        """Broadcast: holds the frames until `advance`. Compete: returns when one client has the batch; raises Stopping."""

    def begin(self, begin: Begin) -> None:
        """Broadcast: the input's starting positions (called by the engine)."""

    def advance(self, position: Mapping[str, int]) -> None:
        """Broadcast: everything before `position` has been written; its frames enter the ring (called by the engine)."""


class Context(Protocol):
    """What a component may ask of the engine."""

    label: str
    path: Path
    log: logging.Logger
    broadcast: bool
    """True: this stream is read whole in every replica (inputs read by assignment, from `history` seconds ago, and commit nothing)."""
    history: float
    """Seconds of history a Broadcast input starts with."""

    def child(self, component: Component) -> Context:
        """The same, standing at a component of this one's configuration."""

    def clock(self) -> float:
        """Seconds of the loop's clock."""

    def failure(self, text: str) -> Failure:
        """An error mark that names this component."""

    def random(self) -> float:
        """A number in [0, 1)."""

    def mapping(self, text: str, *field_path: str | int) -> language.Mapping:
        """Compile a mapping; a mistake is a ConfigError at this component's path + `field_path`."""

    def check(self, text: str, *field_path: str | int) -> language.Mapping:
        """Compile a check: a mapping whose `check` gives a bool."""

    def interpolation(self, text: str, *field_path: str | int) -> language.Interpolation:
        """Compile text with `${! … }` in it."""

    def processors(self, slots: list[Slot]) -> Processor:
        """Build a chain that runs each batch through the slots' processors in order."""

    def input(self, slot: Slot) -> Input | PushInput | InputGroup:
        """Build an input; its processors and batching are applied by the engine."""

    def output(self, slot: Slot) -> Output:
        """Build an output with its own processors, in-flight limit and reconnection applied."""

    def cache(self, label: str) -> Cache:
        """The cache resource of that label; a ConfigError when there is none."""

    def rate_limit(self, label: str) -> RateLimit:
        """The rate limit resource of that label; a ConfigError when there is none."""

    def processor(self, label: str) -> Processor:
        """The processor resource of that label, shared by all who ask for it; a ConfigError when there is none."""

    def resource(self, kind: Kind, label: str) -> Component:
        """The declaration of a resource; a ConfigError when there is none."""

    def file(self, name: str, *field_path: str | int) -> bytes:
        """The content of a file the stream may read; a ConfigError when there is none."""

    def measure(self, name: str, sort: MeasureSort) -> Measure:
        """The metric of that name that a configuration asks for; `sort` is counter, gauge or timing."""

    def route(self, route: Route) -> Callable[[], None]:
        """Serve a path; the result takes it away again. A ConfigError when the method and path are taken."""

    def outlet(self, options: OutletOptions) -> Outlet:
        """The outlet for these options in this stream; it outlives the instance, so clients stay through a reload."""
