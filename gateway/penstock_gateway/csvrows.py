"""What the input and the scanner for CSV share: records of a source as they come, each of bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from penstock_gateway.language.csvtext import CSVError, Row, rows
from penstock_gateway.scanning import CHUNK, MAX_MESSAGE, ScanError, Source, too_long


class Records:
    """Iterates over the rows of a source; a record beyond `MAX_MESSAGE` is a ScanError."""

    def __init__(self, source: Source, delimiter: str, lazy_quotes: bool, fields: int) -> None:
        self.source = source
        self._since_record = 0
        self._rows = rows(self._lines(), delimiter, lazy_quotes, fields)

    def __iter__(self) -> Iterator[Row]:
        return self

    def __next__(self) -> Row:
        self._since_record = 0
        return next(self._rows)

    def _lines(self) -> Iterator[str]:
        """Lines with their newline; CRLF becomes LF, and a lone CR at the very end is dropped, as in Go."""
        pieces: list[bytes] = []
        pending = 0
        while chunk := self.source.read(CHUNK):
            pieces.append(chunk)
            pending += len(chunk)
            if b"\n" in chunk:
                *lines, rest = b"".join(pieces).split(b"\n")
                pieces, pending = [rest], len(rest)
                for line in lines:
                    yield self._counted(line.removesuffix(b"\r") + b"\n")
            if pending > MAX_MESSAGE:
                raise too_long(MAX_MESSAGE)
        rest = b"".join(pieces).removesuffix(b"\r")
        if rest:
            yield self._counted(rest)

    def _counted(self, line: bytes) -> str:
        self._since_record += len(line)
        if self._since_record > MAX_MESSAGE:
            raise too_long(MAX_MESSAGE)
        return line.decode("utf-8", "surrogateescape")


def read_header(records: Records, expected: Sequence[str] | None) -> list[str] | None:
    """The first record, None of an empty source; raises ScanError when it is broken or not as expected."""
    first = next(records, None)
    if first is None:
        return None
    header, error = first
    if error is not None:
        raise ScanError(str(error))
    if expected and list(expected) != header:
        raise ScanError("expected_headers don't match file contents")
    return header


def check_delimiter(text: str) -> str:
    """One character that can stand between fields; raises ValueError."""
    if len(text) != 1:
        raise ValueError("delimiter value must be exactly one character")
    if text in '"\r\n':
        raise ValueError(str(CSVError("csv: invalid field or comment delimiter")))
    return text
