"""Numbers from text as Go's strconv reads them: ParseFloat, ParseInt with prefixes, with its error texts."""

from __future__ import annotations

import math
import re

from penstock_gateway.language.goquote import quote

_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_HEXADECIMAL = re.compile(r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]+")
_SPECIAL = {"inf": math.inf, "infinity": math.inf, "nan": math.nan}
_PREFIXES = {"x": 16, "b": 2, "o": 8}
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_MAX_DIGITS = 400


class NumberError(ValueError):
    """A text that is no number of the wanted kind, in strconv's words."""


def _error(function: str, text: str, problem: str) -> NumberError:
    return NumberError(f"strconv.{function}: parsing {quote(text)}: {problem}")


def parse_float(text: str) -> float:
    """Read a float64: decimal, hexadecimal with exponent, Inf, NaN.

    Raises NumberError.
    """
    if _DECIMAL.fullmatch(text):
        value = float(text)
    elif _HEXADECIMAL.fullmatch(text):
        value = _hexadecimal(text)
    else:
        unsigned = text[1:] if text[:1] in ("+", "-") else text
        special = _SPECIAL.get(unsigned.lower())
        if special is None or (special != special and unsigned != text):
            raise _error("ParseFloat", text, "invalid syntax")
        return -special if text[0] == "-" else special
    if math.isinf(value):
        raise _error("ParseFloat", text, "value out of range")
    return value


def _hexadecimal(text: str) -> float:
    try:
        return float.fromhex(text)
    except OverflowError:
        return math.inf


def parse_int(text: str, *, signed: bool) -> int:
    """Read an int64 (or uint64) with the prefixes 0x 0b 0o 0 and underscores between digits.

    Raises NumberError.
    """
    function = "ParseInt" if signed else "ParseUint"
    rest, negative = text, False
    if signed and rest[:1] in ("+", "-"):
        negative = rest[0] == "-"
        rest = rest[1:]
    base, digits = 10, rest
    if len(rest) > 1 and rest[0] == "0":
        base = _PREFIXES.get(rest[1].lower(), 8)
        digits = rest[1:] if base == 8 and rest[1] not in "oO" else rest[2:]
    if "_" in digits:
        if not _underscores_fit(rest):
            raise _error(function, text, "invalid syntax")
        digits = digits.replace("_", "")
    if not digits or any(digit not in _DIGITS[:base] for digit in digits.lower()):
        raise _error(function, text, "invalid syntax")
    if len(digits) > _MAX_DIGITS:
        raise _error(function, text, "value out of range")
    value = int(digits, base)
    value = -value if negative else value
    if not (-(2**63) <= value < 2**63 if signed else value < 2**64):
        raise _error(function, text, "value out of range")
    return value


def _underscores_fit(text: str) -> bool:
    """Underscores may only separate digits, and only where a base prefix is written."""
    if len(text) < 2 or text[0] != "0" or (text[1].lower() not in _PREFIXES and text[1] not in "_01234567"):
        return False
    return "__" not in text and not text.endswith("_")


_BOOLS = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}


def parse_bool(text: str) -> bool | None:
    """Read a bool as strconv.ParseBool does; None when it is none."""
    return _BOOLS.get(text)
