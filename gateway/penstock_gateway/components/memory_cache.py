"""Cache `memory`: a dictionary with expiry, emptied of the dead now and then."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from penstock_gateway.registry import Cache, Config, Context, Kind, component
from penstock_gateway.units import Duration


@component("memory", Kind.CACHE, summary="Keeps values in memory, each for a time.", state="process")
class Memory(Config):
    """Fields as Bento's."""

    default_ttl: Duration = Field(300.0, description="How long a value is kept; 0s = for ever.")
    compaction_interval: Duration = Field(60.0, description="How often what has expired is removed.")
    init_values: dict[str, str] = Field(
        default_factory=dict, description="Values that are there from the start, for ever."
    )
    shards: int = Field(1, description="Accepted for compatibility; one dictionary serves here.", ge=1)

    def build(self, context: Context) -> Cache:
        """The runtime."""
        return MemoryCache(self.default_ttl, self.compaction_interval, self.init_values, context.clock)


class MemoryCache:
    """Values with the instant at which they expire."""

    def __init__(self, ttl: float, interval: float, values: dict[str, str], clock: Callable[[], float]) -> None:
        self.ttl, self.interval, self.clock = ttl, interval, clock
        self._values: dict[str, tuple[bytes, float]] = {
            key: (value.encode(), float("inf")) for key, value in values.items()
        }
        self._swept = clock()

    async def get(self, key: str) -> bytes | None:
        """The value, unless it has expired."""
        found = self._values.get(key)
        return found[0] if found is not None and found[1] > self.clock() else None

    async def set(self, key: str, value: bytes, ttl: float | None = None) -> None:
        """Write."""
        now = self.clock()
        if now - self._swept >= self.interval:
            self._sweep(now)
        lasting = self.ttl if ttl is None else ttl
        self._values[key] = (value, now + lasting if lasting > 0 else float("inf"))

    async def add(self, key: str, value: bytes, ttl: float | None = None) -> bool:
        """Write if absent."""
        if await self.get(key) is not None:
            return False
        await self.set(key, value, ttl)
        return True

    async def delete(self, key: str) -> None:
        """Forget."""
        self._values.pop(key, None)

    def _sweep(self, now: float) -> None:
        self._swept = now
        self._values = {key: entry for key, entry in self._values.items() if entry[1] > now}

    async def close(self) -> None:
        """Forget everything."""
        self._values.clear()
