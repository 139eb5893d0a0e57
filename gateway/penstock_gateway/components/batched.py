"""Input `batched`: gathers what another input reads by a batch policy."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from penstock_gateway.batching import BatchPolicy
from penstock_gateway.registry import Config, Context, Input, InputSlot, Kind, component
from penstock_gateway.whole_input import whole_input


@component("batched", Kind.INPUT, summary="Gathers what an input reads into batches.", sharing="singleton")
class Batched(Config):
    """Fields as Bento's; the engine applies the policy."""

    child: InputSlot = Field(description="The input to read.")
    policy: BatchPolicy = Field(description="When a batch is complete.")

    @field_validator("policy")
    @classmethod
    def _is_active(cls, policy: BatchPolicy) -> BatchPolicy:
        if not policy.active and policy.count != 1:
            raise ValueError("batch policy must have at least one active trigger")
        return policy

    @property
    def batching(self) -> Any:
        """Where the engine looks for a policy."""
        return self.policy

    def build(self, context: Context) -> Input:
        """Build the input."""
        return whole_input(self.child, context)
