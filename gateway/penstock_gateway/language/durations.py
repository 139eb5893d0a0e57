"""Durations as text: Go's `1h2m3.5s` and ISO 8601 periods, both to nanoseconds."""

from __future__ import annotations

from typing import NamedTuple

from penstock_gateway.language.goquote import quote_time

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # U+00B5
    "μs": 1_000,  # U+03BC
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_LIMIT = 2**63
_DIGITS = "0123456789"
_FIELD_LIMIT = 32_767  # tenths; the reference implementation keeps each field in 16 bits


def parse_go(text: str) -> int:
    """Parse a Go duration to nanoseconds.

    Raises ValueError with the texts of time.ParseDuration.
    """
    rest, negative = text, False
    if rest[:1] in ("-", "+"):
        negative = rest[0] == "-"
        rest = rest[1:]
    if rest == "0":
        return 0
    if not rest:
        raise _invalid(text)
    total = 0
    while rest:
        rest, amount = _go_part(text, rest)
        total += amount
        if total > _LIMIT:
            raise _invalid(text)
    if negative:
        return -total
    if total > _LIMIT - 1:
        raise _invalid(text)
    return total


def _invalid(text: str) -> ValueError:
    return ValueError(f"time: invalid duration {quote_time(text)}")


def _go_part(text: str, rest: str) -> tuple[str, int]:
    whole, rest = _leading_digits(rest)
    fraction = ""
    if rest[:1] == ".":
        fraction, rest = _leading_digits(rest[1:])
    if not whole and not fraction:
        raise _invalid(text)
    if len(whole.lstrip("0")) > 19:
        raise _invalid(text)
    end = 0
    while end < len(rest) and rest[end] != "." and rest[end] not in _DIGITS:
        end += 1
    if end == 0:
        raise ValueError(f"time: missing unit in duration {quote_time(text)}")
    unit = _UNITS.get(rest[:end])
    if unit is None:
        raise ValueError(f"time: unknown unit {quote_time(rest[:end])} in duration {quote_time(text)}")
    amount = int(whole or "0") * unit
    if fraction:
        shown = fraction[:18]
        amount += int(int(shown) * (unit / 10 ** len(shown)))
    if amount > _LIMIT:
        raise _invalid(text)
    return rest[end:], amount


def _leading_digits(text: str) -> tuple[str, str]:
    end = 0
    while end < len(text) and text[end] in _DIGITS:
        end += 1
    return text[:end], text[end:]


class Period(NamedTuple):
    """An ISO 8601 period; every field counts tenths, so that one decimal of the last field is kept."""

    years: int = 0
    months: int = 0
    days: int = 0
    hours: int = 0
    minutes: int = 0
    seconds: int = 0

    def negated(self) -> Period:
        """Give the period with every field negated."""
        return Period(*(-field for field in self))

    def clock_ns(self) -> int:
        """Give hours, minutes and seconds in nanoseconds."""
        return (self.hours * 3600 + self.minutes * 60 + self.seconds) * 100_000_000

    def approximate_ns(self) -> int:
        """Give the whole in nanoseconds, with a year of 365.2425 days and a month of a twelfth of it."""
        microdays = self.years * 365_242_500 + self.months * 30_436_875 + self.days * 1_000_000
        return microdays * 8_640_000 + self.clock_ns()

    def has_whole_days(self) -> bool:
        """Tell whether years, months and days have no fraction."""
        return self.years % 10 == 0 and self.months % 10 == 0 and self.days % 10 == 0


_FIELDS = {
    (False, "Y"): "years",
    (False, "M"): "months",
    (False, "W"): "weeks",
    (False, "D"): "days",
    (True, "H"): "hours",
    (True, "M"): "minutes",
    (True, "S"): "seconds",
}


def parse_iso8601(text: str) -> Period:
    """Parse `[-+]PnYnMnWnDTnHnMnS`; only the last field may have a fraction, of which one decimal counts.

    Raises ValueError with the texts of the reference implementation (rickb777/date).
    """
    if text in ("", "-", "+"):
        raise ValueError("cannot parse a blank string as a period")
    if text == "P0":
        return Period()
    negative = text[0] == "-"
    rest = text[1:] if text[0] in "-+" else text
    if rest[0] != "P":
        raise ValueError(f"{text}: expected 'P' period mark at the start")
    found = _iso_fields(text, rest[1:])
    if not found:
        raise ValueError(f"{text}: expected 'Y', 'M', 'W', 'D', 'H', 'M', or 'S' designator")
    days = found.pop("days", 0) + found.pop("weeks", 0) * 7
    period = Period(days=days, **found)
    over = [name for name, value in zip(Period._fields, period, strict=True) if value > _FIELD_LIMIT]
    if over:
        raise ValueError(f"{text}: integer overflow occurred in {','.join(over)}")
    return period.negated() if negative else period


def _iso_fields(text: str, rest: str) -> dict[str, int]:
    found: dict[str, int] = {}
    in_clock, fraction_of = False, ""
    while rest:
        if rest[0] == "T":
            if in_clock:
                raise ValueError(f"{text}: 'T' designator cannot occur more than once")
            in_clock, rest = True, rest[1:]
            continue
        amount, mark, rest = _iso_field(text, rest)
        if fraction_of and amount % 10:
            raise ValueError(f"{text}: '{fraction_of}' & '{mark}' only the last field can have a fraction")
        if mark not in "YMWDHS":
            raise ValueError(f"{text}: expected a number not '{mark}'")
        name = _FIELDS.get((in_clock, mark))
        if name is None:
            raise ValueError(f"{text}: '{mark}' designator cannot occur here")
        if name in found:
            raise ValueError(f"{text}: '{mark}' designator cannot occur more than once")
        found[name] = amount
        fraction_of = mark if amount % 10 else ""
    return found


def _iso_field(text: str, rest: str) -> tuple[int, str, str]:
    end = 0
    while end < len(rest) and (rest[end] in _DIGITS or rest[end] in ".,"):
        end += 1
    if end == len(rest):
        raise ValueError(f"{text}: missing designator at the end")
    mark = rest[end]
    point = rest.find(".", 0, end)
    if point < 0:
        point = rest.find(",", 0, end)
    whole = rest[:end] if point < 0 else rest[:point]
    tenth = "" if point < 0 else rest[point + 1 : min(end, point + 2)]
    if not _all_digits(whole) or len(whole) > 18 or (tenth and tenth not in _DIGITS):
        raise ValueError(f"{text}: expected a number but found '{mark}'")
    return int(whole) * 10 + int(tenth or "0"), mark, rest[end + 1 :]


def _all_digits(text: str) -> bool:
    return bool(text) and all(char in _DIGITS for char in text)
