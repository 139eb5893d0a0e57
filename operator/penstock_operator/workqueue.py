"""A queue of keys: a key waits at most once, is worked on by one worker at a time, may be put off, and backs off when it fails.

The clock is injected and nothing here sleeps longer than until the next key is due, so that tests run in virtual time.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
FIRST, LONGEST = 1.0, 300.0
"""Seconds before a failed key is tried again: the first time, and at most."""
JITTER = 0.2


class WorkQueue(Generic[K]):
    """Keys that are due. `add` at once or after a delay (the earliest moment counts), `retry` after a failure; `chance` gives [0, 1)."""

    def __init__(self, clock: Callable[[], float], chance: Callable[[], float] = lambda: 0.5) -> None:
        self._clock, self._chance = clock, chance
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._busy: set[K] = set()
        self._failures: dict[K, int] = {}
        self._order = itertools.count()
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        """Keys that wait, whether due or put off."""
        return len(self._due)

    @property
    def busy(self) -> int:
        """Keys being worked on."""
        return len(self._busy)

    def overdue(self) -> float:
        """Seconds the oldest due key has been waiting for a worker."""
        now = self._clock()
        waiting = (due for key, due in self._due.items() if key not in self._busy)
        return max(0.0, now - min(waiting, default=now))

    def add(self, key: K, delay: float = 0.0) -> None:
        """The key wants work after a delay; of several wishes the earliest stands."""
        due = self._clock() + delay
        if key in self._due and self._due[key] <= due:
            return
        self._due[key] = due
        heapq.heappush(self._heap, (due, next(self._order), key))
        self._changed.set()

    def retry(self, key: K, at_least: float = 0.0) -> float:
        """The key failed: 1 s, doubling to five minutes, a fifth either way; the seconds it waits."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay = min(LONGEST, FIRST * 2.0 ** min(failures - 1, 20))
        delay = max(at_least, delay * (1 - JITTER + 2 * JITTER * self._chance()))
        self.add(key, delay)
        return delay

    def forgive(self, key: K) -> None:
        """The key succeeded."""
        self._failures.pop(key, None)

    def failures(self, key: K) -> int:
        """How often in a row the key failed."""
        return self._failures.get(key, 0)

    def take(self) -> K | None:
        """A due key that nobody works on; it is the caller's until `done`."""
        now = self._clock()
        aside = []
        found = None
        while self._heap and self._heap[0][0] <= now:
            entry = heapq.heappop(self._heap)
            due, _, key = entry
            if self._due.get(key) != due:
                continue  # an earlier wish replaced this one
            if key in self._busy:
                aside.append(entry)
                continue
            del self._due[key]
            self._busy.add(key)
            found = key
            break
        for entry in aside:
            heapq.heappush(self._heap, entry)
        return found

    def done(self, key: K) -> None:
        """The caller is through with a key it took."""
        self._busy.discard(key)
        if key in self._due:
            self._changed.set()

    def next_due(self) -> float | None:
        """Seconds until a key is due that nobody works on; None when there is none."""
        waiting = [due for key, due in self._due.items() if key not in self._busy]
        return max(0.0, min(waiting) - self._clock()) if waiting else None

    async def get(self) -> K:
        """Wait for a key and take it."""
        while True:
            key = self.take()
            if key is not None:
                return key
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), self.next_due())
            except TimeoutError:
                continue

    async def work(self, act: Callable[[K], Awaitable[None]]) -> None:
        """Take keys and act on them until cancelled; `act` sees to its own failures."""
        while True:
            key = await self.get()
            try:
                await act(key)
            finally:
                self.done(key)
