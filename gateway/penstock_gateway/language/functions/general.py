"""Functions that make values out of their arguments: range, random_int, pi, cosine_similarity, hostname."""

from __future__ import annotations

import math
from collections.abc import Callable

from penstock_gateway.document import INT64_MAX, Value
from penstock_gateway.language.context import Execution
from penstock_gateway.language.errors import EvaluationError
from penstock_gateway.language.identifiers import Sequence
from penstock_gateway.language.methods.widths import int64
from penstock_gateway.language.registry import Param, Query, function
from penstock_gateway.language.values import get_number, is_number

MAX_RANGE = 1_000_000
"""Elements that one range may have."""


@function("pi")
def pi() -> float:
    """Give pi."""
    return math.pi


@function(
    "range",
    Param("start", "integer"),
    Param("stop", "integer"),
    Param("step", "integer", default=1),
    prepare=True,
    context=True,
)
def range_(start: int, stop: int, step: int) -> Callable[[Execution], list[Value]]:
    """Give the integers from start towards stop, step by step."""
    if step == 0:
        raise EvaluationError("step must be greater than or less than 0")
    if step > 0 and start >= stop:
        raise EvaluationError(f"with positive step arg start ({start}) must be < stop ({stop})")
    if step < 0 and stop >= start:
        raise EvaluationError(f"with negative step arg stop ({stop}) must be <= start ({start})")
    size = abs(stop - start) // abs(step)  # a last step that would not reach stop in full is not taken, as in Bento
    if size > MAX_RANGE:
        raise EvaluationError(f"a range of {size} elements exceeds the limit of {MAX_RANGE}")

    def run(ctx: Execution) -> list[Value]:
        ctx.spend(size)
        return list(range(start, start + size * step, step))

    return run


@function(
    "random_int",
    Param("seed", "query", default=0),
    Param("min", "integer", default=0),
    Param("max", "integer", default=INT64_MAX - 1),
    prepare=True,
    context=True,
)
def random_int(seed: Query | int, low: int, high: int) -> Callable[[Execution], int]:
    """Give a random integer in [min, max]; the seed is evaluated once per call site, 0 stands for real randomness."""
    if low < 0:
        raise EvaluationError(f"min ({low}) must be a positive number")
    if high < low:
        raise EvaluationError(f"min ({low}) must be smaller or equal than max ({high})")
    if high == INT64_MAX:
        raise EvaluationError(f"max must be smaller than the max allowed for an int64 ({INT64_MAX})")
    sequence: list[Sequence] = []

    def run(ctx: Execution) -> int:
        if not sequence:
            sequence.append(Sequence(_seed(ctx, seed)))
        return sequence[0].below(high - low + 1) + low

    return run


def _seed(ctx: Execution, seed: Query | int) -> int:
    try:
        number = int64(seed(ctx, None)) if callable(seed) else int(seed)
    except EvaluationError as error:
        raise EvaluationError(f"failed to seed random number generator: {error.text}") from None
    return number or int.from_bytes(ctx.environment.random(8))


@function("hostname", context=True, impure=True)
def hostname(ctx: Execution) -> str:
    """Give the name of the machine."""
    return ctx.environment.hostname


@function("cosine_similarity", Param("a", "any"), Param("b", "any"))
def cosine_similarity(a: Value, b: Value) -> float:
    """Give the cosine of the angle between two vectors."""
    left, right = _vector(a), _vector(b)
    if len(left) != len(right):
        raise EvaluationError("vectors must be equal length")
    if not left:
        raise EvaluationError("vectors cannot be empty")
    dot = squares_left = squares_right = 0.0
    for one, two in zip(left, right, strict=True):
        dot += one * two
        squares_left += one * one
        squares_right += two * two
    if squares_left == 0 or squares_right == 0:
        raise EvaluationError("vectors must not be null (all zeros)")
    return dot / (math.sqrt(squares_left) * math.sqrt(squares_right))


def _vector(value: Value) -> list[float]:
    if type(value) is not list or not all(is_number(item) for item in value):
        raise EvaluationError("vector must be an array of numeric types")
    return [get_number(item) for item in value]


@function("tracing_id", context=True)
def tracing_id(_ctx: Execution) -> str:
    """Give the trace of the message; without tracing it is all zeros."""
    return "0" * 32


@function("tracing_span", context=True)
def tracing_span(_ctx: Execution) -> None:
    """Give the span of the message; without tracing there is none."""
