"""The book of one assigned partition: records taken in order, settled in any order, committed as a contiguous prefix; pure.

`checkpoint_limit` bounds the messages that are handed over and not yet settled. What was fetched beyond it waits here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from penstock_gateway.registry import Delivery


class Entry:
    """One batch that was handed over: the offset after it, and what became of it."""

    __slots__ = ("acknowledged", "count", "delivery", "following", "settled")

    def __init__(self, following: int, count: int) -> None:
        self.following, self.count = following, count
        self.settled = self.acknowledged = False
        self.delivery: Delivery | None = None


class Ledger:
    """One partition. `position` is what may be committed: the offset after the last batch before which all are acknowledged."""

    __slots__ = (
        "_open",
        "_waiting",
        "closing",
        "committed",
        "end",
        "limit",
        "position",
        "revoked",
        "share",
        "source",
        "unsettled",
    )

    def __init__(self, source: str, limit: int) -> None:
        self.source, self.limit = source, limit
        self.share = max(1, limit // 2)  # halves: one batch is being written while the other is prepared
        self.position: int | None = None
        self.committed: int | None = None
        self.end = 0
        self.unsettled = 0
        self.closing = False
        self.revoked = False
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
        if self.unsettled + size > self.limit:
            return None
        if size == len(records):
            self._waiting.popleft()
            taken = records
        else:
            taken, self._waiting[0] = records[:size], records[size:]
        entry = Entry(taken[-1].offset + 1, size)  # offsets have gaps: never first + count
        self._open.append(entry)
        self.unsettled += size
        return taken, entry

    def settle(self, entry: Entry, error: Exception | None) -> None:
        """An entry came back; with an error its offset is never passed (it will be read again)."""
        if self.revoked or entry.settled:
            return
        entry.settled = True
        entry.acknowledged = error is None
        self.unsettled -= entry.count
        entry.delivery = None
        while self._open and self._open[0].acknowledged:
            self.position = self._open.popleft().following

    @property
    def due(self) -> int | None:
        """The offset to commit now, None when there is nothing new."""
        return None if self.revoked or self.position == self.committed else self.position

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
            self.unsettled -= entry.count

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
