"""Limits over time: the sliding window of a rate, the window of a quota, shares of replicas, and the headers that tell of them.

Pure: `now` is an argument, in seconds of a clock that never goes back (a step backwards is read as standing still). Counters
hold what was used, never the limit, so an edit of a limit takes effect at once and forgives nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

SLOTS = 128
"""Slots of a sliding window: the oldest is counted whole, so a window never lets through more, and at most 1/128 less."""


class SlidingWindow:
    """Counts events; asks how many lie in the last `window` seconds. Memory: an entry for each slot in use, at most 129."""

    __slots__ = ("_last", "_slots", "_total", "_width", "window")

    def __init__(self, window: float) -> None:
        self.window = window
        self._width = window / SLOTS
        self._slots: dict[int, int] = {}
        """Slot → events, in the order of time."""
        self._last = -1
        self._total = 0

    def _advance(self, now: float) -> int:
        slot = int(now / self._width)
        if slot <= self._last:
            return self._last
        self._last = slot
        slots = self._slots
        while slots and (first := next(iter(slots))) < slot - SLOTS:
            self._total -= slots.pop(first)
        return slot

    def used(self, now: float) -> int:
        """Events of the last `window` seconds, those of the oldest slot in full."""
        self._advance(now)
        return self._total

    def add(self, now: float, count: int = 1) -> None:
        """Count events."""
        slot = self._advance(now)
        self._slots[slot] = self._slots.get(slot, 0) + count
        self._total += count

    def wait(self, now: float, limit: int) -> float:
        """Seconds until one more event fits below `limit`; 0 = now."""
        slot = self._advance(now)
        excess = self._total - limit + 1
        if excess <= 0:
            return 0.0
        for start, count in self._slots.items():
            excess -= count
            if excess <= 0:
                return max(0.0, (start + SLOTS + 1) * self._width - max(now, slot * self._width))
        return self.window

    def resize(self, now: float, window: float) -> SlidingWindow:
        """The same events in a window of another length: all of them count as of now, so nothing is forgiven."""
        other = SlidingWindow(window)
        if used := self.used(now):
            other.add(now, used)
        return other


class QuotaWindow:
    """Counts events in a window that starts with the first of them; `window` 0 = never renewed."""

    __slots__ = ("_started", "_used")

    def __init__(self) -> None:
        self._started = -math.inf
        self._used = 0

    def used(self, now: float, window: float) -> int:
        """Events of the current window."""
        return 0 if window and now - self._started >= window else self._used

    def add(self, now: float, window: float) -> None:
        """Count one event; the first of a window starts it."""
        if self._used == 0 or (window and now - self._started >= window):
            self._started, self._used = now, 0
        self._used += 1

    def wait(self, now: float, window: float) -> float:
        """Seconds until the window is renewed; infinite when never."""
        return max(0.0, self._started + window - now) if window else math.inf


def share(limit: int, replicas: int) -> int:
    """What one of several replicas may let through: never more than the limit in sum, but at least one each."""
    return max(1, limit // replicas)


@dataclass(slots=True, eq=False)
class Usage:
    """What one consumer used at one API on this replica. `free` holds the instants until which a reconnect is not counted."""

    rate: SlidingWindow = field(default_factory=lambda: SlidingWindow(1.0))
    quota: QuotaWindow = field(default_factory=QuotaWindow)
    connections: int = 0
    held: int = 0
    free: tuple[float, ...] = ()

    def window(self, now: float, window: float) -> SlidingWindow:
        """The sliding window for a rate, of that length."""
        if self.rate.window != window:
            self.rate = self.rate.resize(now, window)
        return self.rate

    def idle(self, now: float) -> bool:
        """Nothing is remembered that could matter: the record may go. A quota that was used is kept."""
        fresh = not self.connections and not self.held and not (self.free and self.free[-1] > now)
        return fresh and self.rate.used(now) == 0 and self.quota.used(now, 0) == 0


class Standing(NamedTuple):
    """Where a consumer stands with one limit: for the headers. `reset` in seconds, infinite = never."""

    name: str
    limit: int
    window: float
    remaining: int
    reset: float


def policy_header(standings: list[Standing]) -> str:
    """`RateLimit-Policy`: what the limits are."""
    return ", ".join(f'"{s.name}";q={s.limit}' + (f";w={_whole(s.window)}" if s.window else "") for s in standings)


def limit_header(standings: list[Standing]) -> str:
    """`RateLimit`: how much is left, and in how many seconds there is more."""
    parts = []
    for s in standings:
        reset = "" if math.isinf(s.reset) else f";t={_whole(s.reset)}"
        parts.append(f'"{s.name}";r={max(0, s.remaining)}{reset}')
    return ", ".join(parts)


def retry_after(seconds: float) -> int:
    """`Retry-After`: whole seconds, rounded up, at least one."""
    return max(1, _whole(min(seconds, 31_536_000.0)))


def _whole(seconds: float) -> int:
    return math.ceil(seconds - 1e-9)
