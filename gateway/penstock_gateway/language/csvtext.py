"""Strict RFC 4180 text as Go's encoding/csv reads it, with its error texts."""

from __future__ import annotations


class CSVError(ValueError):
    """A text that is no CSV; the message names record, line and column (from 1, in bytes)."""


def read_records(text: str, delimiter: str = ",", lazy_quotes: bool = False) -> list[list[str]]:
    """Split CSV text into records of equal length; empty lines are skipped.

    Raises CSVError.
    """
    if delimiter in ('"', "\r", "\n") or len(delimiter) != 1:
        raise CSVError("csv: invalid field or comment delimiter")
    return _Reader(text, delimiter, lazy_quotes).records()


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

    def __init__(self, text: str, delimiter: str, lazy_quotes: bool) -> None:
        self.lines = _lines(text)
        self.delimiter = delimiter
        self.lazy_quotes = lazy_quotes
        self.number = 0  # lines read so far
        self.started = 0

    def records(self) -> list[list[str]]:
        found: list[list[str]] = []
        while self.number < len(self.lines):
            line = self.next_line()
            self.started = self.number
            if line == "\n":
                continue
            if '"' not in line:
                record = line.rstrip("\n").split(self.delimiter) if line[-1] == "\n" else line.split(self.delimiter)
            else:
                record = self.quoted_record(line)
            if found and len(record) != len(found[0]):
                raise CSVError(f"record on line {self.started}: wrong number of fields")
            found.append(record)
        return found

    def next_line(self) -> str:
        line = self.lines[self.number]
        self.number += 1
        return line

    def error(self, line: str, column: int, message: str) -> CSVError:
        place = f"parse error on line {self.number}, column {len(line[:column].encode()) + 1}: {message}"
        if self.started != self.number:
            place = f"record on line {self.started}; {place}"
        return CSVError(place)

    def quoted_record(self, line: str) -> list[str]:
        record: list[str] = []
        at = 0
        while True:
            if line[at : at + 1] == '"':
                field, line, at, more = self.quoted_field(line, at + 1)
            else:
                field, at, more = self.plain_field(line, at)
            record.append(field)
            if not more:
                return record

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
            if self.number == len(self.lines):
                if not self.lazy_quotes:
                    raise self.error(line, len(line), 'extraneous or missing " in quoted-field')
                return "".join(pieces).removesuffix("\n"), line, 0, False
            line, at = self.next_line(), 0
