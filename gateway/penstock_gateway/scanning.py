"""What inputs that read bytes share: scanners cut a source into messages, a thread of their own runs them ahead of the stream.

A scanner is a component of the kind `scanner`; its runtime is a plain blocking iterator over a `Source`. Reading ahead is bounded
by bytes and messages, and so is one message: what is longer ends the source with a `ScanError`, what came before it goes on.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterator
from typing import Annotated, Any, Protocol

from penstock_gateway.message import Batch, Message
from penstock_gateway.registry import Context, Kind, Slot, SlotOf

ScannerSlot = Annotated[Slot, SlotOf(Kind.SCANNER)]

MAX_MESSAGE = 256 * 1024 * 1024
"""Bytes of a message that a scanner without a limit of its own may make."""
CHUNK = 64 * 1024
_AHEAD_BYTES, _AHEAD_MESSAGES = 4 * 1024 * 1024, 4096


class ScanError(Exception):
    """The bytes are not what the scanner reads, are cut off, or make a message that is too long; the text is the whole reason."""


class Source(Protocol):
    """Where bytes come from."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, as many as are there; none at the end."""


class Scanner(Protocol):
    """Cuts bytes into messages."""

    def scan(self, source: Source, name: str) -> Iterator[Batch]:
        """The messages in order, as many at a time as a read gave; raises ScanError or OSError. Blocks: runs in a thread."""


def lines_slot() -> Slot:
    """The scanner of an input that names none."""
    return Slot(Kind.SCANNER, {"lines": {}})


def whole_slot() -> Slot:
    """The scanner of a scanner that names none."""
    return Slot(Kind.SCANNER, {"to_the_end": {}})


def build_scanner(slot: Slot, context: Context) -> Scanner:
    """The runtime of a slot's scanner."""
    found = slot.resolved()
    scanner: Scanner = found.config.build(context.child(found))
    return scanner


def read_exactly(source: Source, size: int) -> bytes:
    """`size` bytes, fewer only at the end."""
    pieces: list[bytes] = []
    while size > 0:
        piece = source.read(min(size, CHUNK * 16))
        if not piece:
            break
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def read_all(source: Source) -> bytes:
    """Everything to the end; a ScanError beyond `MAX_MESSAGE`."""
    found = read_exactly(source, MAX_MESSAGE + 1)
    if len(found) > MAX_MESSAGE:
        raise too_long(MAX_MESSAGE)
    return found


def too_long(limit: int) -> ScanError:
    """A message is longer than the scanner takes."""
    return ScanError(f"token too long: a message has more than {limit} bytes")


class Ahead:
    """Runs a scan in a daemon thread, a bounded way ahead of whoever takes its messages."""

    def __init__(self, waves: Iterator[Batch]) -> None:
        self._waves = waves
        self._ready: deque[Message] = deque()
        self._size = 0
        self._least = 1
        self._changed = threading.Condition()
        self._closed = self._ended = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._run, daemon=True, name="scanner").start()

    def _run(self) -> None:
        failure: Exception | None = ScanError("the scanner failed unexpectedly, see the log")
        try:
            for wave in self._waves:
                if not self._put(wave):
                    break
            failure = None
        except (ScanError, OSError) as error:
            failure = error
        finally:  # whoever takes hears of the end in any case
            with self._changed:
                self._ended, self._error = True, failure
                self._wake()

    def _put(self, wave: Batch) -> bool:
        with self._changed:
            while len(self._ready) >= self._least and (
                self._size >= _AHEAD_BYTES or len(self._ready) >= _AHEAD_MESSAGES
            ):
                if self._closed:
                    return False
                self._changed.wait()
            self._ready.extend(wave)
            self._size += sum(len(message.raw) for message in wave)
            if len(self._ready) >= self._least:
                self._wake()
            return not self._closed

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            try:
                self._loop.call_soon_threadsafe(_done, waiter)
            except RuntimeError:  # the loop is closed: nobody waits
                pass

    async def take(self, most: int = 256, least: int = 1) -> Batch:
        """The next messages, fewer than `least` only before the end, none at it; raises what ended the scan.

        A cancelled call takes nothing.
        """
        while True:
            with self._changed:
                self._least = least
                if len(self._ready) >= least or (self._ready and self._ended):
                    taken = [self._ready.popleft() for _ in range(min(most, len(self._ready)))]
                    self._size -= sum(len(message.raw) for message in taken)
                    self._changed.notify()
                    return taken
                if self._ended:
                    error, self._error = self._error, None
                    if error is not None:
                        raise error
                    return []
                self._changed.notify()
                waiter = self._waiter = self._loop.create_future()
            await waiter

    def close(self) -> None:
        """Let the thread end; one that is blocked in a read ends with the process."""
        with self._changed:
            self._closed = True
            self._changed.notify()


def _done(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def fields_from_codec(fields: Any) -> Any:
    """The deprecated fields `codec` and `max_buffer` of an input as the scanner they stand for; raises ValueError."""
    if not isinstance(fields, dict) or not isinstance(fields.get("codec"), str):
        return fields
    limit = fields.get("max_buffer", 1_000_000)
    left = {name: value for name, value in fields.items() if name not in ("codec", "max_buffer", "scanner")}
    return left | {"scanner": _scanner_of(fields["codec"].split("/"), limit)}


def _scanner_of(parts: list[str], limit: Any) -> dict[str, Any]:
    name, _, argument = parts[0].partition(":")
    if name in ("gzip", "pgzip") and len(parts) > 1:
        return {"decompress": {"algorithm": name, "into": _scanner_of(parts[1:], limit)}}
    if name == "skipbom" and len(parts) > 1:
        return {"skip_bom": {"into": _scanner_of(parts[1:], limit)}}
    simple: dict[str, dict[str, Any]] = {
        "all-bytes": {"to_the_end": {}},
        "lines": {"lines": {"max_buffer_size": limit}},
        "delim": {"lines": {"custom_delimiter": argument, "max_buffer_size": limit}},
        "csv": {"csv": {"custom_delimiter": argument} if argument else {}},
        "csv-safe": {"csv": {"continue_on_error": True} | ({"custom_delimiter": argument} if argument else {})},
        "chunker": {"chunker": {"size": int(argument) if argument.isdigit() else 0}},
        "regex": {"re_match": {"pattern": "/".join(parts)[len("regex:") :], "max_buffer_size": limit}},
        "tar": {"tar": {}},
        "gzip": {"decompress": {"algorithm": "gzip"}},
        "pgzip": {"decompress": {"algorithm": "pgzip"}},
        "skipbom": {"skip_bom": {}},
    }
    if name not in simple:
        raise ValueError(f"codec {'/'.join(parts)} is not supported here: write a scanner")
    return simple[name]
