"""The edge of the gateway: the public port with the doors of its APIs, and what happens there when access changes.

app = App(folder, hub, metrics)             # folder: access/ and keys/, watched as long as it runs
remove = app.add_route("shop/orders", "publish", route)
await app.start("0.0.0.0", 8080)
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from penstock_gateway import watch
from penstock_gateway.errors import NotSupported
from penstock_gateway.http.apis import Doors
from penstock_gateway.http.files import AccessFiles
from penstock_gateway.http.listener import MOST, Listener
from penstock_gateway.http.serving import Site
from penstock_gateway.http.table import AccessTable, Door
from penstock_gateway.http.usage import State
from penstock_gateway.hub.hub import Hub
from penstock_gateway.metrics import Metrics
from penstock_gateway.registry import OutletOptions, Route

_SECOND_LOOK = 0.15
"""A document that cannot be read is read again after this time before it denies: it may be half written."""

_log = logging.getLogger(__name__)


class App:
    """The public side of a gateway with access rules. One per process."""

    def __init__(
        self,
        folder: Path,
        hub: Hub,
        metrics: Metrics,
        *,
        pod: str = os.environ.get("HOSTNAME", "gateway"),
        randomness: Callable[[], float] = random.random,
        most: int = MOST,
    ) -> None:
        self.port = 0
        self.on_change: Callable[[], None] | None = None
        """Told after other documents were put in force."""
        self._hub, self._metrics = hub, metrics
        self._files = AccessFiles(folder)
        self._sites: dict[str, Site] = {}
        self.state = State(pod, randomness)
        self.doors = Doors(metrics, self.state, self.site)
        self._listener = Listener(self.doors.handle, metrics.gateway, most, self._tick)
        self._watcher: asyncio.Task[None] | None = None

    def site(self, api: str) -> Site:
        """The routes of an API."""
        found = self._sites.get(api)
        if found is None:
            found = self._sites[api] = Site(self._hub, api)
        return found

    def add_route(self, api: str, stream: str, route: Route) -> Callable[[], None]:
        """Serve a request input's path; the result takes it away. Raises ConfigError when the path and method are taken."""
        check_address(route.address)
        return self.site(api).add(stream, route)

    async def start(self, host: str, port: int) -> None:
        """Read the access documents, open the public port (0 = any; see `port`), and follow changes of the documents."""
        self.load()
        self.port = await self._listener.open(host, port)
        self._watcher = asyncio.create_task(self._follow(), name="watch access documents")

    async def _follow(self) -> None:
        async for _ in watch.changes(*self._files.folders):
            try:
                await self.reload()
            except Exception:  # the watch must survive
                _log.exception("the access documents could not be read: every API is shut")
                self._apply(AccessTable(door.shut("the access documents could not be read") for door in self._doors()))

    def _doors(self) -> list[Door]:
        return list(self.table.doors.values())

    async def reload(self) -> None:
        """Read the documents again and put them in force."""
        table = await asyncio.to_thread(self._files.read, self._expected())
        if self._files.faults:
            await asyncio.sleep(_SECOND_LOOK)
            table = await asyncio.to_thread(self._files.read, self._expected())
        self._apply(table)

    def load(self) -> None:
        """Put the documents in force as the files are now."""
        self._apply(self._files.read(self._expected()))

    def _expected(self) -> set[str]:
        return {api for api, site in self._sites.items() if site.serves()}

    @property
    def table(self) -> AccessTable:
        """The access documents in force."""
        return self.doors.table

    def _apply(self, table: AccessTable) -> None:
        counters = self._metrics.gateway
        counters.reloads += 1
        counters.reloaded_at = time.time()
        counters.unreadable = len(self._files.faults)
        self.doors.table = table
        closed = self.enforce()
        if self.on_change is not None:
            self.on_change()
        _log.info("access documents %s in force: %d APIs, %d streams closed", table.revision, len(table.doors), closed)

    def disabled(self) -> set[str]:
        """The APIs whose streams must not run: their documents say `Disabled`."""
        return {door.id for door in self._doors() if door.document is not None and door.document.state == "Disabled"}

    def enforce(self) -> int:
        """Close the live streams that the documents do not allow any more; how many."""
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
        self.state.sweep(now)

    def status(self) -> dict[str, Any]:
        """Which documents are in force, for `/status`; no secret."""
        apis = {
            door.id: {
                "state": door.document.state if door.document else "Unreadable",
                "reason": door.reason,
                "listenPath": door.listen_path,
                "keys": door.key_count,
                "clashes": self.site(door.id).clashes,
            }
            for door in self.table.doors.values()
        }
        return {"revision": self.table.revision, "faults": dict(self._files.faults), "apis": apis}

    async def stop_accepting(self) -> None:
        """Accept no more connections, and end those that are open with their next answer."""
        self.doors.closing = True
        self._listener.refuse()

    async def stop(self, seconds: float = 5.0) -> None:
        """Let requests under way finish for that long, then cut what is left."""
        await self.stop_accepting()
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait({self._watcher})
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
