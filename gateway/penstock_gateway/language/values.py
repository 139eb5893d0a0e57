"""How values turn into one another: the coercions of operators, arguments and output, and equality (source: Bento's rules).

`get_*` take a value that already is of the kind, in whatever width (what arguments and operators do) and raise WrongType;
`to_string` and `to_bytes` take anything (what `.string()`, `.bytes()` and interpolation do).
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

from penstock_gateway.document import (
    INT64_MAX,
    INT64_MIN,
    NOTHING,
    Number,
    Sentinel,
    Timestamp,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Value,
    encode,
    go_float,
    text_bytes,
)
from penstock_gateway.language.errors import EvaluationError, WrongType

_UNSIGNED = (Uint8, Uint16, Uint32, Uint64)
RFC3339_NANO = "2006-01-02T15:04:05.999999999Z07:00"


def wrap_int64(number: int) -> int:
    """The number as int64 arithmetic leaves it: cut to 64 bits, silently."""
    return ((number - INT64_MIN) & (2**64 - 1)) + INT64_MIN


def sanitize(value: Value) -> Value:
    """Small widths as int (int64) or Uint64, float32 as float, JSON numbers converted, timestamps as text."""
    kind = type(value)
    if kind is Number:
        return value.value
    if kind is int:
        return value if INT64_MIN <= value <= INT64_MAX else float(value)
    if kind is Timestamp:
        return value.rfc3339()
    if isinstance(value, int) and kind is not bool:
        return Uint64(value) if isinstance(value, _UNSIGNED) else int(value)
    if isinstance(value, float):
        return float(value)
    return value


def is_number(value: Value) -> bool:
    """Whether this is a number of any width, or a JSON number."""
    return type(value) is not bool and isinstance(value, int | float | Number)


def get_number(value: Value) -> float:
    """A number as float64."""
    if type(value) is float:
        return value
    if type(value) is int:
        return float(value)
    if type(value) is Number:
        return float(value.text)
    if is_number(value):
        return float(value)
    raise WrongType(value, "number")


def get_int(value: Value) -> int:
    """A number as int64; fractions are cut off."""
    number = sanitize(value) if is_number(value) else None
    if number is None:
        raise WrongType(value, "number")
    if isinstance(number, float):
        if not math.isfinite(number) or not -(2.0**63) <= number < 2.0**63:
            return INT64_MIN  # what Go's conversion gives on amd64
        return int(number)
    return wrap_int64(number)


def get_bool(value: Value) -> bool:
    """A bool, or a number that is not zero."""
    if type(value) is bool:
        return value
    if type(value) is Number:
        return value.text != "0"
    if is_number(value):
        return bool(value != 0)
    raise WrongType(value, "bool")


def text_of(raw: bytes) -> str:
    """Bytes as a string; what is no UTF-8 is kept in surrogates and prints as U+FFFD."""
    return raw.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """The bytes of a string, with what was no UTF-8 as it was."""
    return text_bytes(text)


def get_string(value: Value) -> str:
    """A string, bytes or a timestamp as text."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]  # checked above
    if kind is bytes:
        return text_of(value)
    if kind is Timestamp:
        text: str = value.rfc3339()
        return text
    raise WrongType(value, "string")


_RFC3339 = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:[.,](\d+))?(?:Z|([+-])(\d{2}):(\d{2}))",
    re.ASCII,
)


def parse_rfc3339(text: str) -> Timestamp:
    """A timestamp from RFC 3339 text. Raises EvaluationError with Go's complaint."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise EvaluationError(_rfc3339_complaint(text))
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    try:
        base = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as problem:
        word = "day" if 1 <= month <= 12 and "day" in str(problem) else str(problem).split()[0]
        raise EvaluationError(f'parsing time "{text}": {word} out of range') from None
    nanoseconds = int((match[7] or "0")[:9].ljust(9, "0"))
    offset = 0
    if match[8]:
        offset = int(match[9]) * 3600 + int(match[10]) * 60
        offset = -offset if match[8] == "-" else offset
    seconds = int((base - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    return Timestamp((seconds - offset) * 1_000_000_000 + nanoseconds, offset, "" if match[8] else "UTC")


_STEPS = (
    ("2006", r"\d{4}"), ("-", "-"), ("01", r"\d{2}"), ("-", "-"), ("02", r"\d{2}"), ("T", "T"), ("15", r"\d{2}"),
    (":", ":"), ("04", r"\d{2}"), (":", ":"), ("05", r"\d{2}(?:[.,]\d+)?"), ("Z07:00", r"Z|[+-]\d{2}:\d{2}"),
)  # fmt: skip


def _rfc3339_complaint(text: str) -> str:
    start = f'parsing time "{text}" as "{RFC3339_NANO}": '
    at = 0
    for step, pattern in _STEPS:
        match = re.compile(pattern, re.ASCII).match(text, at)
        if match is None:
            return f'{start}cannot parse "{text[at:]}" as "{step}"'
        at = match.end()
    return f'parsing time "{text}": extra text: "{text[at:]}"'


def get_timestamp(value: Value) -> Timestamp:
    """A timestamp; RFC 3339 text; or a number of seconds since 1970."""
    if type(value) is Timestamp:
        return value
    if type(value) is bytes:
        value = text_of(value)
    if type(value) is str:
        return parse_rfc3339(value)
    if not is_number(value):
        raise WrongType(value, "number", "string")
    number = sanitize(value)
    if isinstance(number, float):
        if not math.isfinite(number):
            raise EvaluationError(f"{go_float(number)} is no point in time")
        whole = math.trunc(number)
        return Timestamp(whole * 1_000_000_000 + int((number - whole) * 1e9))
    return Timestamp(int(number) * 1_000_000_000)


def to_string(value: Value) -> str:
    """Any value as `.string()` and interpolation print it: containers as compact JSON, sentinels as null."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]  # checked above
    if kind is bytes:
        return text_of(value)
    if kind is bool:
        return "true" if value else "false"
    if value is None or kind is Sentinel:
        return "null"
    if kind is Number:
        return value.text  # type: ignore[no-any-return]  # checked above
    if kind is float:
        return go_float(value)
    if isinstance(value, int):
        return int.__repr__(value)
    if kind is Timestamp:
        return value.rfc3339()  # type: ignore[no-any-return]  # checked above
    return encode(value).decode("utf-8", "surrogateescape")


def to_bytes(value: Value) -> bytes:
    """Any value as `.bytes()` gives it."""
    return value if type(value) is bytes else bytes_of(to_string(value))


def restricted(value: Value) -> Value:
    """A value reduced for comparison: every number as float, bytes and timestamps as text."""
    if type(value) is bytes:
        return text_of(value)
    value = sanitize(value)
    return float(value) if is_number(value) else value


def equal(left: Value, right: Value) -> bool:
    """Deep equality as `contains`, `match` and `unique` use it: numbers by value, text like bytes; a bool on the left takes
    numbers on the right."""
    kind = type(left)
    if kind is type(right) and (kind is str or kind is int or kind is float or kind is bool):
        return bool(left == right)
    if left is None:
        return right is None
    if kind is list:
        return type(right) is list and len(left) == len(right) and all(map(equal, left, right))
    if kind is dict:
        if type(right) is not dict or len(left) != len(right):
            return False
        return all(key in right and equal(item, right[key]) for key, item in left.items())
    if kind is Sentinel:
        return left is right and left is not NOTHING
    try:
        if kind is bool:
            return bool(left == get_bool(right))
        if is_number(left):
            return get_number(left) == get_number(right)
        return get_string(left) == get_string(right)
    except WrongType:
        return False
