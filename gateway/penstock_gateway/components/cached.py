"""Processor `cached`: runs processors on a message unless a cache holds what they made of the same key before."""

from __future__ import annotations

import msgspec
from pydantic import Field

from penstock_gateway import language
from penstock_gateway.errors import PenstockError
from penstock_gateway.language.durations import parse_go
from penstock_gateway.language.methods.messagepack import format_msgpack
from penstock_gateway.message import Batch, Message
from penstock_gateway.per_message import MessageFault, marked, with_raw
from penstock_gateway.registry import (
    CacheLabel,
    Config,
    Context,
    Interpolated,
    Kind,
    Processor,
    ProcessorSlot,
    QueryText,
    component,
)

_FORM = 1
"""Version of what is written: `[1, [[body, metadata], …]]` as MessagePack."""


@component(
    "cached",
    Kind.PROCESSOR,
    summary="Remembers what processors made of a key.",
    state="process",
    shape="1:n",
    waits=True,
)
class Cached(Config):
    """Fields as Bento's."""

    cache: CacheLabel = Field(description="Label of the cache resource that remembers.")
    skip_on: QueryText = Field("errored()", description="A result for which this is true is not remembered.")
    key: Interpolated = Field(description="What makes a message the same as another.")
    ttl: Interpolated = Field("", description="How long a result is kept, as a Go duration; empty = as the cache says.")
    processors: list[ProcessorSlot] = Field(description="Applied to a message whose key is not in the cache.")

    def build(self, context: Context) -> Processor:
        """Find the cache, compile the texts, build the chain."""
        return CachedProcessor(self, context)


class CachedProcessor:
    """Each message by itself, so that the second of two equal ones in a batch finds the result of the first."""

    def __init__(self, config: Cached, context: Context) -> None:
        self.context, self.cache = context, context.cache(config.cache)
        self.chain = context.processors(config.processors)
        self.key = context.interpolation(config.key, "key")
        self.ttl = context.interpolation(config.ttl, "ttl")
        self.skip_on = context.check(config.skip_on, "skip_on") if config.skip_on else None

    async def process(self, batch: Batch) -> list[Batch]:
        """One batch, or none when nothing is left."""
        results: Batch = []
        for n, message in enumerate(batch):
            try:
                results += await self._one(batch, n, message)
            except MessageFault as error:
                results.append(marked(message, self.context, str(error)))
        return [results] if results else []

    async def _one(self, batch: Batch, n: int, message: Message) -> Batch:
        try:
            key, ttl = self.key.evaluate(batch, n), self._seconds(self.ttl.evaluate(batch, n))
        except language.EvaluationError as error:
            raise MessageFault(f"key interpolation error: {error}") from None
        found = await self._remembered(key, message)
        if found is not None:
            return found
        results = [result for part in await self.chain.process([message]) for result in part]
        if not any(self._skips(results, place) for place in range(len(results))):
            await self._remember(key, results, ttl)
        return results

    async def _remembered(self, key: str, message: Message) -> Batch | None:
        try:
            held = await self.cache.get(key)
        except PenstockError as error:
            self.context.log.warning("cached could not read its cache: %s", error)
            return None
        if held is None:
            return None
        try:
            form, parts = msgspec.msgpack.decode(held, type=tuple[int, list[tuple[bytes, dict[str, object]]]])
        except msgspec.DecodeError:
            form, parts = 0, []
        if form != _FORM:
            raise MessageFault(f"the cache holds something else under the key '{key}'")
        results = []
        for raw, meta in parts:
            result = with_raw(message, raw)
            result.meta, result.failure = dict(meta), None
            results.append(result)
        return results

    async def _remember(self, key: str, results: Batch, ttl: float | None) -> None:
        try:
            held = format_msgpack([_FORM, [[result.raw, result.meta] for result in results]])
            await self.cache.set(key, held, ttl)
        except (PenstockError, language.EvaluationError) as error:
            self.context.log.warning("cached could not write to its cache: %s", error)

    def _skips(self, results: Batch, place: int) -> bool:
        if self.skip_on is None:
            return False
        try:
            return self.skip_on.check(results, place)
        except language.EvaluationError as error:
            self.context.log.warning("cached could not evaluate skip_on: %s", error)
            return True

    def _seconds(self, text: str) -> float | None:
        try:
            return parse_go(text) / 1e9 if text else None
        except ValueError as error:
            raise MessageFault(f"failed to parse ttl: {error}") from None

    async def close(self) -> None:
        """Close the children; the cache is closed by its owner."""
        await self.chain.close()
