"""Which route serves a path and method: exact paths, then parameters, then the longest prefix; by method across streams. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from penstock_gateway.errors import ConfigError
from penstock_gateway.paths import Pattern, pattern

Serves = Literal["respond", "converse", "poll", "stream", "websocket"]
LASTING: frozenset[Serves] = frozenset({"converse", "stream", "websocket"})
"""What keeps its connection."""


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A path somebody serves. No methods = all of them (WebSockets, which answer 400 to what is no upgrade)."""

    stream: str
    serves: Serves
    pattern: Pattern
    methods: frozenset[str]
    target: Any
    address: str = ""
    yields: bool = False

    def clashes(self, other: Entry) -> bool:
        """Whether both would serve one path with one method, and neither gives way."""
        if self.yields or other.yields:
            return False
        same = self.pattern.shape == other.pattern.shape and self.address == other.address
        return same and (not self.methods or not other.methods or not self.methods.isdisjoint(other.methods))


@dataclass(frozen=True, slots=True)
class Found:
    """The answer for a path: the entry (None = the path is known but not with this method), values, and all methods."""

    entry: Entry | None
    values: Mapping[str, str] = field(default_factory=dict)
    methods: tuple[str, ...] = ()


class RouteTable:
    """The routes of one API (or of one listener of a bare configuration)."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._exact: dict[str, list[Entry]] = {}
        self._others: list[Entry] = []

    def add(self, entry: Entry) -> Callable[[], None]:
        """Serve an entry; the result takes it away. Raises ConfigError when a stream serves this path and method already."""
        taken = next((other for other in self._entries if other.clashes(entry)), None)
        if taken is not None:
            methods = ", ".join(sorted(entry.methods & taken.methods)) or "WebSocket"
            where = f"stream {taken.stream!r}" if taken.stream != entry.stream else "this stream"
            raise ConfigError(f"{methods} {entry.pattern.text} is served by {where} already")
        self._set([*self._entries, entry])

        def remove() -> None:
            self._set([other for other in self._entries if other is not entry])

        return remove

    def _set(self, entries: list[Entry]) -> None:
        entries = sorted(entries, key=lambda entry: entry.yields)  # of those with one pattern the first is taken
        self._entries = entries
        self._exact = {}
        for entry in entries:
            if entry.pattern.exact:
                self._exact.setdefault(entry.pattern.text, []).append(entry)
        self._others = sorted((e for e in entries if not e.pattern.exact), key=lambda e: e.pattern.rank)

    @property
    def entries(self) -> Iterable[Entry]:
        """Everything that is served."""
        return self._entries

    def find(self, path: str, method: str) -> Found | None:
        """Who serves a decoded path; None = nobody, whatever the method."""
        allowed: set[str] = set()
        for entry in self._exact.get(path, ()):
            if not entry.methods or method in entry.methods:
                return Found(entry, {}, tuple(entry.methods))
            allowed |= entry.methods
        for entry in self._others:
            values = entry.pattern.match(path)
            if values is None:
                continue
            if not entry.methods or method in entry.methods:
                return Found(entry, values, tuple(entry.methods))
            allowed |= entry.methods
        return Found(None, {}, tuple(sorted(allowed))) if allowed else None


def entry_of(
    stream: str,
    serves: Serves,
    path: str,
    methods: Iterable[str],
    target: Any,
    address: str = "",
    *,
    yields: bool = False,
) -> Entry:
    """An entry for a configured path; raises ConfigError when the path is not one."""
    return Entry(
        stream, serves, pattern(path), frozenset(method.upper() for method in methods), target, address, yields
    )
