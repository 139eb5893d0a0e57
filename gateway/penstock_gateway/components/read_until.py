"""Input `read_until`: reads another input until a check holds, or until nothing came for a time."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel, ConfigDict, Field, model_validator

from penstock_gateway import language
from penstock_gateway.errors import EndOfInput, NotConnected
from penstock_gateway.registry import Config, Context, Delivery, Input, InputSlot, Kind, QueryText, Slot, component
from penstock_gateway.units import Duration
from penstock_gateway.whole_input import Pending, all_settled, whole_input


class RestartPauses(BaseModel):
    """How long to wait before an input that ended is begun again."""

    model_config = ConfigDict(extra="forbid")

    initial_interval: Duration = Field(0.001, description="The first pause.")
    max_interval: Duration = Field(0.1, description="The longest pause.")


@component("read_until", Kind.INPUT, summary="Reads an input until a check holds.", sharing="singleton")
class ReadUntil(Config):
    """Fields as Bento's."""

    input: InputSlot = Field(description="The input to read.")
    check: QueryText = Field(
        "", description="A query on the first message of each batch; true ends the input after it."
    )
    idle_timeout: Duration | None = Field(None, description="Time without messages after which the input ends.")
    restart_input: bool = Field(False, description="Whether an input that ends by itself is begun again.")
    restart_backoff: RestartPauses = Field(default_factory=RestartPauses, description="Pauses before that.")

    @model_validator(mode="after")
    def _ends_somehow(self) -> ReadUntil:
        if not self.check and self.idle_timeout is None:
            raise ValueError("it is required to set either check or idle_timeout")
        return self

    def build(self, context: Context) -> Input:
        """Build the input and compile the check."""
        check = context.check(self.check, "check") if self.check else None
        return CheckedInput(self, check, context)


class CheckedInput:
    """The message that meets the check carries `bento_read_until: final`; the input ends once it was acknowledged."""

    def __init__(self, config: ReadUntil, check: language.Mapping | None, context: Context) -> None:
        self.config, self.check, self.context = config, check, context
        self.slot: Slot = config.input
        self.inner = whole_input(self.slot, context)
        self.replays = self.inner.replays
        self._pending = Pending(self._read_inner)
        self._held: list[Delivery] = []
        self._final: asyncio.Future[bool] | None = None
        self._pause = config.restart_backoff.initial_interval
        self._connected = False

    async def connect(self) -> None:
        """Connect the input inside."""
        if not self._connected:
            await self.inner.connect()
            self._connected = True

    async def _read_inner(self) -> list[Delivery]:
        return await self.inner.read()

    async def read(self) -> list[Delivery]:
        """What the input inside gives, up to the batch that meets the check; then its outcome is waited for."""
        while True:
            if self._final is not None:
                if await asyncio.shield(self._final):
                    raise EndOfInput
                self._final = None
            if not self._held:
                self._held = await self._next()
            for n, delivery in enumerate(self._held):
                if self._meets(delivery):
                    passed, self._held = self._held[: n + 1], self._held[n + 1 :]
                    self._mark(delivery)
                    return passed
            if self._held:
                passed, self._held = self._held, []
                return passed

    async def _next(self) -> list[Delivery]:
        try:
            found = await self._pending.next(self.config.idle_timeout)
        except NotConnected:
            self._connected = False
            raise
        except EndOfInput:
            if not self.config.restart_input:
                raise
            await self._restart()
            return []
        if found is None:
            self.context.log.info("Idle timeout reached")
            raise EndOfInput
        if found:
            self._pause = self.config.restart_backoff.initial_interval
        return found

    async def _restart(self) -> None:
        await asyncio.sleep(self._pause)
        self._pause = min(self._pause * 1.5, self.config.restart_backoff.max_interval)
        self.inner = whole_input(self.slot, self.context)
        self._connected = False
        await self.connect()

    def _meets(self, delivery: Delivery) -> bool:
        if self.check is None or not delivery.messages:
            return False
        try:
            return self.check.check(delivery.messages, 0)
        except language.EvaluationError as error:
            self.context.log.error("Failed to execute check query: %s", error)
            return False

    def _mark(self, delivery: Delivery) -> None:
        delivery.messages[0].meta["bento_read_until"] = "final"
        final = self._final = asyncio.get_running_loop().create_future()

        def done(error: Exception | None) -> None:
            if not final.done():
                final.set_result(error is None)

        delivery.settle = all_settled(delivery, done)

    async def close(self) -> None:
        """Close the input inside; what was read and not handed over stays unsettled."""
        await self._pending.drop()
        await self.inner.close()
