"""Cron expressions with five or six fields (seconds first when six) and `@hourly` and its like; pure, the clock is an argument."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

_NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_RANGES = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


@dataclass(frozen=True, slots=True)
class Schedule:
    """The values each field allows: second, minute, hour, day of the month, month, day of the week (0 = Sunday)."""

    fields: tuple[frozenset[int], ...]
    any_day: bool
    any_weekday: bool

    def seconds_until_next(self, now: datetime.datetime) -> float:
        """Seconds from `now` to the next instant the schedule names, strictly after it; ValueError if there is none in 5 years."""
        moment = now.replace(microsecond=0) + datetime.timedelta(seconds=1)
        seconds, minutes, hours, _, months, _ = self.fields
        end = now + datetime.timedelta(days=5 * 366)
        while moment < end:
            if moment.month not in months or not self._day_fits(moment):
                moment = (moment + datetime.timedelta(days=1)).replace(hour=0, minute=0, second=0)
            elif moment.hour not in hours:
                moment = (moment + datetime.timedelta(hours=1)).replace(minute=0, second=0)
            elif moment.minute not in minutes:
                moment = (moment + datetime.timedelta(minutes=1)).replace(second=0)
            elif moment.second not in seconds:
                moment += datetime.timedelta(seconds=1)
            else:
                return (moment - now).total_seconds()
        raise ValueError("the schedule names no instant")

    def _day_fits(self, moment: datetime.datetime) -> bool:
        day = moment.day in self.fields[3]
        weekday = (moment.weekday() + 1) % 7 in self.fields[5]
        if self.any_day or self.any_weekday:
            return day and weekday
        return day or weekday  # both restricted: either, as cron has always done


def parse_schedule(text: str) -> Schedule:
    """The schedule a cron expression means; raises ValueError that says which field is wrong."""
    parts = _NAMED.get(text.strip(), text).split()
    if len(parts) == 5:
        parts = ["0", *parts]
    if len(parts) != 6:
        raise ValueError(
            f"invalid interval {text!r}: neither a duration (1s, 500ms) nor a cron expression of 5 or 6 fields"
        )
    fields = tuple(_field(part, n, text) for n, part in enumerate(parts))
    return Schedule(fields, parts[3] in ("*", "?"), parts[5] in ("*", "?"))


def _field(part: str, n: int, text: str) -> frozenset[int]:
    low, high = _RANGES[n]
    values: set[int] = set()
    for item in part.split(","):
        span, _, step_text = item.partition("/")
        try:
            step = int(step_text) if step_text else 1
            first, last = _span(span, n, bool(step_text))
        except ValueError:
            raise ValueError(f"invalid interval {text!r}: {item!r} is not a value of a cron field") from None
        if step < 1 or first < low or last > high or first > last:
            raise ValueError(f"invalid interval {text!r}: {item!r} is outside {low}-{high}")
        values.update(range(first, last + 1, step))
    return frozenset(value % 7 if n == 5 else value for value in values)


def _span(span: str, n: int, has_step: bool) -> tuple[int, int]:
    low, high = _RANGES[n]
    if span in ("*", "?"):
        return low, high
    first, dash, last = span.partition("-")
    begin = _value(first, n)
    if dash:
        return begin, _value(last, n)
    return begin, high if has_step else begin


def _value(text: str, n: int) -> int:
    word = text.lower()[:3]
    if n == 4 and word in _MONTHS:
        return _MONTHS.index(word) + 1
    if n == 5 and word in _DAYS:
        return _DAYS.index(word)
    return int(text)
