"""Processor `parse_log`: reads syslog lines of RFC 5424 and RFC 3164."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Any, Literal

from pydantic import Field, field_validator

from penstock_gateway.document import Timestamp
from penstock_gateway.language.calendar import load_zone
from penstock_gateway.language.gotimeparse import LayoutError, parse_rfc3339
from penstock_gateway.message import Batch
from penstock_gateway.per_message import MessageFault, PerMessage
from penstock_gateway.registry import Config, Context, Kind, Processor, component

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_PRIORITY = re.compile(r"<(0|[1-9][0-9]{0,2})>")
_MAX_PRIORITY = 191


@component("parse_log", Kind.PROCESSOR, summary="Makes JSON of syslog lines.")
class ParseLog(Config):
    """Fields as Bento's."""

    format: Literal["syslog_rfc5424", "syslog_rfc3164"] = Field(description="What the lines are.")
    best_effort: bool = Field(
        True, description="Whether a line that is right only at its beginning gives what was read."
    )
    allow_rfc3339: bool = Field(True, description="Whether RFC 3339 timestamps are read in RFC 3164 lines too.")
    default_year: str = Field("current", description="Year of RFC 3164 timestamps, or `current`; empty = year 0.")
    default_timezone: str = Field("UTC", description="Zone of RFC 3164 timestamps.")
    codec: str = Field("", description="Has no effect (deprecated).")

    @field_validator("default_year")
    @classmethod
    def _year(cls, value: str) -> str:
        if value not in ("", "current") and not re.fullmatch("[0-9]{1,4}", value):
            raise ValueError(f"failed to parse year: {value!r} is neither a year nor `current`")
        return value

    @field_validator("default_timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        load_zone(value)  # a ValueError names it
        return value

    def build(self, context: Context) -> Processor:
        """The runtime."""
        read = self._new if self.format == "syslog_rfc5424" else self._old

        def change(batch: Batch, n: int) -> Batch:
            line = _Line(batch[n].raw.decode("utf-8", "replace"))
            try:
                read(line)
            except _LineError as error:
                if not self.best_effort or "priority" not in line.fields:
                    raise MessageFault(str(error)) from None
            result = batch[n].copy()
            result.set_document(line.fields)
            return [result]

        return PerMessage(change, context)

    def _new(self, line: _Line) -> None:
        """RFC 5424."""
        line.priority()
        line.fields["version"] = int(line.word(r"[1-9][0-9]{0,2}(?= )", "expecting a version value in the range 1-999"))
        line.space()
        stamp = line.word(r"-|\d{4}-\d\d-\d\dT[^ ]+(?= |$)", "expecting a RFC3339MICRO timestamp or a nil value")
        if stamp != "-":
            line.fields["timestamp"] = line.rfc3339(stamp)
        for name, size, shown in _WORDS:
            line.space()
            word = line.word(
                rf"[!-~]{{1,{size}}}(?= |$)",
                f"expecting {shown} (from 1 to max {size} US-ASCII characters) or a nil value",
            )
            if word != "-":
                line.fields[name] = word
        line.space()
        line.structured()
        if line.rest.startswith(" "):
            line.fields["message"] = line.rest[1:]

    def _old(self, line: _Line) -> None:
        """RFC 3164."""
        line.priority()
        stamp = line.word(r"[A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d", "") or (
            line.word(r"\d{4}-\d\d-\d\dT[^ ]+", "") if self.allow_rfc3339 else ""
        )
        if not stamp:
            raise line.error("expecting a Stamp timestamp")
        line.fields["timestamp"] = line.rfc3339(stamp) if stamp[0].isdigit() else self._stamp(line, stamp)
        line.space()
        line.fields["hostname"] = line.word(
            r"[!-~]{1,255}(?= |$)", "expecting an hostname (from 1 to max 255 US-ASCII characters)"
        )
        line.space()
        tag = re.compile(r"([!-9;-Z\\^-~]{1,32})(?:\[([^\]]*)\])?: ?").match(line.rest)
        if tag is not None:
            line.fields["appname"] = tag[1]
            if tag[2] is not None:
                line.fields["procid"] = tag[2]
            line.at += tag.end()
        line.fields["message"] = line.rest

    def _stamp(self, line: _Line, stamp: str) -> str:
        year = time.gmtime().tm_year if self.default_year == "current" else int(self.default_year or 0)
        month = _MONTHS.index(stamp[:3]) + 1 if stamp[:3] in _MONTHS else 0
        offset = _offset(self.default_timezone, year, month, stamp)
        return line.rfc3339(f"{year:04d}-{month:02d}-{int(stamp[4:6]):02d}T{stamp[7:]}{offset}")


_WORDS = (
    ("hostname", 255, "an hostname"),
    ("appname", 48, "an app-name"),
    ("procid", 128, "a procid"),
    ("msgid", 32, "a msgid"),
)


def _offset(zone: str, year: int, month: int, stamp: str) -> str:
    """The zone's distance from UTC at a wall-clock time, as RFC 3339 writes it."""
    try:
        hour, minute, second = (int(part) for part in stamp[7:].split(":"))
        when = datetime(max(year, 1), month, int(stamp[4:6]), hour, minute, second, tzinfo=load_zone(zone))
    except ValueError:
        return "Z"
    shift = when.utcoffset()
    minutes = int(shift.total_seconds()) // 60 if shift is not None else 0
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}" if minutes else "Z"


