"""Reading instants by Go's reference layouts, with the error texts of time.Parse."""

from __future__ import annotations

import re
from collections.abc import Callable

from penstock_gateway.language.calendar import (
    MONTHS,
    SECOND,
    WEEKDAYS,
    Instant,
    days_before_month,
    is_leap,
    month_length,
    utc_ns,
)
from penstock_gateway.language.goquote import quote_time
from penstock_gateway.language.gotime import RFC3339_NANO, parts

_DIGITS = "0123456789"


class LayoutError(ValueError):
    """A text that does not match its layout; the message is the one of Go's time.ParseError."""


class _RangeError(Exception):
    """A field was read but lies outside its range; the text names the field."""


class _MismatchError(Exception):
    """The text does not begin with the element that was expected."""


def parse_instant(text: str, layout: str) -> Instant:
    """Read a text by a Go layout; without a zone the time is UTC.

    Raises LayoutError.
    """
    if layout in _RFC3339_LAYOUTS:
        match = _RFC3339.fullmatch(text)
        if match is not None:
            found = _usual(match)
            if found is not None:
                return found
    return _Reader(text, layout).read()


_RFC3339_LAYOUTS = (RFC3339_NANO, "2006-01-02T15:04:05Z07:00")
_RFC3339 = re.compile(
    r"([0-9]{4})-(0[1-9]|1[0-2])-([0-9]{2})T([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])(?:[.,]([0-9]{1,9}))?"
    r"(?:Z|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))",
)


def _usual(match: re.Match[str]) -> Instant | None:
    """The instant of an RFC 3339 text; None where its day does not exist."""
    year, month, day, hour, minute, second, fraction, sign, hours, minutes = match.groups()
    date = (int(year), int(month), int(day))
    if not 1 <= date[2] <= month_length(date[0], date[1]):
        return None
    ns = utc_ns(date, (int(hour), int(minute), int(second)), int(fraction.ljust(9, "0")) if fraction else 0)
    if sign is None:
        return Instant(ns, 0, "UTC")
    offset = int(hours) * 3600 + int(minutes) * 60
    if sign == "-":
        offset = -offset
    return Instant(ns - offset * SECOND, offset, "" if offset else "UTC")


def parse_rfc3339(text: str) -> Instant:
    """Read an RFC 3339 timestamp with up to nanoseconds.

    Raises LayoutError.
    """
    return parse_instant(text, RFC3339_NANO)


def _digit(text: str, index: int) -> bool:
    return text[index : index + 1] in _DIGITS and index < len(text)


class _Reader:
    """The fields read so far and the text that is left."""

    def __init__(self, text: str, layout: str) -> None:
        self.text = text
        self.layout = layout
        self.rest = text
        self.next_kind = ""
        self.year = 0
        self.month = self.day = self.yearday = -1
        self.hour = self.minute = self.second = self.nanosecond = 0
        self.pm_set = self.am_set = False
        self.utc = False
        self.offset: int | None = None
        self.zone = ""

    def read(self) -> Instant:
        found = parts(self.layout)
        for number, (kind, source) in enumerate(found):
            if not kind:
                self._skip(source)
                continue
            self.next_kind = found[number + 1][0] if number + 1 < len(found) else ""
            hold = self.rest
            try:
                _READERS[kind](self, source)
            except _RangeError as error:
                raise self._error(f": {error} out of range") from None
            except _MismatchError:
                raise self._mismatch(source, hold) from None
        if self.rest:
            raise self._error(": extra text: " + quote_time(self.rest))
        return self._instant()

    def _error(self, message: str) -> LayoutError:
        return LayoutError(f"parsing time {quote_time(self.text)}{message}")

    def _mismatch(self, element: str, value: str) -> LayoutError:
        return self._error(f" as {quote_time(self.layout)}: cannot parse {quote_time(value)} as {quote_time(element)}")

    def _skip(self, literal: str) -> None:
        prefix, rest = literal, self.rest
        while prefix:
            if prefix[0] == " ":
                if rest and rest[0] != " ":
                    raise self._mismatch(literal, rest)
                prefix, rest = prefix.lstrip(" "), rest.lstrip(" ")
                continue
            if not rest or rest[0] != prefix[0]:
                raise self._mismatch(literal, rest)
            prefix, rest = prefix[1:], rest[1:]
        self.rest = rest

    def take(self, count: int) -> str:
        if len(self.rest) < count:
            raise _MismatchError
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def number(self, fixed: bool) -> int:
        if not _digit(self.rest, 0):
            raise _MismatchError
        if _digit(self.rest, 1):
            return int(self.take(2))
        if fixed:
            raise _MismatchError
        return int(self.take(1))

    def _instant(self) -> Instant:
        if self.pm_set and self.hour < 12:
            self.hour += 12
        elif self.am_set and self.hour == 12:
            self.hour = 0
        if self.yearday >= 0:
            self._settle_yearday()
        else:
            self.month = 1 if self.month < 0 else self.month
            self.day = 1 if self.day < 0 else self.day
        if self.day < 1 or self.day > month_length(self.year, self.month):
            raise self._error(": day out of range")
        ns = utc_ns(
            (self.year, self.month, self.day),
            (self.hour, self.minute, self.second),
            self.nanosecond,
        )
        if self.utc:
            return Instant(ns, 0, "UTC")
        if self.offset is not None:
            zone = self.zone or ("UTC" if self.offset == 0 else "")
            return Instant(ns - self.offset * SECOND, self.offset, zone)
        if self.zone:
            offset = _gmt_offset(self.zone)
            return Instant(ns - offset * SECOND, offset, self.zone)
        return Instant(ns, 0, "UTC")

    def _settle_yearday(self) -> None:
        yearday, month, day = self.yearday, 0, 0
        if is_leap(self.year):
            if yearday == 60:
                month, day = 2, 29
            elif yearday > 60:
                yearday -= 1
        if yearday < 1 or yearday > 365:
            raise self._error(": day-of-year out of range")
        if month == 0:
            month = (yearday - 1) // 31 + 1
            if days_before_month(month + 1) < yearday:
                month += 1
            day = yearday - days_before_month(month)
        if self.month >= 0 and self.month != month:
            raise self._error(": day-of-year does not match month")
        if self.day >= 0 and self.day != day:
            raise self._error(": day-of-year does not match day")
        self.month, self.day = month, day


