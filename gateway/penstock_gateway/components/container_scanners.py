"""Scanners around others or of containers: tar, decompress, and switch by the name of the source."""

from __future__ import annotations

import bz2
import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any, Literal, Protocol, cast

import re2
from pydantic import BaseModel, ConfigDict, Field, field_validator

from penstock_gateway.language.compression import DECOMPRESSORS, CompressionError
from penstock_gateway.message import Batch, Message
from penstock_gateway.registry import Config, Context, Kind, component
from penstock_gateway.scanning import (
    CHUNK,
    MAX_MESSAGE,
    ScanError,
    Scanner,
    ScannerSlot,
    Source,
    build_scanner,
    read_all,
    read_exactly,
    too_long,
    whole_slot,
)


@component("tar", Kind.SCANNER, summary="One message a file of a tar archive.")
class Tar(Config):
    """There is nothing to set."""

    def build(self, context: Context) -> Scanner:
        """The runtime."""
        return TarScanner()


class _Strict(tarfile.TarInfo):
    """A header that cannot be read ends the archive with an error, not in silence."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> _Strict:
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.TruncatedHeaderError:  # type: ignore[attr-defined]  # the stubs leave it out
            raise ScanError("unexpected EOF") from None
        except tarfile.InvalidHeaderError:  # type: ignore[attr-defined]  # the stubs leave it out
            raise ScanError("archive/tar: invalid tar header") from None


class TarScanner:
    """Only what is in files; names go to the metadata `tar_name`, nothing is ever unpacked to disk."""

    def scan(self, source: Source, name: str) -> Iterator[Batch]:
        """File by file."""
        try:
            with tarfile.open(fileobj=cast("IO[bytes]", source), mode="r|", tarinfo=_Strict) as archive:
                for member in archive:
                    yield [Message(self._content(archive, member), {"tar_name": member.name})]
        except (tarfile.TarError, ValueError, EOFError) as error:
            short = "unexpected end" in str(error)
            raise ScanError("unexpected EOF" if short else f"archive/tar: {error}") from None

    def _content(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
        if member.size > MAX_MESSAGE:
            raise too_long(MAX_MESSAGE)
        opened = archive.extractfile(member) if member.isfile() else None
        return b"" if opened is None else opened.read()


Algorithm = Literal["gzip", "pgzip", "zlib", "bzip2", "flate", "snappy", "lz4", "zstd"]


@component("decompress", Kind.SCANNER, summary="Decompresses a source for another scanner.")
class Decompress(Config):
    """Fields as Bento's."""

    algorithm: Algorithm = Field(description="How the source was compressed.")
    into: ScannerSlot = Field(default_factory=whole_slot, description="Reads what comes out.")

    def build(self, context: Context) -> Scanner:
        """The runtime."""
        return Decompressing(self.algorithm, build_scanner(self.into, context))


class Decompressing:
    """Most algorithms decompress as far as the other scanner reads; lz4, snappy and zstd take up to 32 MiB at once."""

    def __init__(self, algorithm: str, inner: Scanner) -> None:
        self.algorithm, self.inner = algorithm, inner

    def scan(self, source: Source, name: str) -> Iterator[Batch]:
        """As the other scanner."""
        make = _STREAMED.get(self.algorithm)
        if make is not None:
            return self.inner.scan(Inflated(source, make, repeats=self.algorithm in ("gzip", "pgzip", "bzip2")), name)
        if self.algorithm == "snappy":
            return self.inner.scan(SnappyFrames(source), name)
        return self.inner.scan(Whole(source, DECOMPRESSORS[self.algorithm]), name)


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, most: int, /) -> bytes: ...


_STREAMED: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(31),
    "pgzip": lambda: zlib.decompressobj(31),
    "zlib": lambda: zlib.decompressobj(15),
    "flate": lambda: zlib.decompressobj(-15),
    "bzip2": bz2.BZ2Decompressor,
}


