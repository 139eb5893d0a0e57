"""Processor `dedupe`: drops messages whose key was seen before, remembered in a cache."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from penstock_gateway import language
from penstock_gateway.errors import PenstockError
from penstock_gateway.message import Batch
from penstock_gateway.registry import Cache, CacheLabel, Config, Context, Interpolated, Kind, Processor, component


@component("dedupe", Kind.PROCESSOR, summary="Drops messages whose key a cache has seen.", state="process", shape="1:n")
class Dedupe(Config):
    """Fields as Bento's."""

    cache: CacheLabel = Field(description="Label of the cache resource that remembers keys.")
    key: Interpolated = Field(description="What makes a message the same as another.", min_length=1)
    drop_on_err: bool = Field(
        True, description="Whether a message is dropped when the cache fails; one whose key fails always is."
    )
    strategy: Literal["FIFO", "LIFO"] = Field(
        "FIFO", description="FIFO keeps the first message of a key in a batch, LIFO the last."
    )

    def build(self, context: Context) -> Processor:
        """Compile the key and find the cache."""
        return DedupeProcessor(context.cache(self.cache), context.interpolation(self.key, "key"), self, context)


class DedupeProcessor:
    """Adds each key to the cache; a key that is there drops the message."""

    def __init__(self, cache: Cache, key: language.Interpolation, config: Dedupe, context: Context) -> None:
        self.cache, self.key, self.config, self.context = cache, key, config, context

    async def process(self, batch: Batch) -> list[Batch]:
        """One batch without the repeats."""
        last_first = self.config.strategy == "LIFO"
        order = range(len(batch) - 1, -1, -1) if last_first else range(len(batch))
        results: Batch = []
        for n in order:
            try:
                key = self.key.evaluate(batch, n)
            except language.EvaluationError as error:  # as in Bento, whatever drop_on_err says
                self.context.log.error("dedupe dropped a message: key interpolation error: %s", error)
                continue
            try:
                is_new = await self.cache.add(key, b"t")
            except PenstockError as error:
                if self.config.drop_on_err:
                    self.context.log.warning("dedupe dropped a message: %s", error)
                    continue
                failed = batch[n].copy()
                failed.failure = self.context.failure(str(error))
                results.append(failed)
                continue
            if is_new:
                results.append(batch[n])
        if last_first:
            results.reverse()
        return [results] if results else []

    async def close(self) -> None:
        """The cache is closed by its owner."""
