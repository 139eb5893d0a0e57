"""The ring of an outlet: bodies and origins of what was delivered, counted once, bounded by time and size. Pure: the clock is an argument.

Entries stand in blocks of up to 256; each block knows the vector before its first entry. Vectors only grow, so the block where a cursor
is no longer covered is found by bisection, and only that block is compared entry by entry. Blocks are given up from the left as a whole.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence

from penstock_gateway.positions import Cursor, Vector

_BLOCK_ENTRIES = 256
_BLOCK_BYTES = 128 * 1024
_BLOCKS_PER_HISTORY = 16
_OVERHEAD = 200
"""Bytes an entry costs beside its body (measured on CPython 3.11: object 88, bytes header 33, list slot, origin)."""


class Frame:
    """One message for clients.

    `k`: the how-many-th frame of its source message; `last`: no further one follows. `until` is set where frames cannot be told
    apart by origin (pipelines that merge): the group is covered as a whole, once a cursor has reached that vector.
    """

    __slots__ = ("body", "ends", "k", "last", "offset", "source", "until")

    def __init__(self, body: bytes, source: str, offset: int, ends: bool) -> None:
        self.body, self.source, self.offset, self.ends = body, source, offset, ends
        self.k, self.last = 0, True
        self.until: Vector | None = None

    def covered(self, cursor: Cursor) -> bool:
        """Whether a client with this cursor has the frame."""
        if self.until is None:
            return cursor.covers(self.source, self.offset, self.k)
        return all(cursor.vector.get(source, 0) >= offset for source, offset in self.until.items())


class Mark:
    """Source messages were completed without frames (filtered): only the vector moves."""

    __slots__ = ("position",)

    def __init__(self, position: dict[str, int]) -> None:
        self.position = position


class Hole:
    """The input jumped: what stood between is lost to everybody who comes by."""

    __slots__ = ("end", "reason", "start")

    def __init__(self, start: Vector, end: Vector, reason: str) -> None:
        self.start, self.end, self.reason = start, end, reason


Entry = Frame | Mark | Hole


class _Block:
    __slots__ = ("born", "bytes", "entries", "first", "newest", "vector")

    def __init__(self, first: int, vector: Vector, now: float) -> None:
        self.first, self.vector, self.born, self.newest = first, vector, now, now
        self.entries: list[Entry] = []
        self.bytes = 0


class Ring:
    """`first`: the oldest entry held; `next`: the number of the entry to come; `vector`: what lies before `next`."""

    def __init__(self, history: float, size: int, now: float) -> None:
        self.history, self.size = history, size
        self.vector: dict[str, int] = {}
        self.next = 0
        self.bytes = 0
        self.total = 0
        """Bytes ever taken in."""
        self._blocks = [_Block(0, {}, now)]
        self._firsts = [0]

    @property
    def first(self) -> int:
        """The oldest entry held."""
        return self._firsts[0]

    @property
    def base(self) -> Vector:
        """The vector before the oldest entry."""
        return self._blocks[0].vector

    def span(self, now: float) -> float:
        """Seconds since the oldest block that is held was begun; 0 when nothing is held."""
        return now - self._blocks[0].born if self.next > self.first else 0.0

    def append(self, frames: Sequence[Frame], now: float) -> None:
        """Take frames that need no position (Live)."""
        for frame in frames:
            block = self._block(now)
            block.entries.append(frame)
            self._grown(block, 1, len(frame.body) + _OVERHEAD)

    def complete(self, frames: Sequence[Frame], position: Mapping[str, int], merges: bool, now: float) -> None:
        """Everything before `position` has been delivered, and these are the frames of it that were not yet in the ring."""
        vector = self.vector
        if frames and (merges or not _number(frames)):
            _group(frames, position)
        block, whole = self._block(now), True
        for frame in frames:
            if whole and self._is_full(block):
                block = self._block(now)
            whole = frame.last or frame.until is not None
            if frame.until is None and frame.last:
                vector[frame.source] = frame.offset + 1
            block.entries.append(frame)
            self._grown(block, 1, len(frame.body) + _OVERHEAD)
        rest = {source: offset for source, offset in position.items() if vector.get(source, -1) < offset}
        if not rest:
            return
        vector.update(rest)
        if frames and frames[-1].until is not None:
            return  # the group's last frame says it
        block = self._block(now)
        last = block.entries[-1] if block.entries else None
        if isinstance(last, Mark):
            last.position.update(rest)
            return
        block.entries.append(Mark(rest))
        self._grown(block, 1, _OVERHEAD)

    def hole(self, start: Vector, end: Vector, reason: str, now: float) -> None:
        """The input goes on at `end` instead of `start`."""
        block = self._block(now)
        block.entries.append(Hole(start, end, reason))
        self._grown(block, 1, _OVERHEAD)
        self.vector.update(end)

    def reset(self, vector: Vector, now: float) -> None:
        """Forget everything: offsets have another meaning from here on."""
        self.vector = dict(vector)
        self._blocks = [_Block(self.next, dict(vector), now)]
        self._firsts = [self.next]
        self.bytes = 0

    def learn(self, start: Mapping[str, int]) -> None:
        """Sources that were not known before begin here, in all that is held: they have no frames yet."""
        self.vector.update(start)
        for block in self._blocks:
            block.vector = {**start, **block.vector}

    def trim(self, keep: int, now: float) -> None:
        """Give up what is older than the history or beyond the size, but nothing at or after entry `keep`, which running passes need."""
        while len(self._blocks) > 1 and self._firsts[1] <= keep:
            block = self._blocks[0]
            if now - block.newest <= self.history and self.bytes <= self.size:
                return
            self._drop()
        block = self._blocks[0]
        if block.entries and self.next <= keep and (now - block.newest > self.history or self.bytes > self.size):
            self._blocks.append(_Block(self.next, dict(self.vector), now))
            self._firsts.append(self.next)
            self._drop()

    def entries(self, start: int) -> Iterator[Entry]:
        """The entries from `start` on; `start` is held."""
        index = bisect_right(self._firsts, start) - 1
        skip = start - self._firsts[index]
        for block in self._blocks[index:]:
            yield from block.entries[skip:] if skip else block.entries
            skip = 0

    def vector_at(self, seq: int) -> Vector | None:
        """The vector before entry `seq` where it is known: at the start of a block and at the head."""
        if seq == self.next:
            return self.vector
        index = bisect_right(self._firsts, seq) - 1
        return self._blocks[index].vector if self._firsts[index] == seq else None

    def turn_of(self, seq: int) -> int:
        """The first entry of the block after the one that holds `seq`: where catch-up writes end, so that clients share them."""
        index = bisect_right(self._firsts, seq)
        return self._firsts[index] if index < len(self._firsts) else self.next

    def locate(self, cursor: Cursor) -> int:
        """The block start at or before the first entry `cursor` does not cover."""
        low, high = 0, len(self._blocks) - 1
        while low < high:
            middle = (low + high + 1) // 2
            held = self._blocks[middle].vector
            if all(cursor.vector.get(source, 0) >= offset for source, offset in held.items()):
                low = middle
            else:
                high = middle - 1
        return self._firsts[low]

    def _block(self, now: float) -> _Block:
        block = self._blocks[-1]
        if block.entries and (self._is_full(block) or now - block.born > self.history / _BLOCKS_PER_HISTORY):
            block = _Block(self.next, dict(self.vector), now)
            self._blocks.append(block)
            self._firsts.append(self.next)
        block.newest = now
        return block

    def _is_full(self, block: _Block) -> bool:
        return len(block.entries) >= _BLOCK_ENTRIES or block.bytes >= min(
            _BLOCK_BYTES, self.size // _BLOCKS_PER_HISTORY
        )

    def _grown(self, block: _Block, count: int, size: int) -> None:
        block.bytes += size
        self.bytes += size
        self.total += size
        self.next += count

    def _drop(self) -> None:
        self.bytes -= self._blocks.pop(0).bytes
        self._firsts.pop(0)


def _number(frames: Sequence[Frame]) -> bool:
    """Set `k` and `last`; False when frames do not come in the order of their origins, so that offsets cannot tell what was delivered."""
    open_at: dict[str, Frame] = {}
    before: Frame | None = None
    for frame in frames:
        if not frame.source:
            return False
        earlier = open_at.get(frame.source)
        if earlier is not None:
            if frame.offset < earlier.offset:
                return False
            if frame.offset == earlier.offset:
                if earlier is not before:
                    return False
                earlier.last = False
                frame.k = earlier.k + 1
        open_at[frame.source] = before = frame
    return True


def _group(frames: Sequence[Frame], position: Mapping[str, int]) -> None:
    until = dict(position)
    for frame in frames:
        frame.until, frame.last, frame.k = until, False, 0
    frames[-1].last = True
