"""The function that makes data up: fake."""

from __future__ import annotations

from penstock_gateway.document import Value
from penstock_gateway.language.context import Execution
from penstock_gateway.language.errors import EvaluationError
from penstock_gateway.language.madeup import KINDS, Maker
from penstock_gateway.language.registry import Param, function


@function("fake", Param("function", "string", default=""), context=True)
def fake(ctx: Execution, kind: str) -> Value:
    """Make up something of a kind: `email`, `name`, `ipv4` …"""
    make = KINDS.get(kind.lower())
    if make is None:
        raise EvaluationError(f"invalid faker function: {kind}")
    seed = int.from_bytes(ctx.environment.random(8))
    return make(Maker(seed, ctx.environment.clock()))
