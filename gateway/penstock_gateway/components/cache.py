"""Processor `cache`: sets, adds, gets, deletes or looks for a key of a cache resource, for each message."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from penstock_gateway import language
from penstock_gateway.errors import PenstockError
from penstock_gateway.language.durations import parse_go
from penstock_gateway.message import Batch, Message
from penstock_gateway.per_message import MessageFault, marked, with_raw
from penstock_gateway.registry import Cache, CacheLabel, Config, Context, Interpolated, Kind, Processor, component


@component("cache", Kind.PROCESSOR, summary="Reads or writes a key of a cache.", state="process", waits=True)
class CacheStep(Config):
    """Fields as Bento's."""

    resource: CacheLabel = Field(description="Label of the cache resource.")
    operator: Literal["set", "add", "get", "exists", "delete"] = Field(
        description="get and exists replace the body; add fails when the key is there."
    )
    key: Interpolated = Field(description="The key.")
    value: Interpolated = Field("", description="What set and add write.")
    ttl: Interpolated = Field(
        "", description="How long set and add keep it, as a Go duration; empty = as the cache says."
    )

    def build(self, context: Context) -> Processor:
        """Find the cache and compile the texts."""
        texts = {name: context.interpolation(getattr(self, name), name) for name in ("key", "value", "ttl")}
        return CacheProcessor(context.cache(self.resource), self.operator, texts, context)


class CacheProcessor:
    """A message whose operation fails goes on as it was, marked."""

    def __init__(self, cache: Cache, operator: str, texts: dict[str, language.Interpolation], context: Context) -> None:
        self.cache, self.operator, self.texts, self.context = cache, operator, texts, context

    async def process(self, batch: Batch) -> list[Batch]:
        """The same batch; messages one after another, so that a key set by one is seen by the next."""
        results: Batch = []
        for n, message in enumerate(batch):
            try:
                results.append(await self._one(batch, n, message))
            except MessageFault as error:
                results.append(marked(message, self.context, str(error)))
        return [results]

    async def _one(self, batch: Batch, n: int, message: Message) -> Message:
        key = self._text("key", batch, n)
        value = self._text("value", batch, n).encode("utf-8", "surrogateescape")
        ttl = self._ttl(batch, n)
        try:
            found = await self._operate(key, value, ttl)
        except PenstockError as error:
            raise MessageFault(f"operator failed for key '{key}': {error}") from None
        return message if found is None else with_raw(message, found)

    async def _operate(self, key: str, value: bytes, ttl: float | None) -> bytes | None:
        """The new body, or None where it stays."""
        if self.operator == "get":
            found = await self.cache.get(key)
            if found is None:
                raise MessageFault(f"operator failed for key '{key}': key does not exist")
            return found
        if self.operator == "exists":
            return b"true" if await self.cache.get(key) is not None else b"false"
        if self.operator == "set":
            await self.cache.set(key, value, ttl)
        elif self.operator == "delete":
            await self.cache.delete(key)
        elif not await self.cache.add(key, value, ttl):
            raise MessageFault(f"key already exists: {key}")
        return None

    def _text(self, name: str, batch: Batch, n: int) -> str:
        try:
            return self.texts[name].evaluate(batch, n)
        except language.EvaluationError as error:
            raise MessageFault(f"{name} interpolation error: {error}") from None

    def _ttl(self, batch: Batch, n: int) -> float | None:
        text = self._text("ttl", batch, n)
        if not text:
            return None
        try:
            return parse_go(text) / 1e9
        except ValueError as error:
            raise MessageFault(f"failed to parse ttl: {error}") from None

    async def close(self) -> None:
        """The cache is closed by its owner."""
