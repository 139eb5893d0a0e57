"""Requests that take what is there and go: the long poll of a Broadcast outlet."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from penstock_gateway.hub import encoding
from penstock_gateway.hub.encoding import Slice
from penstock_gateway.hub.ring import Ring
from penstock_gateway.positions import NO_PARTS, Cursor, Pen, behind, merged

_MOST_MESSAGES = 256
_MOST_BYTES = 1024 * 1024


@dataclass(slots=True)
class Page:
    """What one request gets: bodies, the cursor after them ("" in Live), and why messages are missing before them ("" = none are)."""

    bodies: list[bytes]
    cursor: str = ""
    gap: str = ""


class _Collector:
    """The wire format of a page: bodies in a list."""

    name = protocol = "page"
    resumes = True

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.gap_reason = ""

    def frame(self, body: bytes, cursor: str | None) -> bytes:
        """Keep the body."""
        self.bodies.append(body)
        return body

    def gap(self, start: str | None, end: str, reason: str) -> bytes:
        """Keep the reason."""
        self.gap_reason = reason
        return b""

    def separator(self) -> bytes:
        """None."""
        return b""

    def heartbeat(self, cursor: str | None) -> bytes:
        """None."""
        return b""

    def limit(self, reason: str) -> bytes:
        """None."""
        return b""

    def farewell(self, retry: float, cursor: str | None) -> bytes:
        """None."""
        return b""

    def wrap(self, data: bytes) -> bytes:
        """As it is."""
        return data

    def end(self) -> bytes:
        """None."""
        return b""


@dataclass(eq=False, slots=True)
class Poll:
    """A request that waits. `cursor` is what it has (None in Live: whatever comes after entry `seq`); the ring keeps what follows `seq`."""

    seq: int
    cursor: Cursor | None = None
    gap: str = ""
    released: bool = False
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def page(self, ring: Ring, pen: Pen | None) -> Page | None:
        """What there is now; None when there is nothing yet."""
        collector = _Collector()
        if self.cursor is None:
            place = Slice(b"", max(self.seq, ring.first), {}, NO_PARTS)
            taken = encoding.shared(
                ring, collector, pen, place, min(ring.next, place.end + _MOST_MESSAGES), _MOST_BYTES
            )
        else:
            if behind(self.cursor.vector, ring.base):
                self.gap = self.gap or "history"
            taken = self._after(self.cursor, ring, pen, collector)
            self.cursor = Cursor(taken.vector, taken.parts)
        self.seq = taken.end
        self.gap = self.gap or collector.gap_reason
        if not collector.bodies and not self.gap:
            return None
        cursor = pen.write(Cursor(taken.vector, taken.parts)) if pen is not None else ""
        return Page(collector.bodies, cursor, self.gap)

    def _after(self, cursor: Cursor, ring: Ring, pen: Pen | None, collector: _Collector) -> Slice:
        """Block by block, until a page is full or the ring is at its end."""
        start = ring.locate(cursor)
        taken = Slice(b"", start, merged(cursor.vector, ring.base), cursor.parts)
        size = 0
        while taken.end < ring.next and len(collector.bodies) < _MOST_MESSAGES and size < _MOST_BYTES:
            taken = encoding.own(ring, collector, pen, taken, ring.turn_of(taken.end))
            size += len(taken.data)
        return taken
