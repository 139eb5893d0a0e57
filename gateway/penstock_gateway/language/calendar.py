"""Calendar arithmetic on (nanoseconds, offset): the proleptic Gregorian calendar without the year limits of `datetime`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

SECOND = 1_000_000_000
DAY_SECONDS = 86_400
INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTH_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_CUMULATIVE = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_SECOND = -62_135_596_800
_LAST_SECOND = 253_402_300_799


class Moment(NamedTuple):
    """A wall-clock reading; `zone` is the abbreviation or "" and `offset` the seconds east of UTC."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    nanosecond: int
    weekday: int
    yearday: int
    offset: int
    zone: str


class Instant(NamedTuple):
    """A point in time: nanoseconds since 1970-01-01 UTC, and the zone it is shown in."""

    ns: int
    offset: int
    zone: str


def is_leap(year: int) -> bool:
    """Tell whether a Gregorian year has 366 days."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def month_length(year: int, month: int) -> int:
    """Give the number of days of a month (1..12)."""
    return 29 if month == 2 and is_leap(year) else _MONTH_LENGTHS[month - 1]


def days_before_month(month: int) -> int:
    """Give the days of a common year before month 1..13."""
    return _CUMULATIVE[month - 1]


def days_since_epoch(year: int, month: int, day: int) -> int:
    """Count days from 1970-01-01; month and day may lie outside their range and are carried over."""
    year += (month - 1) // 12
    month = (month - 1) % 12 + 1
    before = year - 1
    days = before * 365 + before // 4 - before // 100 + before // 400 + _CUMULATIVE[month - 1] - 719_162
    if month > 2 and is_leap(year):
        days += 1
    return days + day - 1


def civil(days: int) -> tuple[int, int, int]:
    """Turn days since 1970-01-01 into (year, month, day)."""
    shifted = days + 719_468
    era, day_of_era = divmod(shifted, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    year = year_of_era + era * 400 + (1 if month <= 2 else 0)
    return year, month, day_of_year - (153 * shifted_month + 2) // 5 + 1


def moment(instant: Instant) -> Moment:
    """Read an instant on the clock of its zone."""
    seconds, nanosecond = divmod(instant.ns, SECOND)
    days, rest = divmod(seconds + instant.offset, DAY_SECONDS)
    year, month, day = civil(days)
    hour, rest = divmod(rest, 3600)
    minute, second = divmod(rest, 60)
    yearday = _CUMULATIVE[month - 1] + day + (1 if month > 2 and is_leap(year) else 0)
    return Moment(
        year,
        month,
        day,
        hour,
        minute,
        second,
        nanosecond,
        (days + 4) % 7,
        yearday,
        instant.offset,
        instant.zone,
    )


def utc_ns(date: tuple[int, int, int], clock: tuple[int, int, int], nanosecond: int = 0) -> int:
    """Give the nanoseconds of (year, month, day) and (hour, minute, second) in UTC; fields out of range carry over."""
    hour, minute, second = clock
    seconds = days_since_epoch(*date) * DAY_SECONDS + hour * 3600 + minute * 60 + second
    return seconds * SECOND + nanosecond


def iso_week(when: Moment) -> tuple[int, int]:
    """Give ISO 8601 (year, week) of a moment."""
    monday_based = (when.weekday + 6) % 7
    week = (when.yearday - 1 - monday_based + 10) // 7
    if week < 1:
        return when.year - 1, _weeks_of(when.year - 1)
    if week == 53 and _weeks_of(when.year) == 52:
        return when.year + 1, 1
    return when.year, week


def _weeks_of(year: int) -> int:
    first = (days_since_epoch(year, 1, 1) + 3) % 7  # 0 = Monday
    return 53 if first == 3 or (first == 2 and is_leap(year)) else 52


def add_date(instant: Instant, years: int, months: int, days: int) -> Instant:
    """Move an instant by calendar fields; a day past the month's end runs into the next month, as Go's AddDate does."""
    when = moment(instant)
    ns = utc_ns(
        (when.year + years, when.month + months, when.day + days),
        (when.hour, when.minute, when.second),
        when.nanosecond,
    )
    return Instant(ns - instant.offset * SECOND, instant.offset, instant.zone)


def round_to(ns: int, duration: int) -> int:
    """Round to the nearest multiple of a duration counted from year 1, half up (Go's Time.Round)."""
    if duration <= 0:
        return ns
    rest = (ns - _FIRST_SECOND * SECOND) % duration
    return ns - rest if rest + rest < duration else ns + duration - rest


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def in_zone(ns: int, name: str) -> Instant:
    """Show an instant in an IANA zone, "UTC" or "Local" (which is UTC here).

    Raises LookupError for an unknown zone.
    """
    if name in ("", "UTC", "Local"):
        return Instant(ns, 0, "UTC")
    zone = load_zone(name)
    seconds = min(max(ns // SECOND, _FIRST_SECOND + DAY_SECONDS), _LAST_SECOND - DAY_SECONDS)
    local = (_EPOCH + timedelta(seconds=seconds)).astimezone(zone)
    offset = local.utcoffset()
    return Instant(ns, int(offset.total_seconds()) if offset else 0, local.tzname() or "")


def load_zone(name: str) -> ZoneInfo:
    """Load an IANA zone; raises LookupError with Go's wording when there is none."""
    try:
        return _zone(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise LookupError(f"unknown time zone {name}") from error