def _gmt_offset(zone: str) -> int:
    """Go reads "GMT+3" as an offset and gives unknown abbreviations the offset 0."""
    if len(zone) > 3 and zone.startswith("GMT"):
        try:
            return int(zone[3:]) * 3600
        except ValueError:
            return 0
    return 0


def _read_year(reader: _Reader, _source: str) -> None:
    if len(reader.rest) < 4 or not _digit(reader.rest, 0):
        raise _MismatchError
    taken = reader.take(4)
    if not (taken.isascii() and taken.isdigit()):
        raise _MismatchError
    reader.year = int(taken)


def _read_year2(reader: _Reader, _source: str) -> None:
    taken = reader.take(2)
    if not (taken.isascii() and taken.isdigit()):
        raise _MismatchError
    year = int(taken)
    reader.year = year + (1900 if year >= 69 else 2000)


def _lookup(reader: _Reader, names: tuple[str, ...]) -> int:
    lowered = reader.rest[:9].lower()
    for index, name in enumerate(names):
        if lowered.startswith(name.lower()):
            reader.rest = reader.rest[len(name) :]
            return index
    raise _MismatchError


_SHORT_MONTHS = tuple(name[:3] for name in MONTHS)
_SHORT_WEEKDAYS = tuple(name[:3] for name in WEEKDAYS)


def _read_month_name(reader: _Reader, source: str) -> None:
    reader.month = _lookup(reader, MONTHS if source == "January" else _SHORT_MONTHS) + 1


def _read_weekday(reader: _Reader, source: str) -> None:
    _lookup(reader, WEEKDAYS if source == "Monday" else _SHORT_WEEKDAYS)


def _read_month(reader: _Reader, source: str) -> None:
    reader.month = reader.number(source == "01")
    if not 1 <= reader.month <= 12:
        raise _RangeError("month")


def _read_day(reader: _Reader, source: str) -> None:
    if source == "_2" and reader.rest[:1] == " ":
        reader.rest = reader.rest[1:]
    reader.day = reader.number(source == "02")


def _read_yearday(reader: _Reader, source: str) -> None:
    if source == "__2":
        for _ in range(2):
            if reader.rest[:1] == " ":
                reader.rest = reader.rest[1:]
    length = 0
    while length < 3 and _digit(reader.rest, length):
        length += 1
    if length == 0 or (source == "002" and length != 3):
        raise _MismatchError
    reader.yearday = int(reader.take(length))


def _read_hour(reader: _Reader, _source: str) -> None:
    reader.hour = reader.number(False)
    if reader.hour >= 24:
        raise _RangeError("hour")


def _read_hour12(reader: _Reader, source: str) -> None:
    reader.hour = reader.number(source == "03")
    if reader.hour > 12:
        raise _RangeError("hour")


def _read_minute(reader: _Reader, source: str) -> None:
    reader.minute = reader.number(source == "04")
    if reader.minute >= 60:
        raise _RangeError("minute")


