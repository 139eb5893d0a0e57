"""Methods on numbers and on arrays of numbers: rounding, logarithms, extremes, sums."""

from __future__ import annotations

import math
from collections.abc import Callable

from penstock_gateway.document import INT64_MAX, INT64_MIN, Uint64, Value
from penstock_gateway.language.errors import EvaluationError, WrongType, wrapped
from penstock_gateway.language.registry import Param, method
from penstock_gateway.language.values import get_number, is_number, sanitize


def _whole(value: float) -> Value:
    """Give a rounded float as int64 if it fits, else as it is."""
    return int(value) if math.isfinite(value) and INT64_MIN <= value <= INT64_MAX else value


@method("ceil", receives="number")
def ceil(target: Value) -> Value:
    """Round up."""
    return _whole(float(math.ceil(target)) if math.isfinite(target) else target) if _is_float(target) else target


@method("floor", receives="number")
def floor(target: Value) -> Value:
    """Round down."""
    return _whole(float(math.floor(target)) if math.isfinite(target) else target) if _is_float(target) else target


@method("round", receives="number")
def round_(target: Value) -> Value:
    """Round to the nearest integer, half away from zero."""
    if not _is_float(target) or not math.isfinite(target):
        return target
    whole = math.trunc(target)
    if abs(target - whole) >= 0.5:
        whole += 1 if target > 0 else -1
    return _whole(float(whole))


def _is_float(value: Value) -> bool:
    return isinstance(value, float)


@method("abs", annotate=False)
def abs_(target: Value) -> Value:
    """Drop the sign; the smallest int64 gives the largest."""
    value = sanitize(target) if is_number(target) else None
    if value is None or type(value) is Uint64:
        raise WrongType(target, "number", "integer")
    if isinstance(value, float):
        return abs(value)
    return Uint64(INT64_MAX) if value == INT64_MIN else abs(value)


def _log(function: Callable[[float], float]) -> Callable[[Value], float]:
    def run(target: Value) -> float:
        value = float(target)
        if value <= 0:
            return -math.inf if value == 0 else math.nan
        return function(value)

    return run


method("log", receives="number")(_log(math.log))
method("log10", receives="number")(_log(math.log10))


def _wave(function: Callable[[float], float]) -> Callable[[Value], float]:
    def run(target: Value) -> float:
        value = get_number(target)
        return function(value) if math.isfinite(value) else math.nan

    return run


method("sin", annotate=False)(_wave(math.sin))
method("cos", annotate=False)(_wave(math.cos))
method("tan", annotate=False)(_wave(math.tan))


@method("pow", Param("exponent", "float"), annotate=False)
def pow_(target: Value, exponent: float) -> float:
    """Raise to a power, as float64."""
    base = get_number(target)
    try:
        return math.pow(base, exponent)
    except OverflowError:
        odd = exponent == math.trunc(exponent) and math.fmod(exponent, 2) != 0
        return -math.inf if base < 0 and odd else math.inf
    except ValueError:
        if base == 0:  # a negative power of zero
            odd = exponent == math.trunc(exponent) and math.fmod(exponent, 2) != 0
            return math.copysign(math.inf, base) if odd else math.inf
        return math.nan


def _numbers(target: Value) -> list[float]:
    if type(target) is not list:
        raise WrongType(target, "array")
    if not target:
        raise EvaluationError("the array was empty")
    found = []
    for index, item in enumerate(target):
        try:
            found.append(item if type(item) is float else get_number(item))
        except WrongType as error:
            raise wrapped(f"index {index} of array: ", error) from None
    return found


@method("max")
def max_(target: Value) -> float:
    """Give the largest number of an array."""
    return max(_numbers(target))


@method("min")
def min_(target: Value) -> float:
    """Give the smallest number of an array."""
    return min(_numbers(target))


@method("sum")
def sum_(target: Value) -> Value:
    """Add up an array of numbers as float64; a number is its own sum."""
    if type(target) is not list:
        if is_number(target):
            return target
        raise WrongType(target, "array")
    total = 0.0
    failed: EvaluationError | None = None
    for index, item in enumerate(target):
        try:
            total += get_number(item)
        except WrongType as error:  # the last one is reported
            failed = EvaluationError(f"index {index}: {error.text}", has_origin=True)
    if failed is not None:
        raise failed
    return total
