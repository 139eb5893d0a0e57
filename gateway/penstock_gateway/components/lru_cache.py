"""Caches `lru` and `ttlru`: a bounded number of values, of which the least recently used makes room; the latter with expiry."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Literal

from pydantic import Field

from penstock_gateway.registry import Cache, Config, Context, Kind, component
from penstock_gateway.units import Duration


@component("lru", Kind.CACHE, summary="Keeps the most recently used values in memory.", state="process")
class LRU(Config):
    """Fields as Bento's."""

    cap: int = Field(1000, description="How many values are kept.", ge=1)
    init_values: dict[str, str] = Field(default_factory=dict, description="Values that are there from the start.")
    algorithm: Literal["arc", "standard", "two_queues"] = Field(
        "standard", description="Accepted for compatibility: the least recently used value always makes room."
    )
    two_queues_recent_ratio: float = Field(0.25, description="Accepted for compatibility.")
    two_queues_ghost_ratio: float = Field(0.5, description="Accepted for compatibility.")
    optimistic: bool = Field(False, description="Accepted for compatibility: add never races here.")

    def build(self, context: Context) -> Cache:
        """The runtime."""
        return BoundedCache(self.cap, 0.0, self.init_values, context.clock)


@component(
    "ttlru", Kind.CACHE, summary="Keeps the most recently used values in memory, each for a time.", state="process"
)
class TTLRU(Config):
    """Fields as Bento's."""

    cap: int = Field(1024, description="How many values are kept.", ge=1)
    default_ttl: Duration = Field(300.0, description="How long a value is kept, whatever a processor asks for.")
    ttl: Duration | None = Field(None, description="Old name of default_ttl.")
    init_values: dict[str, str] = Field(default_factory=dict, description="Values that are there from the start.")
    optimistic: bool = Field(False, description="Accepted for compatibility: add never races here.")

    def build(self, context: Context) -> Cache:
        """The runtime."""
        lasting = self.default_ttl if self.ttl is None else self.ttl
        return BoundedCache(self.cap, lasting, self.init_values, context.clock)


class BoundedCache:
    """Values in the order of their last use, with the instant at which they expire."""

    def __init__(self, cap: int, lasting: float, values: Mapping[str, str], clock: Callable[[], float]) -> None:
        self.cap, self.lasting, self.clock = cap, lasting, clock
        self._values: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        for key, value in values.items():
            self._put(key, value.encode("utf-8", "surrogateescape"))

    def _put(self, key: str, value: bytes) -> None:
        self._values[key] = (value, self.clock() + self.lasting if self.lasting > 0 else float("inf"))
        self._values.move_to_end(key)
        if len(self._values) > self.cap:
            self._values.popitem(last=False)

    async def get(self, key: str) -> bytes | None:
        """The value, unless it has expired; it counts as used."""
        found = self._values.get(key)
        if found is None:
            return None
        if found[1] <= self.clock():
            del self._values[key]
            return None
        self._values.move_to_end(key)
        return found[0]

    async def set(self, key: str, value: bytes, ttl: float | None = None) -> None:
        """Write; the time is the cache's own."""
        self._put(key, value)

    async def add(self, key: str, value: bytes, ttl: float | None = None) -> bool:
        """Write if absent."""
        if await self.get(key) is not None:
            return False
        self._put(key, value)
        return True

    async def delete(self, key: str) -> None:
        """Forget."""
        self._values.pop(key, None)

    async def close(self) -> None:
        """Forget everything."""
        self._values.clear()
