"""The batch policy: when gathered messages go on together (Bento's `batching` block); pure, the clock is an argument."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from penstock_gateway.registry import ProcessorSlot, QueryText
from penstock_gateway.units import Duration


class BatchPolicy(BaseModel):
    """The fields of a `batching` block. Any trigger that is met flushes; all absent = no batching."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    count: int = Field(0, description="Messages at which a batch is flushed; 0 = not by count.", ge=0)
    byte_size: int = Field(0, description="Sum of body sizes at which a batch is flushed; 0 = not by size.", ge=0)
    period: Duration | None = Field(
        None, description="Time since the last flush after which an incomplete batch goes on."
    )
    jitter: float = Field(0.0, description="A random share of the period that is added to it.", ge=0)
    check: QueryText = Field("", description="A query on the newest message; true flushes.")
    processors: list[ProcessorSlot] = Field(default_factory=list, description="Applied to each flushed batch.")

    @property
    def active(self) -> bool:
        """Whether any trigger is set."""
        return bool(self.count > 1 or self.byte_size or self.period or self.check)
