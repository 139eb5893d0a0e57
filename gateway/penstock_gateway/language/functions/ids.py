"""Functions that give identifiers: ksuid, ulid, nanoid, snowflake_id."""

from __future__ import annotations

from collections.abc import Callable

from penstock_gateway.language.context import Execution
from penstock_gateway.language.errors import EvaluationError
from penstock_gateway.language.identifiers import NANOID_ALPHABET, crockford, nanoid, snowflake
from penstock_gateway.language.identifiers import ksuid as make_ksuid
from penstock_gateway.language.identifiers import ulid as make_ulid
from penstock_gateway.language.registry import Param, function

_MAX_NANOID = 65_536
_SECOND = 1_000_000_000
_MILLISECOND = 1_000_000


@function("ksuid", context=True)
def ksuid(ctx: Execution) -> str:
    """Give a KSUID."""
    return make_ksuid(ctx.environment.clock() // _SECOND, ctx.environment.random(16))


_RANDOM_SOURCES = ("secure_random", "fast_random")


@function(
    "ulid",
    Param("encoding", "string", default="crockford"),
    Param("random_source", "string", default="secure_random"),
    prepare=True,
    context=True,
)
def ulid(encoding: str, random_source: str) -> Callable[[Execution], str]:
    """Give a ULID in Crockford's base 32 or in hex."""
    if encoding not in ("crockford", "hex"):
        raise EvaluationError(f"invalid ulid encoding: {encoding}")
    if random_source not in _RANDOM_SOURCES:
        raise EvaluationError(f"invalid randomness source: {random_source}")

    def run(ctx: Execution) -> str:
        raw = make_ulid(ctx.environment.clock() // _MILLISECOND, ctx.environment.random(10))
        return raw.hex() if encoding == "hex" else crockford(raw)

    return run


@function(
    "nanoid",
    Param("length", "integer", optional=True),
    Param("alphabet", "string", optional=True),
    prepare=True,
    context=True,
)
def nanoid_(length: int | None, alphabet: str | None) -> Callable[[Execution], str]:
    """Give a nano id: 21 characters, unless told otherwise."""
    if alphabet is not None and length is None:
        raise EvaluationError("field length must be specified when an alphabet is specified")
    size = 21 if length is None else length
    letters = NANOID_ALPHABET if alphabet is None else alphabet

    def run(ctx: Execution) -> str:
        if not 0 < len(letters) <= 255:
            raise EvaluationError("alphabet must not be empty and contain no more than 255 chars")
        if not 0 < size <= _MAX_NANOID:
            raise EvaluationError("size must be positive integer")
        while True:
            found = nanoid(letters, size, ctx.environment.random(size * 3 + 16))
            if found is not None:
                return found

    return run


@function("snowflake_id", Param("node_id", "integer", default=1), prepare=True, context=True)
def snowflake_id(node_id: int) -> Callable[[Execution], str]:
    """Give a snowflake id, larger than all before it in this process."""
    if not 0 <= node_id <= 1023:
        raise EvaluationError("Node number must be between 0 and 1023")
    name = f"\0snowflake {node_id}"

    def run(ctx: Execution) -> str:
        counters = ctx.environment.counters
        found = snowflake(ctx.environment.clock() // _MILLISECOND, node_id, counters.get(name, 0))
        counters[name] = found
        return str(found)

    return run
