"""Caches `multilevel`, several caches as one with the fastest first, and `noop`, which keeps nothing."""

from __future__ import annotations

from pydantic import Field

from penstock_gateway.errors import PenstockError
from penstock_gateway.registry import Cache, CacheLabel, Config, Context, Kind, component


@component("multilevel", Kind.CACHE, summary="Several caches as one, the fastest first.", bare=True, state="external")
class Multilevel(Config):
    """The list of labels is the whole configuration."""

    value: list[CacheLabel] = Field(description="Labels of cache resources, the fastest first.", min_length=2)

    def build(self, context: Context) -> Cache:
        """Find the caches."""
        return LevelledCache([context.cache(label) for label in self.value], context)


class LevelledCache:
    """The last level decides whether a key is there; what a slower level has is copied to the faster ones."""

    def __init__(self, levels: list[Cache], context: Context) -> None:
        self.levels, self.context = levels, context

    async def get(self, key: str) -> bytes | None:
        """The value of the fastest level that has it; a level that fails is passed over, unless it is the last."""
        for n, level in enumerate(self.levels):
            try:
                value = await level.get(key)
            except PenstockError as error:
                if n == len(self.levels) - 1:
                    raise
                self.context.log.error("cache level %d failed for a key: %s", n, error)
                continue
            if value is not None:
                await self._copy(n, key, value, None)
                return value
        return None

    async def _copy(self, below: int, key: str, value: bytes, ttl: float | None) -> None:
        for n in range(below - 1, -1, -1):
            try:
                await self.levels[n].set(key, value, ttl)
            except PenstockError as error:
                self.context.log.error("cache level %d failed for a key: %s", n, error)

    async def set(self, key: str, value: bytes, ttl: float | None = None) -> None:
        """Write to every level."""
        for level in reversed(self.levels):
            await level.set(key, value, ttl)

    async def add(self, key: str, value: bytes, ttl: float | None = None) -> bool:
        """Write to every level if no level has the key."""
        for level in self.levels[:-1]:
            if await level.get(key) is not None:
                return False
        if not await self.levels[-1].add(key, value, ttl):
            return False
        await self._copy(len(self.levels) - 1, key, value, ttl)
        return True

    async def delete(self, key: str) -> None:
        """Forget on every level."""
        for level in reversed(self.levels):
            await level.delete(key)

    async def close(self) -> None:
        """The levels are closed by their owner."""


@component("noop", Kind.CACHE, summary="Keeps nothing.")
class NoopConfig(Config):
    """There is nothing to set."""

    def build(self, context: Context) -> Cache:
        """The runtime."""
        return NoopCache()


class NoopCache:
    """Every key is absent."""

    async def get(self, key: str) -> bytes | None:
        """Never anything."""
        return None

    async def set(self, key: str, value: bytes, ttl: float | None = None) -> None:
        """Nothing is kept."""

    async def add(self, key: str, value: bytes, ttl: float | None = None) -> bool:
        """Always as if the key was not there."""
        return True

    async def delete(self, key: str) -> None:
        """Nothing is there."""

    async def close(self) -> None:
        """Nothing is held."""
