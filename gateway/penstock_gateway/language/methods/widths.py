"""Methods that give a number a width: int8 … uint64, float32, float64."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

from penstock_gateway.document import (
    INT64_MAX,
    INT64_MIN,
    Float32,
    Int8,
    Int16,
    Int32,
    Number,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Value,
)
from penstock_gateway.language.errors import EvaluationError, WrongType
from penstock_gateway.language.gonumbers import NumberError, parse_int
from penstock_gateway.language.methods.coerce import to_float
from penstock_gateway.language.registry import method
from penstock_gateway.language.values import is_number, text_of

UINT64_MAX = 2**64 - 1
_DECIMALS = (
    "float value contains decimals and therefore cannot be cast as {}, "
    "if you intend to round the value then call `.round()` explicitly before this cast"
)


def _parsed(text: str, *, signed: bool) -> int:
    try:
        return parse_int(text, signed=signed)
    except NumberError as error:
        raise EvaluationError(str(error)) from None


def _json_integer(text: str) -> int:
    """Give the int64 of a JSON number, which must be written as one."""
    digits = text[1:] if text[0] == "-" else text
    if not digits.isdigit():
        raise EvaluationError(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    value = int(text) if len(digits) < 20 else INT64_MAX + 1
    if not INT64_MIN <= value <= INT64_MAX:
        raise EvaluationError(f'strconv.ParseInt: parsing "{text}": value out of range')
    return value


def _integer(value: Value, *, signed: bool) -> int:
    """Give a value as int64 or uint64 without losing anything."""
    if type(value) is str:
        return _parsed(value, signed=signed)
    if type(value) is bytes:
        return _parsed(text_of(value), signed=signed)
    if type(value) is Number:
        whole = _json_integer(value.text)
    elif not is_number(value):
        raise WrongType(value, "number")
    elif isinstance(value, float):
        return _from_float(float(value), "a signed integer" if signed else "an unsigned integer", signed=signed)
    else:
        whole = int(value)
        if type(value) is int and not INT64_MIN <= whole <= INT64_MAX:
            _json_integer(str(whole))  # stands for a JSON number
    if signed:
        if whole > INT64_MAX:
            raise EvaluationError("unsigned integer value is too large to be cast as a signed integer")
        return whole
    if whole < 0:
        raise EvaluationError("signed integer value is negative and cannot be cast as an unsigned integer")
    return whole


def _from_float(value: float, wanted: str, *, signed: bool) -> int:
    if not signed and value < 0:
        raise EvaluationError(f"float value is negative and cannot be cast as {wanted}")
    target = "an integer" if signed else wanted
    if math.isinf(value):
        raise EvaluationError(f"cannot convert +/-INF to {target}")
    if math.isnan(value):
        raise EvaluationError(f"cannot convert NAN to {target}")
    if value > (INT64_MAX if signed else UINT64_MAX):
        raise EvaluationError(f"float value is too large to be cast as {wanted}")
    if value < INT64_MIN:
        raise EvaluationError(f"float value is too small to be cast as {wanted}")
    if value != math.trunc(value):
        raise EvaluationError(_DECIMALS.format(wanted))
    return int(value)


@method("int64", annotate=False)
def int64(target: Value) -> int:
    """Give an int64."""
    return _integer(target, signed=True)


@method("uint64", annotate=False)
def uint64(target: Value) -> Uint64:
    """Give a uint64."""
    return Uint64(_integer(target, signed=False))


def _narrow(width: type[int], bits: int, *, signed: bool) -> Callable[[Value], int]:
    high = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
    low = -high - 1 if signed else 0
    article = "an" if bits == 8 else "a"
    name = f"{article} {bits}-bit {'signed' if signed else 'unsigned'} integer"

    def run(target: Value) -> int:
        if type(target) is width:
            return target
        whole = _integer(target, signed=signed)
        if whole > high:
            raise EvaluationError(f"value is too large to be cast as {name}")
        if whole < low:
            raise EvaluationError(f"value is too small to be cast as {name}")
        return width(whole)

    return run


method("int32", annotate=False)(_narrow(Int32, 32, signed=True))
method("int16", annotate=False)(_narrow(Int16, 16, signed=True))
method("int8", annotate=False)(_narrow(Int8, 8, signed=True))
method("uint32", annotate=False)(_narrow(Uint32, 32, signed=False))
method("uint16", annotate=False)(_narrow(Uint16, 16, signed=False))
method("uint8", annotate=False)(_narrow(Uint8, 8, signed=False))


@method("float64", annotate=False)
def float64(target: Value) -> float:
    """Give a float64."""
    return to_float(target)


@method("float32", annotate=False)
def float32(target: Value) -> Float32:
    """Give a float32, rounded to its precision."""
    value = to_float(target)
    try:
        return Float32(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        if type(target) in (str, bytes, Number):
            shown = target.text if type(target) is Number else target if type(target) is str else text_of(target)
            raise EvaluationError(f'strconv.ParseFloat: parsing "{shown}": value out of range') from None
        return Float32(math.copysign(math.inf, value))
