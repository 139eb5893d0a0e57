"""The value model of messages, and JSON in and out of it as Bento reads and writes it.

| Bento (Go)            | here                                                        |
|-----------------------|-------------------------------------------------------------|
| null, bool, string    | `None`, `bool`, `str`                                       |
| int64                 | exactly `int`                                               |
| int8 … uint64         | `Int8` … `Uint64`, thin subclasses of `int`                 |
| float64, float32      | exactly `float`; `Float32`                                  |
| json.Number           | `Number`, which keeps its text                              |
| bytes, array, object  | `bytes`, `list`, `dict` with `str` keys                     |
| timestamp             | `Timestamp`                                                 |
| delete, nothing       | `DELETED`, `NOTHING`, the two instances of `Sentinel`       |

A document is never changed in place once it was handed over: whoever writes copies the containers on the path it writes.
Sharing parts between documents is therefore free, everywhere in the gateway.

`decode` gives integers of JSON as plain `int` (also beyond 64 bits: such an `int` still stands for a JSON number and turns
into float64 with the first arithmetic) and all other numbers as `Number`. `decode_exact` gives a `Number` for integers too,
for the few places where the language can tell the two apart (`%d` of `format`).
"""

from __future__ import annotations

import base64
import json
import math
import re
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import msgspec
import orjson

from penstock_gateway.document_syntax import MAX_DEPTH, DocumentError, complaint, depth_exceeded

__all__ = [
    "DELETED", "INT64_MAX", "INT64_MIN", "MAX_DEPTH", "NOTHING", "DocumentError", "Float32", "Int8", "Int16", "Int32",
    "Number", "Sentinel", "Timestamp", "Uint8", "Uint16", "Uint32", "Uint64", "Value", "decode", "decode_exact", "encode",
    "go_float", "go_float_json", "is_plain", "kind", "text_bytes",
]  # fmt: skip

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1

# None, bool, int, float, Number, str, bytes, Timestamp, list, dict, Sentinel; a recursive alias buys nothing but casts.
Value: TypeAlias = Any


class Number(msgspec.Struct, frozen=True, gc=False):
    """A JSON number that nobody has computed with: its text is kept. `value` is int64 if the text is one, else float64."""

    text: str

    @property
    def value(self) -> int | float:
        """The number as Go's json.Number gives it: Int64() if that works, else Float64()."""
        text = self.text
        if "." in text or len(text) > 20 or "e" in text or "E" in text:
            return float(text)
        whole = int(text)
        return whole if INT64_MIN <= whole <= INT64_MAX else float(text)


class Int8(int):
    """An int8."""


class Int16(int):
    """An int16."""


class Int32(int):
    """An int32."""


class Uint8(int):
    """An uint8."""


class Uint16(int):
    """An uint16."""


class Uint32(int):
    """An uint32."""


class Uint64(int):
    """An uint64."""


class Float32(float):
    """A float32, already rounded to its precision."""


class Timestamp(msgspec.Struct, frozen=True, gc=False):
    """An instant: nanoseconds since 1970 UTC, plus the zone it is shown in (offset in seconds east, name as Go prints it)."""

    ns: int
    offset: int = 0
    zone: str = "UTC"

    def rfc3339(self) -> str:
        """RFC 3339 with nanoseconds, trailing zeros of the fraction trimmed (Go's RFC3339Nano)."""
        seconds, fraction = divmod(self.ns, 1_000_000_000)
        era, rest = divmod(seconds + self.offset, 12_622_780_800)  # the calendar repeats every 400 years
        when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=rest)
        year = when.year + 400 * era  # may lie outside of what datetime knows
        text = f"{year:04d}-{when.month:02d}-{when.day:02d}T{when.hour:02d}:{when.minute:02d}:{when.second:02d}"
        if fraction:
            text += f".{fraction:09d}".rstrip("0")
        if self.offset == 0:
            return text + "Z"
        minutes = abs(self.offset) // 60
        return f"{text}{'-' if self.offset < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"


