"""Input `generate`: makes messages by a mapping, at an interval, by a schedule, or as fast as they are taken."""

from __future__ import annotations

import asyncio
import datetime

from pydantic import Field

from penstock_gateway import language
from penstock_gateway.errors import ConfigError, EndOfInput
from penstock_gateway.message import Batch, Message
from penstock_gateway.registry import Config, Context, Delivery, Input, Kind, MappingText, component
from penstock_gateway.schedule import Schedule, parse_schedule
from penstock_gateway.units import parse_duration


@component("generate", Kind.INPUT, summary="Makes messages by a mapping.", sharing="singleton")
class Generate(Config):
    """Fields as Bento's."""

    mapping: MappingText = Field(description="Makes each message; it sees the one before as `this`.")
    interval: str = Field(
        "1s", description="A duration, a cron expression, `@every 5s`, or empty for as fast as possible."
    )
    count: int = Field(0, description="Messages after which the input ends; 0 = never.", ge=0)
    batch_size: int = Field(1, description="Messages made at a time.", ge=1)
    auto_replay_nacks: bool = Field(True, description="Whether refused messages are sent again.")

    def build(self, context: Context) -> Input:
        """Compile the mapping and read the interval."""
        return GenerateInput(context.mapping(self.mapping, "mapping"), self._pace(context), self, context)

    def _pace(self, context: Context) -> float | Schedule:
        text = self.interval.strip()
        try:
            if not text:
                return 0.0
            if text.startswith("@every "):
                return parse_duration(text.removeprefix("@every ").strip())
            if text[0].isdigit() and " " not in text:
                return parse_duration(text)
            return parse_schedule(text)
        except ValueError as error:
            raise ConfigError(str(error), (*context.path, "generate", "interval")) from error


class GenerateInput:
    """The first message comes at once, except by a schedule."""

    def __init__(self, mapping: language.Mapping, pace: float | Schedule, config: Generate, context: Context) -> None:
        self.mapping, self.pace, self.config, self.context = mapping, pace, config, context
        self.replays = config.auto_replay_nacks
        self.left = config.count
        self.next_at: float | None = None
        self.last = Message(b"null")

    async def connect(self) -> None:
        """Always there."""

    async def read(self) -> list[Delivery]:
        """The next batch, when its time has come."""
        if self.config.count and self.left <= 0:
            raise EndOfInput
        await self._wait()
        size = self.config.batch_size
        if self.config.count:
            size = min(size, self.left)
            self.left -= size
        batch: Batch = []
        for _ in range(size):
            message = self._make()
            if message is not None:
                batch.append(message)
        return [Delivery(batch, _nothing)] if batch else []

    def _make(self) -> Message | None:
        try:
            message = self.mapping.apply([self.last], 0)
        except language.EvaluationError as error:
            message = Message(b"")
            message.failure = self.context.failure(str(error))
            return message
        if message is not None:
            message = message.copy()
            self.last = message
        return message

    async def _wait(self) -> None:
        now = self.context.clock()
        if isinstance(self.pace, Schedule):
            await asyncio.sleep(self.pace.seconds_until_next(datetime.datetime.now().astimezone()))
            return
        if self.pace <= 0:
            return
        if self.next_at is None:
            self.next_at = now
        elif self.next_at > now:
            await asyncio.sleep(self.next_at - now)
        self.next_at = max(self.next_at + self.pace, now - self.pace)

    async def close(self) -> None:
        """Nothing is held."""


def _nothing(error: Exception | None) -> None:
    """Nobody needs to know what became of a made-up message."""
