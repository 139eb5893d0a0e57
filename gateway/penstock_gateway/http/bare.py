"""The HTTP side of `penstock run`: one bare configuration, no access rules, and Bento's answers word for word.

Components with an `address` get a listener of their own; the others share one, which also answers `/ping` and `/ready` and
serves everything a second time below a root path.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from penstock_gateway import paths
from penstock_gateway.http import cors, handshake, serving
from penstock_gateway.http.connection import EDGE
from penstock_gateway.http.decide import Grant
from penstock_gateway.http.head import Fault, Source, check
from penstock_gateway.http.listener import Listener, address
from penstock_gateway.http.routes import Entry, RouteTable
from penstock_gateway.metrics import Metrics
from penstock_gateway.registry import Cors, Route

PLAIN = "text/plain; charset=utf-8"
_log = logging.getLogger(__name__)
_NOTHING = RouteTable()


class BareSites:
    """The listeners of a bare configuration. `shared` is the address of components without one, "" = they are not served."""

    def __init__(
        self, metrics: Metrics, shared: str | None, *, root: str = "/bento", ready: Callable[[], bool] = lambda: True
    ) -> None:
        self._shared, self._root, self._ready = shared, root.rstrip("/"), ready
        self._metrics = metrics
        self._tables: dict[str, RouteTable] = {}
        self._listeners: dict[str, Listener] = {}
        self._opening: set[asyncio.Task[None]] = set()

    def add_route(self, route: Route) -> Callable[[], None]:
        """Serve a request input's path; the result takes it away. Raises ConfigError when the path and method are taken."""
        return self._add(serving.entry_of_route("stream", route))

    def add_outlet(self, outlet: Any) -> None:
        """Serve an outlet's paths. Raises ConfigError when one is taken."""
        for entry in serving.entries_of_outlet(outlet):
            self._add(entry)

    def _add(self, entry: Entry) -> Callable[[], None]:
        remove = self._tables.setdefault(entry.address, RouteTable()).add(entry)
        if entry.address and entry.address not in self._listeners:
            self._listeners[entry.address] = Listener(self._handler(entry.address), self._metrics.gateway)
            task = asyncio.ensure_future(self._open(entry.address))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
        return remove

    async def start(self) -> None:
        """Open the shared listener. Raises OSError when its address is taken."""
        if self._shared:
            self._listeners[""] = Listener(self._handler(""), self._metrics.gateway)
            await self._listeners[""].open(*address(self._shared))

    async def _open(self, wanted: str) -> None:
        try:
            await self._listeners[wanted].open(*address(wanted))
        except (OSError, ValueError) as why:
            _log.error("cannot listen on %s: %s", wanted, why)

    async def refuse(self) -> None:
        """Accept no more connections."""
        await asyncio.gather(*self._opening, return_exceptions=True)
        for listener in self._listeners.values():
            listener.refuse()

    async def close(self, seconds: float = 1.0) -> None:
        """Close all listeners; requests under way may finish for that long."""
        await self.refuse()
        await asyncio.gather(*(listener.close(seconds) for listener in self._listeners.values()))

    # --- answering ------------------------------------------------------------------------------------------------------

    def _handler(self, own: str) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            try:
                source = Source(request)
                check(source, strict=False)
                return await self._answer(source, own)
            except Fault as fault:
                response = plain(request, fault.status, fault.text)
                for name, value in fault.headers:
                    response.headers[name] = value
                return response

        return handle

    async def _answer(self, source: Source, own: str) -> web.StreamResponse:
        request = source.request
        tidy = paths.clean(source.path)
        if tidy != source.path:
            query = "?" + source.query_text if source.query_text else ""
            return web.Response(status=301, headers={"Location": paths.encode(tidy) + query})
        path = source.path
        if not own:
            if path.startswith(self._root + "/"):
                path = path[len(self._root) :]
            if path in ("/ping", "/ready"):
                return self._probe(path)
        table = self._tables.get(own) or _NOTHING
        rules = _rules(table)
        if rules is not None:
            origin = source.first("Origin")
            if source.method == "OPTIONS":
                return _preflight(source, rules, origin)
            request[EDGE] = cors.origin_headers(rules, origin)
        found = table.find(path, source.method)
        if found is None:
            return plain(request, 404, "404 page not found")
        if found.entry is None:
            return plain(request, 405, "Incorrect method", squeeze=True)
        if found.entry.serves in ("converse", "websocket"):
            _shake(request, found.entry)
        return await serving.serve(source, found.entry, (path, found.values), Grant(""), None, {})

    def _probe(self, path: str) -> web.Response:
        if path == "/ping":
            return web.Response(text="pong")
        ready = self._ready()
        return web.Response(status=200 if ready else 503, text="OK" if ready else "not ready\n")


def _rules(table: RouteTable) -> Cors | None:
    """Bento applies the rules of a component to its whole listener."""
    return next((own for entry in table.entries if (own := serving.cors_of(entry)) is not None), None)


def _preflight(source: Source, rules: Cors, origin: str) -> web.Response:
    asked = source.request.headers.get("Access-Control-Request-Method")
    wanted = ",".join(source.header("Access-Control-Request-Headers")).split(",")
    status, headers = cors.preflight(rules, origin, asked, wanted)
    source.request[EDGE] = headers
    return web.Response(status=status)


def _shake(request: web.BaseRequest, entry: Entry) -> None:
    handshake.check(request)
    rules = serving.cors_of(entry)
    if (entry.serves == "converse" or rules is not None) and handshake.is_foreign(
        request, rules.origins if rules else ()
    ):
        raise Fault(403, "request origin not allowed")


def plain(request: web.BaseRequest, status: int, text: str, *, squeeze: bool = False) -> web.Response:
    """An error as Go's http.Error writes it."""
    body = (text + "\n").encode()
    headers = {"Content-Type": PLAIN, "X-Content-Type-Options": "nosniff"}
    if squeeze and "gzip" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"], body = "gzip", gzip.compress(body, 1, mtime=0)
    return web.Response(status=status, body=body, headers=headers)
