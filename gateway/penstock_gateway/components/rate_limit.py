"""Processor `rate_limit`: holds each message back until a rate limit resource lets it through."""

from __future__ import annotations

import asyncio

from pydantic import Field

from penstock_gateway.errors import PenstockError
from penstock_gateway.message import Batch
from penstock_gateway.registry import Config, Context, Kind, Processor, RateLimit, RateLimitLabel, component

_AFTER_FAILURE = 1.0


@component("rate_limit", Kind.PROCESSOR, summary="Waits until a rate limit lets each message through.", waits=True)
class RateLimitStep(Config):
    """Fields as Bento's."""

    resource: RateLimitLabel = Field(description="Label of the rate limit resource.")

    def build(self, context: Context) -> Processor:
        """Find the rate limit."""
        return RateLimitProcessor(context.rate_limit(self.resource), context)


class RateLimitProcessor:
    """Messages pass unchanged; a rate limit that cannot be asked is asked again a second later."""

    def __init__(self, limit: RateLimit, context: Context) -> None:
        self.limit, self.context = limit, context

    async def process(self, batch: Batch) -> list[Batch]:
        """The same batch, when all of its messages may pass."""
        for message in batch:
            while True:
                try:
                    pause = await self.limit.access(len(message.raw))
                except PenstockError as error:
                    self.context.log.error("rate_limit could not ask its resource: %s", error)
                    pause = _AFTER_FAILURE
                if pause <= 0:
                    break
                await asyncio.sleep(pause)
        return [batch]

    async def close(self) -> None:
        """The rate limit is closed by its owner."""
