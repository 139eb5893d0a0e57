"""Whether anybody wants a stream's messages: open with the first client, closed a while after the last."""

from __future__ import annotations

import asyncio

_LINGER_SECONDS = 5.0
"""A consumer group is left this long after the last client: a reload of a page is no reason to rebalance."""


class WantedGate:
    """Follows the number of clients. `linger` in seconds."""

    def __init__(self, linger: float = _LINGER_SECONDS, *, opened: bool = False) -> None:
        self._linger = linger
        self._open, self._shut = asyncio.Event(), asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        (self._open if opened else self._shut).set()

    def enter(self) -> None:
        """The first client has come."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._shut.clear()
        self._open.set()

    def empty(self) -> None:
        """The last client has gone."""
        if self._timer is None and self._open.is_set():
            self._timer = asyncio.get_running_loop().call_later(self._linger, self._close)

    def _close(self) -> None:
        self._timer = None
        self._open.clear()
        self._shut.set()

    async def wait_open(self) -> None:
        """Returns when somebody wants messages."""
        await self._open.wait()

    async def wait_closed(self) -> None:
        """Returns when nobody has wanted any for a while."""
        await self._shut.wait()
