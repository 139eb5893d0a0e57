"""Output `cache`: writes each message under a key of a cache resource."""

from __future__ import annotations

from pydantic import Field

from penstock_gateway import language
from penstock_gateway.errors import BatchError, PenstockError, WriteError
from penstock_gateway.language.durations import parse_go
from penstock_gateway.message import Batch
from penstock_gateway.registry import Cache, CacheLabel, Config, Context, Interpolated, Kind, Output, component


@component("cache", Kind.OUTPUT, summary="Writes each message to a cache.", effects="external")
class CacheOutput(Config):
    """Fields as Bento's."""

    target: CacheLabel = Field(description="Label of the cache resource.")
    key: Interpolated = Field('${!count("items")}-${!timestamp_unix_nano()}', description="The key of a message.")
    ttl: Interpolated = Field(
        "", description="How long a message is kept, as a Go duration; empty = as the cache says."
    )
    max_in_flight: int = Field(64, description="How many batches may be written at a time.", ge=1)

    def build(self, context: Context) -> Output:
        """Find the cache and compile the texts."""
        key, ttl = context.interpolation(self.key, "key"), context.interpolation(self.ttl, "ttl")
        return CacheWriter(context.cache(self.target), key, ttl, self.max_in_flight)


class CacheWriter:
    """Messages of a batch one after another, so that the last of equal keys stays."""

    def __init__(
        self, cache: Cache, key: language.Interpolation, ttl: language.Interpolation, max_in_flight: int
    ) -> None:
        self.cache, self.key, self.ttl, self.max_in_flight = cache, key, ttl, max_in_flight

    async def connect(self) -> None:
        """The cache is there with the stream."""

    async def write(self, batch: Batch) -> None:
        """Set every key; what the cache refused is told by position."""
        failed: dict[int, Exception] = {}
        for n, message in enumerate(batch):
            try:
                key, ttl = self.key.evaluate(batch, n), self._seconds(batch, n)
                await self.cache.set(key, message.raw, ttl)
            except language.EvaluationError as error:
                failed[n] = WriteError(f"key interpolation error: {error}")
            except (PenstockError, ValueError) as error:
                failed[n] = WriteError(str(error))
        if failed:
            raise BatchError(failed)

    def _seconds(self, batch: Batch, n: int) -> float | None:
        text = self.ttl.evaluate(batch, n)
        return parse_go(text) / 1e9 if text else None

    async def close(self) -> None:
        """The cache is closed by its owner."""
