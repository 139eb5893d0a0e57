"""Scanners that cut bytes without reading them: lines, chunker, to_the_end, re_match, and skip_bom in front of another."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import re2
from pydantic import Field, field_validator

from penstock_gateway.language.regex import PatternError, Regex
from penstock_gateway.message import Batch, Message
from penstock_gateway.registry import Config, Context, Kind, component
from penstock_gateway.scanning import (
    CHUNK,
    Scanner,
    ScannerSlot,
    Source,
    build_scanner,
    read_all,
    read_exactly,
    too_long,
    whole_slot,
)


@component("lines", Kind.SCANNER, summary="One message a line.")
class Lines(Config):
    """Fields as Bento's."""

    custom_delimiter: str = Field("", description="What ends a message instead of a line break.")
    max_buffer_size: int = Field(65536, description="Bytes within which a line has to end.", ge=1)
    omit_empty: bool = Field(False, description="Whether empty lines are left out.")

    def build(self, context: Context) -> Scanner:
        """The runtime."""
        return LineScanner(self)


class LineScanner:
    """As many lines at a time as a read gave."""

    def __init__(self, config: Lines) -> None:
        self.delimiter = config.custom_delimiter.encode("utf-8", "surrogateescape") or b"\n"
        self.trim, self.omit_empty, self.limit = (
            not config.custom_delimiter,
            config.omit_empty,
            config.max_buffer_size,
        )

    def scan(self, source: Source, name: str) -> Iterator[Batch]:
        """Lines; the last one needs no end. What has no end yet is looked at once, however long it grows."""
        pieces: list[bytes] = []
        size, overlap = 0, len(self.delimiter) - 1
        while chunk := source.read(CHUNK):
            seam = pieces[-1][-overlap:] if overlap and pieces else b""
            pieces.append(chunk)
            size += len(chunk)
            if self.delimiter in seam + chunk:
                *lines, rest = b"".join(pieces).split(self.delimiter)
                pieces, size = [rest], len(rest)
                yield from self._batches(lines)
            elif overlap and len(chunk) < overlap:
                pieces = [b"".join(pieces)]
            if size >= self.limit:
                raise too_long(self.limit)
        if rest := b"".join(pieces):
            yield from self._batches([rest])

    def _batches(self, lines: list[bytes]) -> Iterator[Batch]:
        batch: Batch = []
        for line in lines:
            if len(line) >= self.limit:
                yield batch
                raise too_long(self.limit)
            body = line[:-1] if self.trim and line.endswith(b"\r") else line
            if body or not self.omit_empty:
                batch.append(Message(body))
        if batch:
            yield batch


@component("chunker", Kind.SCANNER, summary="Messages of a fixed size.")
class Chunker(Config):
    """Fields as Bento's."""

    size: int = Field(description="Bytes of a message; the last one may be shorter.", ge=1, le=256 * 1024 * 1024)

    def build(self, context: Context) -> Scanner:
        """The runtime."""
        return ChunkScanner(self.size)


class ChunkScanner:
    """One chunk at a time."""

    def __init__(self, size: int) -> None:
        self.size = size

    def scan(self, source: Source, name: str) -> Iterator[Batch]:
        """Chunks to the end."""
        while chunk := read_exactly(source, self.size):
            yield [Message(chunk)]


@component("to_the_end", Kind.SCANNER, summary="Everything as one message.")
class ToTheEnd(Config):
    """There is nothing to set."""

    def build(self, context: Context) -> Scanner:
        """The runtime."""
        return WholeScanner()


class WholeScanner:
    """One message, also of nothing."""

    def scan(self, source: Source, name: str) -> Iterator[Batch]:
        """The message."""
        yield [Message(read_all(source))]


@component("re_match", Kind.SCANNER, summary="Messages that begin where a regular expression matches.")
class ReMatch(Config):
    """Fields as Bento's."""

    pattern: str = Field(description="Where a message begins (RE2).")
    max_buffer_size: int = Field(65536, description="Bytes of the longest message.", ge=1)

    @field_validator("pattern")
    @classmethod
    def _is_pattern(cls, pattern: str) -> str:
        try:
            Regex(pattern)
        except PatternError as error:
            raise ValueError(str(error)) from None
        return pattern

    def build(self, context: Context) -> Scanner:
        """The runtime."""
        return MatchScanner(self.pattern, self.max_buffer_size)


class MatchScanner:
    """What stands before the first match is a message, too; what follows the only match at the end belongs to it."""

    def __init__(self, pattern: str, limit: int) -> None:
        compiled: Any = re2.compile(pattern.encode("utf-8", "surrogateescape"))  # type: ignore[no-untyped-call]
        self.pattern, self.limit = compiled, limit

    def scan(self, source: Source, name: str) -> Iterator[Batch]:
        """From match to match."""
        rest, ended = b"", False
        while not ended:
            chunk = source.read(max(1, min(max(CHUNK, len(rest)), self.limit - len(rest))))
            rest, ended = rest + chunk, not chunk
            batch: Batch = []
            while (end := self._next(rest, ended)) > 0:
                batch.append(Message(rest[:end]))
                rest = rest[end:]
            if batch:
                yield batch
            if len(rest) >= self.limit:
                raise too_long(self.limit)

    def _next(self, data: bytes, ended: bool) -> int:
        """Where the first message ends; 0 = not to be told yet."""
        starts: list[int] = [match.start() for match in itertools.islice(self.pattern.finditer(data), 2)]
        if len(starts) == 2:
            return starts[0] or starts[1]
        if not ended:
            return 0
        return starts[0] if starts and starts[0] else len(data)


@component("skip_bom", Kind.SCANNER, summary="Leaves a byte order mark out.")
class SkipBom(Config):
    """Fields as Bento's."""

    into: ScannerSlot = Field(default_factory=whole_slot, description="Reads what follows the mark.")

    def build(self, context: Context) -> Scanner:
        """The runtime."""
        return MarkSkipper(build_scanner(self.into, context))


class MarkSkipper:
    """The marks of UTF-8, UTF-16 and UTF-32."""

    def __init__(self, inner: Scanner) -> None:
        self.inner = inner

    def scan(self, source: Source, name: str) -> Iterator[Batch]:
        """As the scanner behind."""
        head = read_exactly(source, 4)
        for mark in (b"\xef\xbb\xbf", b"\x00\x00\xfe\xff", b"\xff\xfe\x00\x00", b"\xfe\xff", b"\xff\xfe"):
            if head.startswith(mark):
                head = head[len(mark) :]
                break
        return self.inner.scan(Replayed(head, source), name)


class Replayed:
    """A source with some bytes in front of it."""

    def __init__(self, head: bytes, source: Source) -> None:
        self.head, self.source = head, source

    def read(self, size: int, /) -> bytes:
        """The bytes in front, then the source's."""
        if self.head:
            taken, self.head = self.head[:size], self.head[size:]
            return taken
        return self.source.read(size)
