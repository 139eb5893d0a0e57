"""Turns ring entries into the bytes of one write: for all who stand at the same place, or for one client with an order of its own. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from penstock_gateway.hub.ring import Entry, Frame, Hole, Mark, Ring
from penstock_gateway.hub.wires import Wire
from penstock_gateway.positions import NO_PARTS, Cursor, Pen, Vector, merged

_CURSOR_CHARACTERS = 64
"""A cursor up to this length stands on every frame, a longer one on the last frame of a write."""


class Slice(NamedTuple):
    """Encoded entries up to (not including) `end`, and what a client has after them."""

    data: bytes
    end: int
    vector: dict[str, int]
    parts: Mapping[str, int]
    messages: int = 0
    """Messages in `data`."""


class _Writer:
    """Collects the pieces of one write and puts cursors where they belong."""

    def __init__(self, wire: Wire, pen: Pen | None, vector: Vector, parts: Mapping[str, int]) -> None:
        self.wire, self.pen = wire, pen if wire.resumes else None
        self.pieces: list[bytes] = []
        self.size = self.count = 0
        self._last: tuple[int, bytes] | None = None
        self.every = True
        if self.pen is not None:
            self.pen.start(vector)
            self.every = len(self.pen.text(parts)) <= _CURSOR_CHARACTERS

    def frame(self, frame: Frame, parts: Mapping[str, int]) -> None:
        cursor = None
        if self.pen is not None:
            if self.every:
                cursor = self.pen.text(parts)
            else:
                self._last = (len(self.pieces), frame.body)
        piece = self.wire.frame(frame.body, cursor)
        self.pieces.append(piece)
        self.size += len(piece)
        self.count += 1
        if frame.ends and (separator := self.wire.separator()):
            self.pieces.append(separator)

    def hole(self, hole: Hole, before: Vector, after: Vector) -> None:
        """A gap, after which the pen stands behind it."""
        if self.pen is not None:
            start, end = self.pen.write(Cursor(before)), self.pen.write(Cursor(after))
            self.pieces.append(self.wire.gap(start, end, hole.reason))

    def done(self, parts: Mapping[str, int]) -> bytes:
        """The joined bytes; with long cursors the last frame gets the one that holds after all of them."""
        if self._last is not None and self.pen is not None:
            index, body = self._last
            self.pieces[index] = self.wire.frame(body, self.pen.text(parts))
        return b"".join(self.pieces)


def shared(ring: Ring, wire: Wire, pen: Pen | None, at: Slice, stop: int, budget: int) -> Slice:
    """The entries from `at.end` to `stop`, or as many as make about `budget` bytes, for everybody who stands there."""
    vector, parts, seq = dict(at.vector), at.parts, at.end
    writer = _Writer(wire, pen, vector, parts)
    pen = writer.pen
    for entry in ring.entries(seq):
        if seq >= stop or writer.size >= budget:
            break
        seq += 1
        if type(entry) is Frame:
            if entry.until is not None:
                if entry.last:
                    parts = NO_PARTS
                    _advance(vector, pen, entry.until)
            elif entry.source:
                offset = vector[entry.source] = entry.offset + 1 if entry.last else entry.offset
                parts = NO_PARTS if entry.last else {entry.source: entry.k + 1}
                if pen is not None:
                    pen.move(entry.source, offset)
            writer.frame(entry, parts)
        elif isinstance(entry, Hole):
            writer.hole(entry, vector, {**vector, **entry.end})
            vector.update(entry.end)
        elif isinstance(entry, Mark):
            _advance(vector, pen, entry.position)
    return Slice(writer.done(parts), seq, vector, parts, writer.count)


def own(ring: Ring, wire: Wire, pen: Pen | None, at: Slice, stop: int) -> Slice:
    """The entries from `at.end` to `stop` that a client with this cursor does not have yet."""
    vector, parts, seq = dict(at.vector), at.parts, at.end
    writer = _Writer(wire, pen, vector, parts)
    pen = writer.pen
    for entry in ring.entries(seq):
        if seq >= stop:
            break
        seq += 1
        if type(entry) is not Frame:
            before = {source: vector.get(source) for source in parts}
            _pass_by(entry, vector, writer)
            parts = {source: k for source, k in parts.items() if before[source] == vector.get(source)}
            continue
        covered = entry.covered(Cursor(vector, parts))
        parts = _step(entry, vector, parts, pen)
        if not covered:
            writer.frame(entry, parts)
    return Slice(writer.done(parts), seq, vector, parts, writer.count)


def _step(frame: Frame, vector: dict[str, int], parts: Mapping[str, int], pen: Pen | None) -> Mapping[str, int]:
    """What a client has once it has `frame`; the result are its parts."""
    if frame.until is not None:
        if frame.last:
            _advance(vector, pen, frame.until)
            return {source: k for source, k in parts.items() if source not in frame.until}
        return parts
    source = frame.source
    if frame.offset < vector.get(source, 0):
        return parts
    k = parts.get(source, 0) if frame.offset == vector.get(source) else 0
    rest = {other: had for other, had in parts.items() if other != source} if parts else {}
    vector[source] = frame.offset + 1 if frame.last else frame.offset
    if pen is not None:
        pen.move(source, vector[source])
    return rest if frame.last else {**rest, source: max(k, frame.k + 1)}


def _pass_by(entry: Entry, vector: dict[str, int], writer: _Writer) -> None:
    """Marks and holes: the vector moves."""
    if isinstance(entry, Mark):
        _advance(vector, writer.pen, entry.position)
    elif isinstance(entry, Hole) and any(vector.get(source, 0) < offset for source, offset in entry.end.items()):
        before = dict(vector)
        vector.update(merged(vector, entry.end))
        writer.hole(entry, before, vector)


def _advance(vector: dict[str, int], pen: Pen | None, position: Vector) -> None:
    for source, offset in position.items():
        if vector.get(source, -1) < offset:
            vector[source] = offset
            if pen is not None:
                pen.move(source, offset)
