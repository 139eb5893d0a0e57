"""What a plain YAML scalar means: null, bool, integer, float, timestamp or text, as yaml.v3 of Go decides."""

from __future__ import annotations

import math
import re

from penstock_gateway.document import INT64_MAX, INT64_MIN, Timestamp, Uint64, Value
from penstock_gateway.language.calendar import Instant
from penstock_gateway.language.gonumbers import NumberError, parse_float, parse_int
from penstock_gateway.language.gotimeparse import LayoutError, parse_instant

_WORDS: dict[str, Value] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_OLD_BOOLS = frozenset(
    ("y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off", "OFF"),
)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_BASE60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_TIME_LAYOUTS = (
    "2006-1-2T15:4:5.999999999Z07:00",
    "2006-1-2t15:4:5.999999999Z07:00",
    "2006-1-2 15:4:5.999999999",
    "2006-1-2",
)


def resolve(text: str) -> Value:
    """Give the value of a plain scalar."""
    if text in _WORDS:
        return _WORDS[text]
    first = text[0]
    if first in "0123456789":
        moment = _timestamp(text)
        if moment is not None:
            return moment
    if first in "+-.0123456789":
        number = _number(text)
        if number is not None:
            return number
    return text


def _timestamp(text: str) -> Timestamp | None:
    if len(text) < 8 or text[4] != "-" or not text[:4].isdigit():
        return None
    for layout in _TIME_LAYOUTS:
        try:
            instant: Instant = parse_instant(text, layout)
        except LayoutError:
            continue
        return Timestamp(instant.ns, instant.offset, instant.zone)
    return None


def _number(text: str) -> Value | None:
    plain = text.replace("_", "")
    if not plain:
        return None
    try:
        whole = parse_int(plain, signed=True)
    except NumberError:
        whole = None
    if whole is not None:
        return whole
    try:
        large = parse_int(plain, signed=False)
    except NumberError:
        large = None
    if large is not None:
        return large if INT64_MIN <= large <= INT64_MAX else Uint64(large)
    if not _FLOAT.fullmatch(plain):
        return None
    try:
        return parse_float(plain)
    except NumberError:
        return None


def reads_as_text(text: str) -> bool:
    """Tell whether a plain scalar would be read back as this text by new and by old readers."""
    return type(resolve(text)) is str and text not in _OLD_BOOLS and not _BASE60.fullmatch(text)