def _read_second(reader: _Reader, source: str) -> None:
    reader.second = reader.number(source == "05")
    if reader.second >= 60:
        raise _RangeError("second")
    if reader.next_kind in ("fraction0", "fraction9"):
        return
    if reader.rest[:1] in (".", ",") and _digit(reader.rest, 1):  # a fraction that the layout does not name
        length = 2
        while _digit(reader.rest, length):
            length += 1
        _nanoseconds(reader, reader.take(length))


def _nanoseconds(reader: _Reader, text: str) -> None:
    if text[0] not in ".,":
        raise _MismatchError
    digits = text[1:10]
    if not (digits.isascii() and digits.isdigit()):
        raise _MismatchError
    reader.nanosecond = int(digits.ljust(9, "0"))


def _read_fraction0(reader: _Reader, source: str) -> None:
    _nanoseconds(reader, reader.take(len(source)))


def _read_fraction9(reader: _Reader, _source: str) -> None:
    if reader.rest[:1] not in (".", ",") or not _digit(reader.rest, 1):
        return
    length = 1
    while length < 10 and _digit(reader.rest, length):
        length += 1
    _nanoseconds(reader, reader.take(length))


def _read_pm(reader: _Reader, source: str) -> None:
    taken = reader.take(2)
    if source == "pm":
        taken = taken.upper() if taken.islower() else ""
    if taken == "PM":
        reader.pm_set = True
    elif taken == "AM":
        reader.am_set = True
    else:
        raise _MismatchError


def _read_offset(reader: _Reader, source: str) -> None:
    # as in Go, the forms with seconds do not accept a bare Z
    if source in ("Z0700", "Z07", "Z07:00") and reader.rest[:1] == "Z":
        reader.rest = reader.rest[1:]
        reader.utc = True
        return
    body = source[1:]
    taken = reader.take(len(source))
    fields = []
    for index in range(1, len(source), 3 if ":" in body else 2):
        pair = taken[index : index + 2]
        if not (pair.isascii() and pair.isdigit()) or len(pair) != 2:
            raise _MismatchError
        if ":" in body and index > 1 and taken[index - 1] != ":":
            raise _MismatchError
        fields.append(int(pair))
    hours, minutes, seconds = [*fields, 0, 0][:3]
    for value, limit, name in ((hours, 24, "hour"), (minutes, 60, "minute"), (seconds, 60, "second")):
        if value > limit:
            raise _RangeError(f"time zone offset {name}")
    if taken[0] not in "+-":
        raise _MismatchError
    total = (hours * 60 + minutes) * 60 + seconds
    reader.offset = -total if taken[0] == "-" else total


def _read_zone(reader: _Reader, _source: str) -> None:
    if reader.rest.startswith("UTC"):
        reader.rest = reader.rest[3:]
        reader.utc = True
        return
    length = _zone_length(reader.rest)
    if length == 0:
        raise _MismatchError
    reader.zone = reader.take(length)


def _zone_length(text: str) -> int:
    """Length of a time zone abbreviation at the start of the text by Go's guesses, or 0."""
    if len(text) < 3:
        return 0
    if text.startswith(("ChST", "MeST")):
        return 4
    if text.startswith("GMT"):
        return 3 + _signed_offset_length(text[3:])
    if text[0] in "+-":
        return _signed_offset_length(text)
    upper = 0
    while upper < min(6, len(text)) and "A" <= text[upper] <= "Z":
        upper += 1
    if upper == 3:
        return 3
    if upper == 4 and (text[3] == "T" or text.startswith("WITA")):
        return 4
    return 5 if upper == 5 and text[4] == "T" else 0


def _signed_offset_length(text: str) -> int:
    if text[:1] not in ("+", "-"):
        return 0
    end = 1
    while _digit(text, end):
        end += 1
    return end if end > 1 and end < 12 and int(text[1:end]) <= 23 else 0


_READERS: dict[str, Callable[[_Reader, str], None]] = {
    "year": _read_year,
    "year2": _read_year2,
    "month_name": _read_month_name,
    "month_short": _read_month_name,
    "weekday_name": _read_weekday,
    "weekday_short": _read_weekday,
    "month": _read_month,
    "month0": _read_month,
    "day": _read_day,
    "day0": _read_day,
    "day_": _read_day,
    "yearday0": _read_yearday,
    "yearday_": _read_yearday,
    "hour": _read_hour,
    "hour12": _read_hour12,
    "hour12_0": _read_hour12,
    "minute": _read_minute,
    "minute0": _read_minute,
    "second": _read_second,
    "second0": _read_second,
    "fraction0": _read_fraction0,
    "fraction9": _read_fraction9,
    "PM": _read_pm,
    "pm": _read_pm,
    "offset": _read_offset,
    "zone": _read_zone,
}
