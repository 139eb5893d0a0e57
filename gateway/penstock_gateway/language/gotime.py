"""Go's reference layouts ("2006-01-02 15:04:05"): which parts a layout has, and writing an instant with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from operator import itemgetter
from typing import Any

from penstock_gateway.language.calendar import MONTHS, WEEKDAYS, Instant, Moment, moment
from penstock_gateway.language.sizes import CACHED_TEXT

RFC3339_NANO = "2006-01-02T15:04:05.999999999Z07:00"

Part = tuple[str, str]  # (kind, source text); kind "" is literal text

_FIXED: tuple[tuple[str, str], ...] = (
    # longer forms first where one begins another
    ("January", "month_name"),
    ("Monday", "weekday_name"),
    ("-07:00:00", "offset"),
    ("Z07:00:00", "offset"),
    ("-070000", "offset"),
    ("Z070000", "offset"),
    ("-07:00", "offset"),
    ("Z07:00", "offset"),
    ("-0700", "offset"),
    ("Z0700", "offset"),
    ("2006", "year"),
    ("-07", "offset"),
    ("Z07", "offset"),
    ("Jan", "month_short"),
    ("Mon", "weekday_short"),
    ("MST", "zone"),
    ("002", "yearday0"),
    ("__2", "yearday_"),
    ("01", "month0"),
    ("02", "day0"),
    ("03", "hour12_0"),
    ("04", "minute0"),
    ("05", "second0"),
    ("06", "year2"),
    ("15", "hour"),
    ("_2", "day_"),
    ("PM", "PM"),
    ("pm", "pm"),
    ("1", "month"),
    ("2", "day"),
    ("3", "hour12"),
    ("4", "minute"),
    ("5", "second"),
)


def parts(layout: str) -> tuple[Part, ...]:
    """Split a layout into literal texts and elements."""
    return _short_parts(layout) if len(layout) <= CACHED_TEXT else _split(layout)


@lru_cache(maxsize=512)
def _short_parts(layout: str) -> tuple[Part, ...]:
    return _split(layout)


def _split(layout: str) -> tuple[Part, ...]:
    found: list[Part] = []
    literal_from = position = 0
    while position < len(layout):
        part = _part_at(layout, position)
        if part is None:
            position += 1
            continue
        if position > literal_from:
            found.append(("", layout[literal_from:position]))
        found.append(part)
        position += len(part[1])
        literal_from = position
    if len(layout) > literal_from:
        found.append(("", layout[literal_from:]))
    return tuple(found)


def _part_at(layout: str, position: int) -> Part | None:
    first = layout[position]
    if first in ".,":
        return _fraction_at(layout, position)
    if first not in "JM0123456_-ZPp" or layout.startswith("_2006", position):
        return None
    for text, kind in _FIXED:
        if layout.startswith(text, position):
            if kind in ("month_short", "weekday_short") and layout[position + 3 : position + 4].islower():
                return None
            return kind, text
    return None


def _fraction_at(layout: str, position: int) -> Part | None:
    digit = layout[position + 1 : position + 2]
    if digit not in ("0", "9"):
        return None
    end = position + 1
    while layout[end : end + 1] == digit:
        end += 1
    if layout[end : end + 1].isdigit():
        return None
    return ("fraction0" if digit == "0" else "fraction9"), layout[position:end]


def format_instant(instant: Instant, layout: str) -> str:
    """Write an instant with a Go layout."""
    when = moment(instant)
    if layout == RFC3339_NANO:
        return _rfc3339(when)
    numeric = _numeric(layout) if len(layout) <= CACHED_TEXT else None
    if numeric is not None and when.year >= 0:
        template, fields = numeric
        text: str = template % fields(when)
        return text
    return "".join([text if not kind else _write(when, kind, text) for kind, text in parts(layout)])


_PERCENT = {
    "year": ("%04d", "year"),
    "month": ("%d", "month"),
    "month0": ("%02d", "month"),
    "day": ("%d", "day"),
    "day0": ("%02d", "day"),
    "day_": ("%2d", "day"),
    "yearday0": ("%03d", "yearday"),
    "hour": ("%02d", "hour"),
    "minute": ("%d", "minute"),
    "minute0": ("%02d", "minute"),
    "second": ("%d", "second"),
    "second0": ("%02d", "second"),
}


@lru_cache(maxsize=512)
def _numeric(layout: str) -> tuple[str, Callable[[Moment], Any]] | None:
    """A `%` template and the fields it takes, for layouts that have nothing but numbers: most have."""
    found = parts(layout)
    kinds = [kind for kind, _ in found if kind]
    if len(kinds) < 2 or any(kind not in _PERCENT for kind in kinds):
        return None
    template = "".join(_PERCENT[kind][0] if kind else text.replace("%", "%%") for kind, text in found)
    return template, itemgetter(*(Moment._fields.index(_PERCENT[kind][1]) for kind in kinds))


def _rfc3339(when: Moment) -> str:
    fraction = _fraction("fraction9", ".999999999", when.nanosecond) if when.nanosecond else ""
    zone = "Z" if when.offset == 0 else _offset("Z07:00", when.offset)
    return (
        f"{_padded(when.year, 4)}-{when.month:02d}-{when.day:02d}"
        f"T{when.hour:02d}:{when.minute:02d}:{when.second:02d}{fraction}{zone}"
    )


def _padded(value: int, width: int) -> str:
    return f"-{-value:0{width}d}" if value < 0 else f"{value:0{width}d}"


def _write(when: Moment, kind: str, text: str) -> str:
    writer = _WRITERS.get(kind)
    if writer is not None:
        return writer.format(getattr(when, _FIELDS[kind]))
    match kind:
        case "year":
            return _padded(when.year, 4)
        case "year2":
            return f"{max(when.year, 0) % 100:02d}"
        case "month_name" | "month_short":
            name = MONTHS[when.month - 1]
            return name if kind == "month_name" else name[:3]
        case "weekday_name" | "weekday_short":
            name = WEEKDAYS[when.weekday]
            return name if kind == "weekday_name" else name[:3]
        case "hour12" | "hour12_0":
            hour = when.hour % 12 or 12
            return f"{hour:02d}" if kind == "hour12_0" else str(hour)
        case "PM" | "pm":
            mark = "PM" if when.hour >= 12 else "AM"
            return mark if kind == "PM" else mark.lower()
        case "zone":
            return when.zone or _offset_minutes(when.offset)
        case "offset":
            return _offset(text, when.offset)
        case _:
            return _fraction(kind, text, when.nanosecond)


_FIELDS = {
    "month": "month",
    "month0": "month",
    "day": "day",
    "day0": "day",
    "day_": "day",
    "yearday0": "yearday",
    "yearday_": "yearday",
    "hour": "hour",
    "minute": "minute",
    "minute0": "minute",
    "second": "second",
    "second0": "second",
}
_WRITERS = {
    "month": "{:d}",
    "month0": "{:02d}",
    "day": "{:d}",
    "day0": "{:02d}",
    "day_": "{:>2d}",
    "yearday0": "{:03d}",
    "yearday_": "{:>3d}",
    "hour": "{:02d}",
    "minute": "{:d}",
    "minute0": "{:02d}",
    "second": "{:d}",
    "second0": "{:02d}",
}


def _offset_minutes(offset: int) -> str:
    sign, minutes = ("-" if offset < 0 else "+"), abs(offset) // 60
    return f"{sign}{minutes // 60:02d}{minutes % 60:02d}"


def _offset(text: str, offset: int) -> str:
    if text[0] == "Z" and offset == 0:
        return "Z"
    sign, seconds = ("-", -offset) if offset < 0 else ("+", offset)
    hours, rest = divmod(seconds, 3600)
    fields = [f"{hours:02d}"]
    body = text[1:].replace(":", "")
    if len(body) >= 4:
        fields.append(f"{rest // 60:02d}")
    if len(body) >= 6:
        fields.append(f"{rest % 60:02d}")
    return sign + (":" if ":" in text else "").join(fields)


def _fraction(kind: str, text: str, nanosecond: int) -> str:
    digits = f"{nanosecond:09d}"[: len(text) - 1].ljust(len(text) - 1, "0")
    if kind == "fraction9":
        digits = digits.rstrip("0")
        if not digits:
            return ""
    return text[0] + digits