class Sentinel:
    """The class of `DELETED` and `NOTHING`; compare with `is`."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.name}>"


DELETED = Sentinel("delete")
NOTHING = Sentinel("nothing")

_KINDS: dict[type, str] = {
    type(None): "null", bool: "bool", int: "number", float: "number", Number: "number", Int8: "number", Int16: "number",
    Int32: "number", Uint8: "number", Uint16: "number", Uint32: "number", Uint64: "number", Float32: "number",
    str: "string", bytes: "bytes", Timestamp: "timestamp", list: "array", dict: "object",
}  # fmt: skip


def kind(value: Value) -> str:
    """The type as the language names it: null bool number string bytes timestamp array object delete nothing."""
    if type(value) is Sentinel:
        return value.name
    return _KINDS.get(type(value), "unknown")


# --- in -------------------------------------------------------------------------------------------------------------

_read = msgspec.json.Decoder(float_hook=Number).decode
_minus_zero = re.compile(rb"(?:^|[:\[,\s])-0(?:[\s,\]}]|$)").search


def decode(raw: bytes) -> Value:
    """The document in `raw`. Raises DocumentError with the text of Go's encoding/json."""
    try:
        if b"-0" in raw and _minus_zero(raw):
            return _read_slowly(raw, exact=False)
        return _read(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_slowly(raw, exact=False)


def decode_exact(raw: bytes) -> Value:
    """Like `decode`, but integers are `Number` too. About five times slower."""
    return _read_slowly(raw, exact=True)


def _integer(text: str) -> Value:
    return Number(text) if len(text) > 18 or text == "-0" else int(text)


def _refuse_constant(name: str) -> Value:
    raise ValueError(name)  # NaN and Infinity are words of Python's reader, not of JSON


_lone_surrogate = re.compile("[\ud800-\udfff]")


def _read_slowly(raw: bytes, *, exact: bool) -> Value:
    """Python's own reader: for invalid UTF-8 and lone surrogates (both become U+FFFD, as in Go) and for exact numbers."""
    text = raw.decode("utf-8", "surrogateescape")
    if _lone_surrogate.search(text):
        text = _lone_surrogate.sub("\ufffd", text)
    if depth_exceeded(text):
        raise DocumentError("exceeded max depth")
    try:
        value = json.loads(
            text,
            parse_int=Number if exact else _integer,
            parse_float=Number,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError):
        raise DocumentError(complaint(text)) from None
    return _mend(value) if "\\u" in text else value


def _mend(value: Value) -> Value:
    """The value with surrogates that escapes left alone replaced."""
    if type(value) is str:
        return _lone_surrogate.sub("\ufffd", value)
    if type(value) is list:
        return [_mend(item) for item in value]
    if type(value) is dict:
        return {_mend(key): _mend(item) for key, item in value.items()}
    return value


# --- out ------------------------------------------------------------------------------------------------------------

_DONE: Any = object()
_OPTIONS = (
    orjson.OPT_SORT_KEYS
    | orjson.OPT_PASSTHROUGH_SUBCLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_DATACLASS
)
_write = orjson.dumps
_fragment = orjson.Fragment
# A float that orjson writes in another way than Go ends like this; a hit inside a string only costs the slow writer.
_other_float = re.compile(rb"\.0(?:[,\]}]|$)").search
_other_exponent = re.compile(rb"e[-+]?[1-9][0-9]{0,2}(?:[,\]}]|$)").search


def encode(value: Value, *, plain: bool = False) -> bytes:
    """Compact JSON: keys sorted bytewise, floats as Go prints them, no HTML escaping, bytes as base64.

    A document that holds NaN or an infinity gives an empty body, as in Bento. `plain` says that `is_plain(value)` is
    known to hold, which saves looking for floats. Raises DocumentError for nesting beyond what can be written.
    """
    try:
        out = _write(value, _foreign, _OPTIONS)
    except TypeError:  # orjson.JSONEncodeError: lone surrogates, more than 254 levels, integers beyond 64 bits
        return _write_slowly(value)
    if 0xE2 in out and (b"\xe2\x80\xa8" in out or b"\xe2\x80\xa9" in out):
        return _write_slowly(value)
    if plain or not (
        (b".0" in out and _other_float(out)) or _other_exponent(out) or (b"null" in out and _holds_unfit_float(value))
    ):
        return out
    try:
        return _write(_tamed(value), _foreign, _OPTIONS)
    except OverflowError:
        return b""


def _tamed(value: Value) -> Value:
    """The value with its awkward floats as finished text. Raises OverflowError for NaN and infinities."""
    kind = type(value)
    if kind is float:
        if 1e-5 <= abs(value) < 1e16 and not value.is_integer():
            return value
        if not math.isfinite(value):
            raise OverflowError
        return _fragment(go_float_json(value))
    if kind is dict:
        return {key: _tamed(item) for key, item in value.items()}
    if kind is list:
        return [_tamed(item) for item in value]
    return value


def is_plain(value: Value) -> bool:
    """Whether no float is inside that orjson writes in another way than Go: integral, very small, very large, NaN."""
    kind = type(value)
    if kind is float:
        return 1e-5 <= abs(value) < 1e16 and not value.is_integer()
    if kind is dict:
        value = value.values()
    elif kind is not list:
        return True
    for item in value:
        kind = type(item)
        if (kind is float or kind is dict or kind is list) and not is_plain(item):
            return False
    return True


def _foreign(value: Value) -> Value:
    """What orjson asks for values it does not know."""
    if type(value) is Number:
        return _fragment(value.text)
    return _fragment(_scalar(value))


def _holds_unfit_float(value: Value) -> bool:
    """Whether a NaN or infinity is inside: orjson writes them as null."""
    if type(value) is float:
        return not math.isfinite(value)
    if type(value) is dict:
        return any(_holds_unfit_float(item) for item in value.values())
    if type(value) is list:
        return any(_holds_unfit_float(item) for item in value)
    return False


def _write_slowly(value: Value) -> bytes:
    parts: list[str] = []
    try:
        _append(value, parts.append)
    except OverflowError:
        return b""
    return text_bytes("".join(parts)).decode("utf-8", "replace").encode()


_UNPAIRED = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def text_bytes(text: str) -> bytes:
    """The bytes of a string; what was no UTF-8 (kept by `surrogateescape`) as it was, other lone surrogates as U+FFFD."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return _UNPAIRED.sub("\ufffd", text).encode("utf-8", "surrogateescape")


def _append(value: Value, append: Callable[[str], None]) -> None:
    """All parts of a document, with an explicit stack: there is no nesting it could not write."""
    stack: list[tuple[Iterator[Value], str]] = [(iter((value,)), "")]
    separator = ""
    while stack:
        items, closing = stack[-1]
        item = next(items, _DONE)
        if item is _DONE:
            append(closing)
            stack.pop()
            separator = ","
            continue
        append(separator)
        if closing == "}":
            key, item = item
            append(_quoted(key) + ":")
        separator = ","
        if type(item) is dict:
            append("{")
            stack.append((iter(sorted(item.items(), key=_key)), "}"))  # code point order is byte order in UTF-8
            separator = ""
        elif type(item) is list:
            append("[")
            stack.append((iter(item), "]"))
            separator = ""
        else:
            append(_scalar(item))


def _key(pair: tuple[str, Value]) -> str:
    return pair[0]


def _quoted(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    return quoted.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _scalar(value: Value) -> str:
    """One value that is no container, as JSON text. Raises OverflowError for NaN and infinities."""
    if value is None or type(value) is Sentinel:
        return "null"
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is str:
        return _quoted(value)
    if type(value) is Number:
        return value.text
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise OverflowError
        return go_float_json(value)
    if type(value) is bytes:
        return '"' + base64.b64encode(value).decode() + '"'
    if type(value) is Timestamp:
        return '"' + value.rfc3339() + '"'
    raise TypeError(f"{type(value).__name__} is no value of the language")


# --- floats as Go prints them -----------------------------------------------------------------------------------------


def _shortest(value: float) -> str:
    """The shortest digits that read back as the same float64 (or float32), as Python's repr writes them."""
    if type(value) is Float32:
        for precision in range(1, 10):
            text = f"{float(value):.{precision}g}"
            if struct.unpack("f", struct.pack("f", float(text)))[0] == value:
                return repr(float(text))
    return float.__repr__(value)


def _digits(value: float) -> tuple[str, str, int]:
    """(sign, digits, exponent) with value = 0.d1d2d3… x 10^exponent and no zero at either end (zero: "0", 1)."""
    text = _shortest(value)
    sign = ""
    if text[0] == "-":
        sign, text = "-", text[1:]
    mantissa, _, power = text.partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + fraction
    exponent = len(whole) + int(power or 0)
    stripped = digits.lstrip("0")
    exponent -= len(digits) - len(stripped)
    stripped = stripped.rstrip("0")
    return (sign, stripped, exponent) if stripped else (sign, "0", 1)


def _plain(sign: str, digits: str, exponent: int) -> str:
    if exponent <= 0:
        return sign + "0." + "0" * -exponent + digits
    if exponent >= len(digits):
        return sign + digits + "0" * (exponent - len(digits))
    return sign + digits[:exponent] + "." + digits[exponent:]


def _scientific(sign: str, digits: str, exponent: int, width: int) -> str:
    power = exponent - 1
    fraction = "." + digits[1:] if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{fraction}e{'-' if power < 0 else '+'}{abs(power):0{width}d}"


def go_float(value: float) -> str:
    """A float as text outside of JSON (Go's shortest %g): exponent form below 1e-4 and from 1e6 on."""
    if value != value:
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    sign, digits, exponent = _digits(value)
    if digits == "0":
        return sign + "0"
    if exponent - 1 < -4 or exponent - 1 >= 6:
        return _scientific(sign, digits, exponent, 2)
    return _plain(sign, digits, exponent)


def go_float_json(value: float) -> str:
    """A float in JSON (Go's encoding/json): plain from 1e-6 to below 1e21, else like 1e-7 and 1e+21."""
    if -(2.0**53) < value < 2.0**53 and value.is_integer():
        return int.__repr__(int(value)) if value else ("-0" if math.copysign(1, value) < 0 else "0")
    sign, digits, exponent = _digits(value)
    if digits == "0":
        return sign + "0"
    if -6 <= exponent - 1 < 21:
        return _plain(sign, digits, exponent)
    return _scientific(sign, digits, exponent, 1)
