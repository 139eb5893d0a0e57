"""Methods on timestamps and durations: ts_*, their older names, parse_duration*."""

from __future__ import annotations

from collections.abc import Callable

from penstock_gateway.document import INT64_MAX, INT64_MIN, Timestamp, Value
from penstock_gateway.language import gotime, strftime, strptime
from penstock_gateway.language.calendar import Instant, add_date, in_zone, round_to
from penstock_gateway.language.durations import Period, parse_go, parse_iso8601
from penstock_gateway.language.errors import EvaluationError
from penstock_gateway.language.gotimeparse import LayoutError, parse_instant
from penstock_gateway.language.registry import Param, method

_TZ = Param("tz", "string", optional=True)
_LAYOUT = Param("format", "string", default=gotime.RFC3339_NANO)
_Shown = Callable[[Timestamp], Instant]


def _instant(moment: Timestamp) -> Instant:
    return Instant(moment.ns, moment.offset, moment.zone)


def _timestamp(instant: Instant) -> Timestamp:
    return Timestamp(instant.ns, instant.offset, instant.zone)


def _shown_in(tz: str | None) -> _Shown:
    """Give the function that shows a timestamp in a zone, or as it is."""
    if tz is None:
        return _instant
    try:
        in_zone(0, tz)
    except LookupError as error:
        raise EvaluationError(f"failed to parse timezone location name: {error}") from None
    return lambda moment: in_zone(moment.ns, tz)


def _formatter(write: Callable[[Instant, str], str], layout: str, tz: str | None) -> Callable[[Timestamp], str]:
    shown = _shown_in(tz)
    return lambda target: write(shown(target), layout)


@method("format_timestamp", _LAYOUT, _TZ, receives="timestamp", prepare=True, static=True, annotate=False)
@method("ts_format", _LAYOUT, _TZ, receives="timestamp", prepare=True, static=True, annotate=False)
def ts_format(layout: str, tz: str | None) -> Callable[[Timestamp], str]:
    """Write a timestamp by a Go layout."""
    return _formatter(gotime.format_instant, layout, tz)


_FORMAT = Param("format", "string")


@method("format_timestamp_strftime", _FORMAT, _TZ, receives="timestamp", prepare=True, static=True, annotate=False)
@method("ts_strftime", _FORMAT, _TZ, receives="timestamp", prepare=True, static=True, annotate=False)
def ts_strftime(layout: str, tz: str | None) -> Callable[[Timestamp], str]:
    """Write a timestamp by a strftime format."""
    return _formatter(strftime.format_instant, layout, tz)


def _parser(read: Callable[[str, str], Instant], layout: str) -> Callable[[str], Timestamp]:
    def run(target: str) -> Timestamp:
        try:
            return _timestamp(read(target, layout))
        except LayoutError as error:
            raise EvaluationError(str(error)) from None

    return run


def _text_parser(read: Callable[[str, str], Instant], layout: str) -> Callable[[str], str]:
    parse = _parser(read, layout)
    return lambda target: gotime.format_instant(_instant(parse(target)), gotime.RFC3339_NANO)


@method("ts_parse", _FORMAT, receives="string", prepare=True, static=True, annotate=False)
def ts_parse(layout: str) -> Callable[[str], Timestamp]:
    """Read a timestamp by a Go layout."""
    return _parser(parse_instant, layout)


@method("parse_timestamp", _FORMAT, receives="string", prepare=True, static=True, annotate=False)
def parse_timestamp(layout: str) -> Callable[[str], str]:
    """Read a timestamp by a Go layout and give it as RFC 3339 text."""
    return _text_parser(parse_instant, layout)


@method("ts_strptime", _FORMAT, receives="string", prepare=True, static=True, annotate=False)
def ts_strptime(layout: str) -> Callable[[str], Timestamp]:
    """Read a timestamp by a strptime format."""
    return _parser(strptime.parse, layout)


@method("parse_timestamp_strptime", _FORMAT, receives="string", prepare=True, static=True, annotate=False)
def parse_timestamp_strptime(layout: str) -> Callable[[str], str]:
    """Read a timestamp by a strptime format and give it as RFC 3339 text."""
    return _text_parser(strptime.parse, layout)


def _unix(divisor: int) -> Callable[[Timestamp], int]:
    return lambda target: target.ns // divisor


for _suffix, _divisor in (("", 1_000_000_000), ("_milli", 1_000_000), ("_micro", 1_000), ("_nano", 1)):
    for _name in (f"ts_unix{_suffix}", f"format_timestamp_unix{_suffix}"):
        method(_name, receives="timestamp", static=True, annotate=False)(_unix(_divisor))


@method("ts_tz", Param("tz", "string"), receives="timestamp", prepare=True, static=True, annotate=False)
def ts_tz(tz: str) -> Callable[[Timestamp], Timestamp]:
    """Show a timestamp in another zone."""
    shown = _shown_in(tz)
    return lambda target: _timestamp(shown(target))


@method("ts_round", Param("duration", "integer"), receives="timestamp", static=True, annotate=False)
def ts_round(target: Timestamp, duration: int) -> Timestamp:
    """Round to a multiple of a duration in nanoseconds, half up."""
    return Timestamp(round_to(target.ns, duration), target.offset, target.zone)


@method("ts_sub", Param("t2", "timestamp"), receives="timestamp", static=True, annotate=False)
def ts_sub(target: Timestamp, other: Timestamp) -> int:
    """Give the nanoseconds since another timestamp; what exceeds int64 is its limit."""
    return min(max(target.ns - other.ns, INT64_MIN), INT64_MAX)


def _period(text: str) -> Period:
    try:
        return parse_iso8601(text)
    except ValueError as error:
        raise EvaluationError(str(error)) from None


def _moved(period: Period) -> Callable[[Timestamp], Timestamp]:
    """Give the function that adds a period: by the calendar where its days are whole, else by average lengths."""
    if not period.has_whole_days():
        distance = period.approximate_ns()
        return lambda target: Timestamp(target.ns + distance, target.offset, target.zone)
    years, months, days = (_tenth(field) for field in (period.years, period.months, period.days))
    clock = period.clock_ns()

    def run(target: Timestamp) -> Timestamp:
        moved = add_date(_instant(target), years, months, days)
        return Timestamp(moved.ns + clock, moved.offset, moved.zone)

    return run


def _tenth(value: int) -> int:
    return -(-value // 10) if value < 0 else value // 10


_DURATION = Param("duration", "string")


@method("ts_add_iso8601", _DURATION, receives="timestamp", prepare=True, static=True, annotate=False)
def ts_add_iso8601(duration: str) -> Callable[[Timestamp], Timestamp]:
    """Move a timestamp forward by an ISO 8601 period."""
    return _moved(_period(duration))


@method("ts_sub_iso8601", _DURATION, receives="timestamp", prepare=True, static=True, annotate=False)
def ts_sub_iso8601(duration: str) -> Callable[[Timestamp], Timestamp]:
    """Move a timestamp back by an ISO 8601 period."""
    return _moved(_period(duration).negated())


@method("parse_duration", receives="string", static=True, annotate=False)
def parse_duration(target: str) -> int:
    """Read a Go duration as nanoseconds."""
    try:
        return parse_go(target)
    except ValueError as error:
        raise EvaluationError(str(error)) from None


@method("parse_duration_iso8601", receives="string", static=True, annotate=False)
def parse_duration_iso8601(target: str) -> Value:
    """Read an ISO 8601 period as nanoseconds, with years and months of average length."""
    nanoseconds = _period(target).approximate_ns()
    return (nanoseconds - INT64_MIN) % 2**64 + INT64_MIN
