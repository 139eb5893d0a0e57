"""What one run of a mapping sees and may spend: the message, its batch, the variables, and the injected environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from penstock_gateway.document import NOTHING, Value
from penstock_gateway.language.errors import EvaluationError

if TYPE_CHECKING:
    from penstock_gateway.message import Message

MAX_MAP_DEPTH = 5000
"""How deep named maps may call one another (Bento's number); see `Execution.enter`."""

DEFAULT_FUEL = 10_000_000
"""Units of multiplying work one run may spend: one per element that is iterated over or made, one per byte of long texts
that are joined or repeated, APPLY_COST per call of a named map. Seconds of work, not a budget anybody should feel."""

APPLY_COST = 10


def _no_clock() -> int:
    raise EvaluationError("the clock is not available here")


def _no_random(count: int) -> bytes:
    raise EvaluationError("random numbers are not available here")


class Caches(Protocol):
    """The cache resources that `cache_get` and its like reach; absent where there are none."""

    def get(self, resource: str, key: str) -> bytes: ...
    def set(self, resource: str, key: str, value: str, ttl: str) -> None: ...
    def add(self, resource: str, key: str, value: str, ttl: str) -> None: ...
    def delete(self, resource: str, key: str) -> None: ...


class Environment:
    """What a mapping may know of the world; all of it is handed in, so the language itself stays pure.

    `clock()` gives nanoseconds since 1970; `random(n)` gives n random bytes; `variables` is what `env("NAME")` sees;
    `files(path)` gives the bytes of a file or raises OSError/KeyError (absent: no files); `imports(path)` gives the text
    of a mapping file; `zone()` gives (offset seconds, name) of the local zone at an instant in nanoseconds;
    `counters` are the named counters of `count()`, shared by everything that shares this object.
    """

    __slots__ = ("caches", "clock", "counters", "files", "fuel", "hostname", "imports", "random", "variables", "zone")

    def __init__(
        self,
        *,
        clock: Callable[[], int] = _no_clock,
        random: Callable[[int], bytes] = _no_random,
        variables: Mapping[str, str] | None = None,
        files: Callable[[str], bytes] | None = None,
        imports: Callable[[str], str] | None = None,
        hostname: str = "",
        zone: Callable[[int], tuple[int, str]] = lambda ns: (0, "UTC"),
        caches: Caches | None = None,
        fuel: int = DEFAULT_FUEL,
    ) -> None:
        self.clock = clock
        self.random = random
        self.variables: Mapping[str, str] = variables if variables is not None else {}
        self.files = files
        self.imports = imports
        self.hostname = hostname
        self.zone = zone
        self.caches = caches
        self.fuel = fuel
        self.counters: dict[str, int] = {}


class Execution:
    """One run: read by functions that ask for the context. `this` is not here: it is passed from closure to closure.

    `batch` and `index` say which *input* message `content()`, `json()`, `meta` and `error()` look at; `meta` is the
    metadata as modified so far (what `@` reads; None where a mapping has no message). `root` is the document built so
    far, NOTHING while nothing is assigned. `fresh` says that the container `root` belongs to this run alone, `owned` which
    containers below do (by id, kept alive): those may be changed in place, all others are copied before a write.
    `follow` says that `this` is the root being built (mutations), until root is `replaced` as a whole.
    `plain` says that no awkward float was assigned so far (`document.is_plain`).
    """

    __slots__ = (
        "batch", "depth", "environment", "follow", "fresh", "fuel", "index", "maps", "meta", "meta_fresh", "owned",
        "plain", "replaced", "root", "slots", "variables",
    )  # fmt: skip

    def __init__(self, environment: Environment, batch: Sequence[Message], index: int, slots: int) -> None:
        self.environment = environment
        self.batch = batch
        self.index = index
        self.meta: dict[str, Value] | None = None
        self.meta_fresh = False
        self.root: Value = NOTHING
        self.fresh = False
        self.follow = False
        self.plain = True
        self.replaced = False
        self.owned: dict[int, Any] = {}
        self.variables: dict[str, Value] = {}
        self.slots: list[Any] = [None] * slots
        self.maps: Mapping[str, Any] = {}
        self.depth = 0
        self.fuel = environment.fuel

    def input(self) -> Message | None:
        """The input message at the current index (negative: from the end); None outside of the batch."""
        index = self.index
        size = len(self.batch)
        if index < 0:
            index += size
        return self.batch[index] if 0 <= index < size else None

    def spend(self, amount: int) -> None:
        """Pay for work that multiplies (elements made by range, bytes by repeat or join). Raises when the run is broke."""
        self.fuel -= amount
        if self.fuel < 0:
            raise EvaluationError("the mapping does more work than one message may cost")
