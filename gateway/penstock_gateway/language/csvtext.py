"""Strict RFC 4180 text as Go's encoding/csv reads it, with its error texts."""

from __future__ import annotations

from collections.abc import Iterator


class CSVError(ValueError):
    """A text that is no CSV; the message names record, line and column (from 1, in bytes)."""


Row = tuple[list[str], CSVError | None]
"""A record, or as much of it as could be read and why not more."""


def read_records(text: str, delimiter: str = ",", lazy_quotes: bool = False) -> list[list[str]]:
    """Split CSV text into records of equal length; empty lines are skipped.

    Raises CSVError.
    """
    found: list[list[str]] = []
    for record, error in rows(iter(_lines(text)), delimiter, lazy_quotes):
        if error is not None:
            raise error
        found.append(record)
    return found


def rows(lines: Iterator[str], delimiter: str = ",", lazy_quotes: bool = False, fields: int = 0) -> Iterator[Row]:
    """Read records from lines that end with a newline, but for the last, as they come; reading goes on behind a mistake.

    `fields`: how many each record must have; 0 = as many as the first, negative = any.
    """
    if delimiter in ('"', "\r", "\n") or len(delimiter) != 1:
        raise CSVError("csv: invalid field or comment delimiter")
    return _Reader(lines, delimiter, lazy_quotes, fields).rows()


def _lines(text: str) -> list[str]:
    """Lines with their newline; CRLF becomes LF, and a lone CR at the very end is dropped, as in Go."""
    lines = text.replace("\r\n", "\n").split("\n")
    last = lines.pop()
    found = [line + "\n" for line in lines]
    if last.endswith("\r"):
        last = last[:-1]
    if last:
        found.append(last)
    return found


class _Reader:
    """The lines of the text and where reading stands."""

    def __init__(self, lines: Iterator[str], delimiter: str, lazy_quotes: bool, fields: int) -> None:
        self.lines = lines
        self.delimiter = delimiter
        self.lazy_quotes = lazy_quotes
        self.fields = fields
        self.number = 0  # lines read so far
        self.started = 0

    def rows(self) -> Iterator[Row]:
        while (line := self.next_line()) is not None:
            self.started = self.number
            if line == "\n":
                continue
            record: list[str] = []
            try:
                self.read_record(line, record)
            except CSVError as error:
                yield record, error
                continue
            if not self.fields:
                self.fields = len(record)
            wrong = 0 < self.fields != len(record)
            text = f"record on line {self.started}: wrong number of fields"
            yield record, CSVError(text) if wrong else None

    def next_line(self) -> str | None:
        line = next(self.lines, None)
        self.number += line is not None
        return line

    def error(self, line: str, column: int, message: str) -> CSVError:
        place = f"parse error on line {self.number}, column {len(line[:column].encode()) + 1}: {message}"
        if self.started != self.number:
            place = f"record on line {self.started}; {place}"
        return CSVError(place)

    def read_record(self, line: str, record: list[str]) -> None:
        """Append the fields of the record that begins with a line; what was read before a mistake stays in it."""
        if '"' not in line:
            record += line.removesuffix("\n").split(self.delimiter)
            return
        at, more = 0, True
        while more:
            if line[at : at + 1] == '"':
                field, line, at, more = self.quoted_field(line, at + 1)
            else:
                field, at, more = self.plain_field(line, at)
            record.append(field)

    def plain_field(self, line: str, at: int) -> tuple[str, int, bool]:
        end = line.find(self.delimiter, at)
        field = line[at:] if end < 0 else line[at:end]
        if field.endswith("\n"):
            field = field[:-1]
        if not self.lazy_quotes and '"' in field:
            raise self.error(line, at + field.index('"'), 'bare " in non-quoted-field')
        return field, end + 1, end >= 0

    def quoted_field(self, line: str, at: int) -> tuple[str, str, int, bool]:
        """Read a quoted field from behind its opening quote: (field, line, position, whether another field follows)."""
        pieces: list[str] = []
        while True:
            end = line.find('"', at)
            if end >= 0:
                pieces.append(line[at:end])
                following = line[end + 1 : end + 2]
                if following == '"':
                    pieces.append('"')
                    at = end + 2
                elif following == self.delimiter:
                    return "".join(pieces), line, end + 2, True
                elif following in ("", "\n"):
                    return "".join(pieces), line, end + 1, False
                elif self.lazy_quotes:
                    pieces.append('"')
                    at = end + 1
                else:
                    raise self.error(line, end, 'extraneous or missing " in quoted-field')
                continue
            pieces.append(line[at:])
            following_line = self.next_line()
            if following_line is None:
                if not self.lazy_quotes:
                    raise self.error(line, len(line), 'extraneous or missing " in quoted-field')
                return "".join(pieces).removesuffix("\n"), line, 0, False
            line, at = following_line, 0