class Inflated:
    """A decompressed source; one that is cut off or broken is a ScanError, after what could be read."""

    def __init__(self, source: Source, make: Callable[[], _Decompressor], *, repeats: bool) -> None:
        self.source, self.make, self.repeats = source, make, repeats
        self._decompressor = make()
        self._pending = b""
        self._begun = False

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        while True:
            if self._decompressor.eof and not self._next_member():
                return b""
            try:
                out = self._decompressor.decompress(self._pending, size)
            except (zlib.error, OSError, EOFError) as error:
                raise ScanError(f"corrupt input: {error}") from None
            self._pending = getattr(self._decompressor, "unconsumed_tail", b"")
            if out:
                return out
            if self._decompressor.eof or self._pending or not getattr(self._decompressor, "needs_input", True):
                continue
            self._pending = self.source.read(CHUNK)
            if not self._pending:
                raise ScanError("unexpected EOF")

    def _next_member(self) -> bool:
        """Several compressed parts one behind another are one source."""
        rest = self._decompressor.unused_data or (self.source.read(CHUNK) if self.repeats else b"")
        if not rest or not self.repeats:
            return False
        self._decompressor, self._pending = self.make(), rest
        return True


class SnappyFrames:
    """The framing format of snappy, block by block."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._ready = b""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        while not self._ready:
            head = read_exactly(self.source, 4)
            if not head:
                return b""
            body = read_exactly(self.source, int.from_bytes(head[1:], "little")) if len(head) == 4 else b""
            if len(head) < 4 or len(body) < int.from_bytes(head[1:], "little"):
                raise ScanError("unexpected EOF")
            self._ready = self._block(head[0], body)
        taken, self._ready = self._ready[:size], self._ready[size:]
        return taken

    def _block(self, sort: int, body: bytes) -> bytes:
        if sort == 0x00:
            try:
                return DECOMPRESSORS["snappy"](body[4:])
            except CompressionError as error:
                raise ScanError(str(error)) from None
        if sort == 0x01:
            return body[4:]
        if (sort == 0xFF and body == b"sNaPpY") or 0x80 <= sort < 0xFF:
            return b""
        raise ScanError("snappy: corrupt input")


class Whole:
    """A source that is decompressed at its first read."""

    def __init__(self, source: Source, decompress: Callable[[bytes], bytes]) -> None:
        self.source, self.decompress = source, decompress
        self._ready: memoryview | None = None

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        if self._ready is None:
            try:
                self._ready = memoryview(self.decompress(read_all(self.source)))
            except CompressionError as error:
                raise ScanError(str(error)) from None
        taken, self._ready = self._ready[:size], self._ready[size:]
        return bytes(taken)


class Case(BaseModel):
    """A scanner for sources of some names."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    re_match_name: str = Field("", description="Names it is for (RE2); empty = every name.")
    scanner: ScannerSlot = Field(description="The scanner.")

    @field_validator("re_match_name")
    @classmethod
    def _is_pattern(cls, pattern: str) -> str:
        try:
            re2.compile(pattern)  # type: ignore[no-untyped-call]  # the package has no types
        except re2.error as error:
            raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
        return pattern


@component("switch", Kind.SCANNER, summary="Chooses a scanner by the name of the source.", bare=True)
class Switch(Config):
    """The list of cases is the whole configuration."""

    value: list[Case] = Field(description="The first whose pattern matches reads the source.", min_length=1)

    def build(self, context: Context) -> Scanner:
        """Build every scanner."""
        cases = [(re2.compile(case.re_match_name), build_scanner(case.scanner, context)) for case in self.value]  # type: ignore[no-untyped-call]
        return Switching(cases)


class Switching:
    """A source that no case is for is an error."""

    def __init__(self, cases: list[tuple[Any, Scanner]]) -> None:
        self.cases = cases

    def scan(self, source: Source, name: str) -> Iterator[Batch]:
        """As the scanner that was chosen."""
        for pattern, scanner in self.cases:
            if pattern.search(name):
                return scanner.scan(source, name)
        raise ScanError(f"no scanner of the switch is for {name or 'a source without a name'}")
