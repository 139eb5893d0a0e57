"""`%Y-%m-%d` formats: reading instants by them; a missing date is 1900-01-01, a missing zone UTC.

Directives and error texts follow itchyny/timefmt-go.
"""

from __future__ import annotations

from collections.abc import Callable

from penstock_gateway.language.calendar import (
    MONTHS,
    SECOND,
    WEEKDAYS,
    Instant,
    civil,
    days_since_epoch,
    utc_ns,
)
from penstock_gateway.language.goquote import quote
from penstock_gateway.language.gotimeparse import LayoutError, parse_instant
from penstock_gateway.language.strftime import COMPOSITES

_DIGITS = "0123456789"
_BLANKS = " \t\n\v\f\r"
_SHORT_MONTHS = tuple(name[:3] for name in MONTHS)
_SHORT_WEEKDAYS = tuple(name[:3] for name in WEEKDAYS)


def parse(text: str, layout: str) -> Instant:
    """Read a text by a strptime format.

    Raises LayoutError.
    """
    try:
        return _Reader(text).read(layout)
    except _Mismatch as error:
        raise LayoutError(f"failed to parse {quote(text)} with {quote(layout)}: {error}") from None


class _Mismatch(Exception):
    """The text is not what the format asks for."""


class _Reader:
    """The fields read so far, and where in the text reading stands."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.year, self.month, self.day = 1900, 1, 0
        self.hour = self.minute = self.second = self.nanosecond = 0
        self.yearday = self.week = self.weekday = 0
        self.century = self.week_start = -1
        self.pm = self.iso_year = False
        self.zone = ""
        self.zone_known = False
        self.offset: int | None = None

    def read(self, layout: str) -> Instant:
        position = 0
        while position < len(layout):
            char = layout[position]
            position += 1
            if char != "%":
                self.expect(char)
                continue
            if position == len(layout):
                raise _Mismatch('stray "%"')
            letter = layout[position]
            position += 1
            colons = 0
            while letter == ":" and colons < 3:
                colons += 1
                if position == len(layout):
                    raise _Mismatch(f"expected 'z' after \"%{':' * colons}\"")
                letter = layout[position]
                position += 1
            if colons and letter != "z":
                raise _Mismatch(f"expected 'z' after \"%{':' * colons}\"")
            self.directive(letter, colons)
        if self.at < len(self.text):
            raise _Mismatch(f"unparsed string {quote(self.text[self.at :])}")
        return self.instant()

    def expect(self, char: str) -> None:
        if self.text[self.at : self.at + 1] != char:
            raise _Mismatch(f"expected {quote(char, mark=chr(39))}")
        self.at += 1

    def directive(self, letter: str, colons: int = 0) -> None:
        composite = COMPOSITES.get(letter)
        if composite is not None:
            for part in composite:
                if part.isalpha():
                    self.directive(part)
                else:
                    self.expect(part)
            return
        if letter == "z":
            self.read_offset(colons)
            return
        reader = _READERS.get(letter)
        if reader is None:
            raise _Mismatch(f'unexpected format "%{letter}"')
        reader(self, letter)

    def number(self, size: int, low: int, high: int, letter: str) -> int:
        end = self.at
        while end < min(self.at + size, len(self.text)) and self.text[end] in _DIGITS:
            end += 1
        value = int(self.text[self.at : end] or "-1")
        if end == self.at or not low <= value <= high:
            raise _Mismatch(f'cannot parse "%{letter}"')
        self.at = end
        return value

    def name(self, names: tuple[str, ...], letter: str) -> int:
        rest = self.text[self.at : self.at + 9].lower()
        for index, name in enumerate(names):
            if rest.startswith(name.lower()):
                self.at += len(name)
                return index + 1
        raise _Mismatch(f'cannot parse "%{letter}"')

    def sign(self) -> int:
        if self.text[self.at : self.at + 1] == "-":
            self.at += 1
            return -1
        return 1

    def pair(self, high: int) -> int | None:
        digits = self.text[self.at : self.at + 2]
        if len(digits) != 2 or digits[0] not in _DIGITS or digits[1] not in _DIGITS or int(digits) > high:
            return None
        self.at += 2
        return int(digits)

    def colon(self) -> bool:
        if self.text[self.at : self.at + 1] != ":":
            return False
        self.at += 1
        return True

    def read_offset(self, colons: int) -> None:
        failure = _Mismatch(f'cannot parse "%{":" * colons}z"')
        mark = self.text[self.at : self.at + 1]
        if mark == "Z":
            self.at += 1
            self.zone, self.zone_known, self.offset = "UTC", True, 0
            return
        if mark not in ("+", "-"):
            raise failure
        self.at += 1
        hours = self.pair(23)
        if hours is None:
            raise failure
        has_colon = self.colon()
        if not has_colon and colons in (1, 2):
            raise _Mismatch(f"expected ':' for \"%{':' * colons}z\"")
        minutes = self.pair(59)
        if minutes is None and (colons in (1, 2) or (colons == 0 and has_colon)):
            raise failure
        seconds = None
        if minutes is not None and (colons > 1 or (colons == 0 and has_colon)) and self.colon():
            seconds = self.pair(59)
        if colons == 2 and seconds is None:
            raise failure
        total = (hours * 60 + (minutes or 0)) * 60 + (seconds or 0)
        self.offset = -total if mark == "-" else total

    def instant(self) -> Instant:
        if self.pm:
            self.hour += 12
        if self.century >= 0:
            self.year = self.century * 100 + self.year % 100
        date = (self.year, self.month, self.day)
        if self.day == 0:
            date = self.date_without_day()
        ns = utc_ns(date, (self.hour, self.minute, self.second), self.nanosecond)
        if self.offset is None:
            return Instant(ns, 0, self.zone or "UTC")
        zone = self.zone or ("UTC" if self.offset == 0 else "")
        return Instant(ns - self.offset * SECOND, self.offset, zone)

    def date_without_day(self) -> tuple[int, int, int]:
        if self.yearday > 0:
            if self.iso_year:
                raise _Mismatch('use "%Y" to parse non-ISO year for "%j"')
            return civil(days_since_epoch(self.year, 1, 1) + self.yearday - 1)
        if self.week_start < 0:
            return self.year, self.month, 1
        if self.week_start == 4:
            if not self.iso_year:
                raise _Mismatch('use "%G" to parse ISO year for "%V"')
        elif self.iso_year:
            raise _Mismatch('use "%Y" to parse non-ISO year for "%U" or "%W"')
        week = self.week
        if self.week_start > 0 and self.weekday == 1:
            week += 1
        base = days_since_epoch(self.year, 1, -self.week_start)
        return civil(base + week * 7 - (base + 4) % 7 + self.weekday - 1)


def _year(reader: _Reader, letter: str) -> None:
    reader.iso_year = reader.iso_year or letter == "G"
    sign = reader.sign()
    reader.year = sign * reader.number(4, 0, 9999, letter)


def _year2(reader: _Reader, letter: str) -> None:
    reader.iso_year = reader.iso_year or letter == "g"
    year = reader.number(2, 0, 99, letter)
    reader.year = year + (2000 if year < 69 else 1900)


def _century(reader: _Reader, letter: str) -> None:
    if reader.sign() < 0:
        raise _Mismatch('negative century is not supported for "%C"')
    reader.century = reader.number(2, 0, 99, letter)


def _month_name(reader: _Reader, letter: str) -> None:
    reader.month = reader.name(MONTHS if letter == "B" else _SHORT_MONTHS, letter)


def _weekday_name(reader: _Reader, letter: str) -> None:
    reader.weekday = reader.name(WEEKDAYS if letter == "A" else _SHORT_WEEKDAYS, letter)


def _weekday(reader: _Reader, letter: str) -> None:
    if letter == "w":
        reader.weekday = reader.number(1, 0, 6, letter) + 1
    else:
        reader.weekday = reader.number(1, 1, 7, letter) % 7 + 1


def _week(reader: _Reader, letter: str) -> None:
    low, reader.week_start, default = {"V": (1, 4, 2), "U": (0, 0, 1), "W": (0, 1, 2)}[letter]
    reader.week = reader.number(2, low, 53, letter)
    reader.weekday = reader.weekday or default


def _blank_then(reader: _Reader, letter: str) -> None:
    if reader.text[reader.at : reader.at + 1] == " ":
        reader.at += 1
    _plain_number(reader, letter)


_PLAIN = {
    "m": ("month", 2, 1, 12),
    "d": ("day", 2, 1, 31),
    "e": ("day", 2, 1, 31),
    "j": ("yearday", 3, 1, 366),
    "H": ("hour", 2, 0, 23),
    "k": ("hour", 2, 0, 23),
    "I": ("hour", 2, 1, 12),
    "l": ("hour", 2, 1, 12),
    "M": ("minute", 2, 0, 59),
    "S": ("second", 2, 0, 60),
}


def _plain_number(reader: _Reader, letter: str) -> None:
    field, size, low, high = _PLAIN[letter]
    value = reader.number(size, low, high, letter)
    if letter in "Il" and value == 12:
        value = 0
    setattr(reader, field, value)


def _half_day(reader: _Reader, letter: str) -> None:
    reader.pm = reader.name(("AM", "PM"), letter) == 2


def _unix(reader: _Reader, letter: str) -> None:
    sign = reader.sign()
    seconds = sign * reader.number(19, 0, 10**19, letter)
    days, rest = divmod(seconds, 86_400)
    reader.year, reader.month, reader.day = civil(days)
    reader.hour, rest = divmod(rest, 3600)
    reader.minute, reader.second = divmod(rest, 60)


def _microsecond(reader: _Reader, letter: str) -> None:
    start = reader.at
    value = reader.number(6, 0, 999_999, letter)
    reader.nanosecond = value * 10 ** (6 - (reader.at - start)) * 1000


def _zone_name(reader: _Reader, _letter: str) -> None:
    end = reader.at
    while end < len(reader.text) and "A" <= reader.text[end] <= "Z":
        end += 1
    name = reader.text[reader.at : end]
    try:
        found = parse_instant(name, "MST")
    except LayoutError:
        raise _Mismatch(f'cannot parse {quote(name)} with "%Z"') from None
    reader.zone, reader.zone_known = found.zone, True
    reader.at = end


def _space(reader: _Reader, letter: str) -> None:
    start = reader.at
    while reader.at < len(reader.text) and reader.text[reader.at] in _BLANKS:
        reader.at += 1
    if reader.at == start:
        raise _Mismatch(f'expected a space for "%{letter}"')


def _percent(reader: _Reader, letter: str) -> None:
    reader.expect(letter)


_READERS: dict[str, Callable[[_Reader, str], None]] = {
    **dict.fromkeys("GY", _year),
    **dict.fromkeys("gy", _year2),
    **dict.fromkeys("Bbh", _month_name),
    **dict.fromkeys("Aa", _weekday_name),
    **dict.fromkeys("wu", _weekday),
    **dict.fromkeys("VUW", _week),
    **dict.fromkeys("ekl", _blank_then),
    **dict.fromkeys("mdjHIMS", _plain_number),
    **dict.fromkeys("Pp", _half_day),
    **dict.fromkeys("tn", _space),
    "C": _century,
    "s": _unix,
    "f": _microsecond,
    "Z": _zone_name,
    "%": _percent,
}
