"""The edge of the gateway: the public port with the doors of its APIs, and what happens there when access changes.

edge = Edge(hub, metrics, pod="orders-7d9f")
edge.apply(table)                       # again whenever the access documents changed
port = await edge.start("0.0.0.0", 8080)
remove = edge.add_route("shop/orders", "publish", route)
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from penstock_gateway.errors import NotSupported
from penstock_gateway.http.apis import Doors
from penstock_gateway.http.listener import MOST, Listener
from penstock_gateway.http.serving import Site, entry_of_route
from penstock_gateway.http.table import AccessTable
from penstock_gateway.http.usage import State
from penstock_gateway.hub.hub import Hub
from penstock_gateway.metrics import Metrics
from penstock_gateway.registry import OutletOptions, Route

_FORGET_SECONDS = 60.0


class Edge:
    """The public side of a gateway with access rules. One per process."""

    def __init__(
        self,
        hub: Hub,
        metrics: Metrics,
        *,
        pod: str = "gateway",
        randomness: Callable[[], float] = random.random,
        most: int = MOST,
    ) -> None:
        self._hub, self._metrics = hub, metrics
        self._sites: dict[str, Site] = {}
        self.state = State(pod, randomness)
        self.doors = Doors(metrics, self.state, self.site)
        self._listener = Listener(self.doors.handle, metrics.gateway, most, self._tick)
        self._swept = 0.0

    def site(self, api: str) -> Site:
        """The routes of an API."""
        found = self._sites.get(api)
        if found is None:
            found = self._sites[api] = Site(self._hub, api)
        return found

    def add_route(self, api: str, stream: str, route: Route) -> Callable[[], None]:
        """Serve a request input's path; the result takes it away. Raises ConfigError when the path and method are taken."""
        check_address(route.address)
        site = self.site(api)
        remove = site.inputs.add(entry_of_route(stream, route))
        site.changed()

        def gone() -> None:
            remove()
            site.changed()

        return gone

    async def start(self, host: str, port: int) -> int:
        """Open the public port; the result is its number."""
        return await self._listener.open(host, port)

    @property
    def table(self) -> AccessTable:
        """The access documents in force."""
        return self.doors.table

    def apply(self, table: AccessTable) -> int:
        """Put other access documents in force and close what they do not allow any more; how many streams that were."""
        self.doors.table = table
        return self.enforce()

    def enforce(self) -> int:
        """Close the live streams that the documents do not allow (any more); also called now and then, for clocks that jump."""
        wall, closed = time.time(), 0

        def verdict(grant: Any) -> str | None:
            return self.doors.verdict(grant, wall)

        for api in {*self._sites, *self.table.doors}:
            closed += self._hub.close_clients(api, verdict)
        for socket, grant in list(self.doors.live.items()):
            if (reason := verdict(grant)) is not None:
                socket.end(1008, reason)
                closed += 1
        return closed

    def _tick(self, now: float) -> None:
        if now - self._swept >= _FORGET_SECONDS:
            self._swept = now
            self.state.sweep(now)

    def refuse(self) -> None:
        """Accept no more connections, and end those that are open with their next answer."""
        self.doors.closing = True
        self._listener.refuse()

    async def close(self, seconds: float = 5.0) -> None:
        """Let requests under way finish for that long, then cut what is left."""
        self.refuse()
        for socket in list(self.doors.live):
            socket.end(1001, "the gateway is going away")
        await self._listener.close(seconds)


def check_address(address: str) -> None:
    """A StreamAPI cannot open a port of its own: nothing would guard it."""
    if address:
        raise NotSupported("a StreamAPI is served below its listen path: leave the address out", ("address",))


def check_outlet(options: OutletOptions) -> None:
    """The same for an outlet."""
    check_address(options.address)
