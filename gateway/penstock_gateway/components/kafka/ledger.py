"""The book of one assigned partition: records taken in order, settled in any order, committed as a contiguous prefix; pure.

`checkpoint_limit` bounds the messages that were handed over and are not stored as done: a crash repeats at most these. What was
fetched beyond it waits here. Messages are counted, never subtracted from offsets, which have gaps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from penstock_gateway.registry import Delivery


class Entry:
    """One batch that was handed over: the offset after it, and what became of it."""

    __slots__ = ("acknowledged", "delivery", "following", "settled", "total")

    def __init__(self, following: int, total: int) -> None:
        self.following = following
        self.total = total  # messages handed over so far, with these
        self.settled = self.acknowledged = False
        self.delivery: Delivery | None = None


class Ledger:
    """One partition. `position` is what may be committed: the offset after the last batch before which all are acknowledged."""

    __slots__ = (
        "_committed", "_done", "_handed", "_open", "_waiting", "closing", "end", "limit", "position", "revoked", "share", "source",
        "stored",
    )  # fmt: skip

    def __init__(self, source: str, limit: int, *, stored: bool = True) -> None:
        self.source, self.limit, self.stored = source, limit, stored
        self.share = max(1, limit // 2)  # halves: one batch is being written while the other is prepared
        self.position: int | None = None
        self.end = 0
        self.closing = False
        self.revoked = False
        self._handed = self._done = self._committed = 0
        self._open: deque[Entry] = deque()
        self._waiting: deque[Sequence[Any]] = deque()

    @property
    def hungry(self) -> bool:
        """Whether more records should be fetched: all that came were handed over."""
        return not self._waiting and not self.closing

    def fetched(self, records: Sequence[Any], end: int) -> None:
        """Records came; `end` is the end of the log as the broker said with them."""
        self.end = end
        if not self.closing:
            self._waiting.append(records)

    def take(self) -> tuple[Sequence[Any], Entry] | None:
        """The next batch that fits the limit, or None."""
        if not self._waiting:
            return None
        records = self._waiting[0]
        size = min(len(records), self.share)
        if self.outstanding + size > self.limit:
            return None
        if size == len(records):
            self._waiting.popleft()
            taken = records
        else:
            taken, self._waiting[0] = records[:size], records[size:]
        self._handed += size
        entry = Entry(taken[-1].offset + 1, self._handed)  # offsets have gaps: never first + count
        self._open.append(entry)
        return taken, entry

    def settle(self, entry: Entry, error: Exception | None) -> None:
        """An entry came back; with an error its offset is never passed (it will be read again)."""
        if self.revoked or entry.settled:
            return
        entry.settled = True
        entry.acknowledged = error is None
        entry.delivery = None
        while self._open and self._open[0].acknowledged:
            done = self._open.popleft()
            self.position, self._done = done.following, done.total
        if not self.stored:
            self._committed = self._done

    @property
    def outstanding(self) -> int:
        """Messages that were handed over and would come again after a crash."""
        return self._handed - self._committed

    @property
    def due(self) -> tuple[int, int] | None:
        """What to commit now: the offset, and the number of messages before it; None when there is nothing new."""
        if self.revoked or not self.stored or self.position is None or self._done == self._committed:
            return None
        return self.position, self._done

    @property
    def pressing(self) -> bool:
        """Whether the next batch waits for a commit."""
        return bool(self._waiting) and self.due is not None

    def committed(self, total: int) -> None:
        """The commit of `due` went well."""
        self._committed = max(self._committed, total)

    def withdraw(self) -> None:
        """The partition is going away: batches that no output has begun are dropped, what waits is forgotten."""
        self.closing = True
        self._waiting.clear()
        for entry in self._open:
            delivery = entry.delivery
            if delivery is None or entry.settled or delivery.begun:
                continue
            delivery.withdrawn = True
            entry.settled = True

    @property
    def under_way(self) -> bool:
        """Whether batches are being written right now."""
        return any(not entry.settled for entry in self._open)

    def revoke(self) -> None:
        """The partition is gone: nothing counts any more, and what is still open is not sent again."""
        self._waiting.clear()
        self.closing = self.revoked = True
        for entry in self._open:
            if entry.delivery is not None:
                entry.delivery.withdrawn = True
        self._open.clear()
