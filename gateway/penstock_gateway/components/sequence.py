"""Input `sequence`: reads inputs one after another, each until it ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from penstock_gateway.errors import EndOfInput
from penstock_gateway.registry import Config, Context, Delivery, Input, InputSlot, Kind, component
from penstock_gateway.whole_input import whole_input


class ShardedJoin(BaseModel):
    """Joining what the inputs give by an id."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["none", "full-outer", "outer", "full-outter", "outter"] = Field(
        "none", description="Only none is supported."
    )
    id_path: str = Field("", description="Accepted for compatibility.")
    iterations: int = Field(1, description="Accepted for compatibility.")
    merge_strategy: Literal["array", "replace", "keep"] = Field("array", description="Accepted for compatibility.")

    @field_validator("type")
    @classmethod
    def _is_none(cls, value: str) -> str:
        if value != "none":
            raise ValueError("sharded_join is not supported here: join by a key with the processors cache and branch")
        return value


@component("sequence", Kind.INPUT, summary="Reads inputs one after another.", sharing="singleton")
class SequenceInput(Config):
    """Fields as Bento's."""

    inputs: list[InputSlot] = Field(description="The inputs in order.", min_length=1)
    sharded_join: ShardedJoin = Field(default_factory=ShardedJoin, description="Not supported here.")

    def build(self, context: Context) -> Input:
        """Build the inputs."""
        return OneAfterAnother([whole_input(slot, context) for slot in self.inputs])


class OneAfterAnother:
    """Each input is connected when its turn comes; it stays open until all is over, since its messages may not be settled."""

    def __init__(self, inner: Sequence[Input]) -> None:
        self.inner = inner
        self.replays = all(child.replays for child in inner)
        self._turn = 0

    async def connect(self) -> None:
        """Connect the input whose turn it is."""
        if self._turn < len(self.inner):
            await self.inner[self._turn].connect()

    async def read(self) -> list[Delivery]:
        """What the input whose turn it is gives; raises EndOfInput after the last one."""
        while self._turn < len(self.inner):
            try:
                return await self.inner[self._turn].read()
            except EndOfInput:
                self._turn += 1
                await self.connect()
        raise EndOfInput

    async def close(self) -> None:
        """Close those that had their turn."""
        for child in self.inner[: self._turn + 1]:
            await child.close()
