"""Listeners: ports that are open, the sweep of their connections, and how they close."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from penstock_gateway.http.connection import Front
from penstock_gateway.metrics import GatewayCounters

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
MOST = 30_000
"""Connections one listener keeps open at the same time; more are closed at once."""

_BACKLOG = 1024
_log = logging.getLogger(__name__)


class Listener:
    """A port and its connections."""

    def __init__(
        self, handler: Handler, counters: GatewayCounters, most: int = MOST, tick: Callable[[float], None] | None = None
    ) -> None:
        self._counters = counters
        self._tick = tick
        self._front = Front(handler, self._malformed, most)
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None

    def _malformed(self) -> None:
        self._counters.malformed += 1

    async def open(self, host: str, port: int) -> int:
        """Listen; the result is the port, chosen by the system when 0 was asked for."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._front, host or None, port, backlog=_BACKLOG)
        self._sweeper = loop.create_task(self._sweep(), name="sweep of connections")
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + 1.0
            await asyncio.sleep(1.0)
            now = loop.time()
            self._counters.loop_lag = max(0.0, now - due)
            self._counters.sockets = len(self._front.open)
            if self._tick is not None:
                self._tick(now)
            if late := self._front.sweep(now):
                self._counters.malformed += late
                _log.info("%d connections cut: a head did not come in time, or an answer was not taken", late)

    def refuse(self) -> None:
        """Accept no more connections; those that are open go on."""
        if self._server is not None:
            self._server.close()

    async def close(self, seconds: float) -> None:
        """Refuse new connections, let requests under way finish for that long, then cut what is left."""
        self.refuse()
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._front.pre_shutdown()
        await self._front.shutdown(seconds)


def address(text: str) -> tuple[str, int]:
    """`host:port` or `:port` as Go writes listen addresses; raises ValueError."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)
