"""Hands a request that may come in to whoever serves its route: a request input, or an outlet's clients' side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from aiohttp import web

from penstock_gateway.access import ApiDocument
from penstock_gateway.errors import ConfigError
from penstock_gateway.http import ingest, poll, sse, websocket
from penstock_gateway.http.decide import Grant
from penstock_gateway.http.head import Source
from penstock_gateway.http.routes import Entry, RouteTable, Serves, entry_of
from penstock_gateway.hub.hub import Hub
from penstock_gateway.metrics import AccessCounters
from penstock_gateway.registry import Cors, OutletOptions, Route


def entries_of_outlet(outlet: Any) -> list[Entry]:
    """The routes of an outlet's options."""
    options: OutletOptions = outlet.options
    stream = outlet.stream.rpartition("/")[2]
    fields: tuple[tuple[str, Serves, str, tuple[str, ...]], ...] = (
        ("path", "poll", options.path, options.allowed_verbs),
        ("stream_path", "stream", options.stream_path, options.allowed_verbs),
        ("ws_path", "websocket", options.ws_path, ()),
    )
    return [
        entry_of(stream, serves, path, methods, outlet, options.address, yields=name in options.yields)
        for name, serves, path, methods in fields
        if path
    ]


def entry_of_route(stream: str, route: Route) -> Entry:
    """The entry of a request input's route."""
    serves: Literal["respond", "converse"] = "respond" if route.respond is not None else "converse"
    return entry_of(stream, serves, route.path, route.methods, route, route.address, yields=route.yields)


def cors_of(entry: Entry) -> Cors | None:
    """The `cors` field of the component behind an entry."""
    own: Cors | None = entry.target.cors if isinstance(entry.target, Route) else entry.target.options.cors
    return own


class Site:
    """All routes of one API: those of its inputs, and those of its outlets as the hub has them at the moment."""

    def __init__(self, hub: Hub, api: str) -> None:
        self._hub, self._api = hub, api
        self._inputs: dict[str, RouteTable] = {}
        self._tables: dict[str, RouteTable] = {}
        self._seen: list[tuple[Any, OutletOptions]] | None = None
        self.clashes: list[str] = []
        """Outlets' paths that somebody else serves already."""

    def add(self, stream: str, route: Route) -> Callable[[], None]:
        """Serve a request input's path; the result takes it away. Raises ConfigError when the path and method are taken."""
        entry = entry_of_route(stream, route)
        remove = self._inputs.setdefault(entry.address, RouteTable()).add(entry)
        self._seen = None

        def gone() -> None:
            remove()
            self._seen = None

        return gone

    def serves(self) -> bool:
        """Whether there is any route."""
        self.table()
        return any(any(True for _ in table.entries) for table in self._tables.values())

    def table(self, address: str = "") -> RouteTable:
        """The routes of a listener ("" = the public port) as they are now."""
        now = [(outlet, outlet.options) for outlet in self._hub.outlets(self._api)]
        if self._seen is None or not _same(now, self._seen):
            self._seen, self._tables, self.clashes = now, {}, []
            for table in self._inputs.values():
                self._take(table.entries)
            for outlet, _ in now:
                self._take(entries_of_outlet(outlet))
        return self._tables.get(address) or _NOTHING

    def _take(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            try:
                self._tables.setdefault(entry.address, RouteTable()).add(entry)
            except ConfigError as clash:
                self.clashes.append(str(clash))


_NOTHING = RouteTable()


def _same(now: list[tuple[Any, OutletOptions]], seen: list[tuple[Any, OutletOptions]]) -> bool:
    pairs = zip(now, seen, strict=False)
    return len(now) == len(seen) and all(new[0] is old[0] and new[1] is old[1] for new, old in pairs)


async def serve(
    source: Source,
    entry: Entry,
    place: tuple[str, Mapping[str, str]],
    grant: Grant,
    document: ApiDocument | None,
    live: dict[ingest.Socket, Grant],
    counters: AccessCounters | None = None,
) -> web.StreamResponse:
    """Serve a request at its route. `place` is the path below the listen path and the parameters in it."""
    request = source.request
    if entry.serves in ("respond", "converse"):
        incoming = ingest.Incoming(source, *place, grant, document)
        incoming.counters = counters
        if entry.serves == "respond":
            return await ingest.respond(request, entry, incoming)
        return await ingest.converse(request, entry, incoming, grant, live)
    text, origin = cursor(source)
    if entry.serves == "stream":
        return await sse.serve(request, entry.target, grant, cursor_text=text, origin=origin)
    if entry.serves == "websocket":
        return await websocket.serve(request, entry.target, grant, cursor_text=text, origin=origin)
    return await poll.serve(request, entry.target, grant, cursor_text=text, origin=origin)


def cursor(source: Source) -> tuple[str | None, Literal["header", "query"]]:
    """The cursor a client brings: `?cursor=` before `Last-Event-ID`."""
    asked = [value for name, value in source.query if name == "cursor"] if "cursor" in source.query_text else []
    if asked:
        return asked[0], "query"
    return source.request.headers.get("Last-Event-ID"), "header"