_PARAMETER = (
    'expecting a structured data parameter (`key="value"`, both part from 1 to max 32 US-ASCII characters; '
    'key cannot contain `=`, ` `, `]`, and `"`)'
)


class _LineError(Exception):
    """A line that is no syslog, from a column on."""


class _Line:
    """A line, how far it is read, and what was found."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.fields: dict[str, Any] = {}

    @property
    def rest(self) -> str:
        return self.text[self.at :]

    def error(self, text: str) -> _LineError:
        return _LineError(f"{text} [col {self.at}]")

    def word(self, pattern: str, complaint: str) -> str:
        """What stands here; without a complaint "" where it does not fit."""
        found = re.compile(pattern).match(self.text, self.at)
        if found is None:
            if complaint:
                raise self.error(complaint)
            return ""
        self.at = found.end()
        return found[0]

    def space(self) -> None:
        self.word(" ", "parsing error")

    def priority(self) -> None:
        found = _PRIORITY.match(self.text)
        if found is None:
            raise self.error("expecting a priority value within angle brackets")
        value = int(found[1])
        if value > _MAX_PRIORITY:
            self.at = 1
            raise self.error("expecting a priority value in the range 1-191 or equal to 0")
        self.at = found.end()
        self.fields |= {"priority": value, "facility": value // 8, "severity": value % 8}

    def rfc3339(self, text: str) -> str:
        try:
            instant = parse_rfc3339(text)
        except LayoutError as error:
            raise self.error(str(error)) from None
        return Timestamp(instant.ns, instant.offset, instant.zone).rfc3339()

    def structured(self) -> None:
        """`[id name="value" …]…` or `-`."""
        if self.word("-", ""):
            return
        elements: dict[str, dict[str, str]] = {}
        complaint = 'expecting a structured data section containing one or more elements (`[id( key="value")*]+`) or a nil value'
        while True:
            self.word(r"\[", complaint)
            name = self.word(
                r"[!#-<>-\\^-~]{1,32}",
                'expecting a structured data element id (from 1 to max 32 US-ASCII characters; except `=`, ` `, `]`, and `"`',
            )
            values = elements.setdefault(name, {})
            while self.word(" ", ""):
                key = self.word(
                    r"[!#-<>-\\^-~]{1,32}(?==)",
                    _PARAMETER,
                )
                self.at += 1
                value = self.word(
                    r'"(?:[^"\\\]]|\\.)*"', 'expecting chars `]`, `"`, and `\\` to be escaped within param value'
                )
                values[key] = re.sub(r'\\(["\\\]])', r"\1", value[1:-1])
            self.word(r"\]", complaint)
            if not self.rest.startswith("["):
                self.fields["structureddata"] = elements
                return
