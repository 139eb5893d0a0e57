"""Answers requests at the doors of APIs: find the door and the route, decide, hold, refuse or serve."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiohttp import web

from penstock_gateway import paths
from penstock_gateway.errors import Stopping
from penstock_gateway.http import cors, handshake, serving
from penstock_gateway.http.connection import EDGE
from penstock_gateway.http.decide import Grant, Head, Hold, decide
from penstock_gateway.http.head import Fault, Source, check
from penstock_gateway.http.ingest import Socket
from penstock_gateway.http.problems import CONTENT_TYPE, Refusal, problem
from penstock_gateway.http.routes import LASTING, Entry, Found
from penstock_gateway.http.table import AccessTable, Door
from penstock_gateway.http.usage import Now, State
from penstock_gateway.metrics import AccessCounters, Metrics
from penstock_gateway.positions import CursorError

RESERVED = "/_penstock/"
PATIENCE = 10.0
"""Seconds a reconnecting EventSource is held rather than sent away: any status but 200 would stop it for good."""

_PASSING = frozenset({"rate", "quota", "api-rate", "connections"})
"""Refusals that time mends."""

_log = logging.getLogger(__name__)
_CODES = {
    400: "bad-request",
    403: "forbidden",
    408: "slow-body",
    413: "body-size",
    415: "content-encoding",
    501: "method",
}


class Place(NamedTuple):
    """Where a request goes: its door, the path below the listen path, and what the routes say about it."""

    door: Door | None
    path: str
    found: Found | None

    @property
    def entry(self) -> Entry | None:
        """The route that serves it."""
        return self.found.entry if self.found else None


@dataclass(slots=True)
class Doors:
    """The handler of the public port. `site` gives the routes of an API; `live` are the WebSockets of request inputs."""

    metrics: Metrics
    state: State
    site: Callable[[str], serving.Site]
    table: AccessTable = field(default_factory=AccessTable)
    live: dict[Socket, Grant] = field(default_factory=dict)
    closing: bool = False

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        try:
            source = Source(request)
            check(source, strict=True)
            tidy = paths.clean(source.path)
        except Fault as fault:
            self.metrics.gateway.malformed += 1
            return self._fault(request, fault)
        if tidy != source.path:
            return _moved(request, tidy, source.query_text)
        place = self._place(source)
        response = await self._answer(source, place)
        self._counters(place).responses.add(str(response.status))
        if self.closing and not response.prepared:
            response.force_close()
        return response

    def _place(self, source: Source) -> Place:
        hit = self.table.find(source.path)
        if hit is None:
            return Place(None, source.path, None)
        door, path = hit
        found = None if path.startswith(RESERVED) else self.site(door.id).table().find(path, source.method)
        return Place(door, path, found)

    async def _answer(self, source: Source, place: Place) -> web.StreamResponse:
        request = source.request
        self._announce(source, place)
        if source.method == "OPTIONS" and place.found is not None and source.first("Access-Control-Request-Method"):
            return self._preflight(source, place)
        try:
            if place.entry is not None and place.entry.serves in ("converse", "websocket"):
                self._handshake(source, place)
            outcome, place = await self._admit(source, place)
        except Fault as fault:
            return self._fault(request, fault)
        if isinstance(outcome, Refusal):
            return self._refuse(source, place, outcome)
        return await self._serve(source, place, outcome)

    # --- deciding -------------------------------------------------------------------------------------------------------

    def _head(self, source: Source, place: Place, attempt: int) -> Head:
        request, entry = source.request, place.entry
        length = request.content_length or 0
        return Head(
            door=place.door,
            path=place.path,
            method=source.method,
            remote=request.remote or "",
            source=source,
            served=entry is not None,
            allow=(place.found.methods or ("GET",)) if place.found else (),
            lasting=entry is not None and entry.serves in LASTING,
            size=length,
            attempt=attempt,
            resumes=lambda: entry is not None and _resumes(source, entry),
        )

    async def _admit(self, source: Source, place: Place) -> tuple[Grant | Refusal, Place]:
        """Decide, as often as the throttle holds the request; a change of access in between counts."""
        attempt, patience = 0, PATIENCE
        while True:
            now = Now(asyncio.get_running_loop().time(), time.time())
            outcome = decide(self._head(source, place, attempt), self.table, self.state, now)
            if isinstance(outcome, Hold):
                attempt += 1
                try:
                    await self._wait(source, place, outcome.wait)
                finally:
                    outcome.release()
            elif isinstance(outcome, Refusal) and outcome.wait <= patience and _reconnects(source, place, outcome):
                patience = 0.0
                await self._wait(source, place, outcome.wait)
            else:
                return outcome, place
            place = self._place(source)

    async def _wait(self, source: Source, place: Place, seconds: float) -> None:
        self._counters(place).held += 1
        await asyncio.sleep(seconds)
        transport = source.request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client left while it was held")

    def _handshake(self, source: Source, place: Place) -> None:
        handshake.check(source.request)
        document = place.door.document if place.door else None
        assert place.entry is not None
        origins = cors.of_api(document, serving.cors_of(place.entry)) if document else ()
        if handshake.is_foreign(source.request, origins):
            raise Fault(403, "Origin not allowed")

    # --- answering ------------------------------------------------------------------------------------------------------

    async def _serve(self, source: Source, place: Place, grant: Grant) -> web.StreamResponse:
        entry, request = place.entry, source.request
        assert entry is not None
        assert place.door is not None
        counters = self._counters(place)
        counters.allowed += 1
        request[EDGE] = [*request[EDGE], *grant.headers()]
        values: Mapping[str, str] = place.found.values if place.found else {}
        expiry = self._expiry(grant)
        try:
            return await serving.serve(
                source, entry, (place.path, values), grant, place.door.document, self.live, counters
            )
        except Fault as fault:
            return self._fault(request, fault, counters)
        except Stopping:
            return _problem(request, 503, "stopping", "Server closing")
        finally:
            if expiry is not None:
                expiry.cancel()
            grant.release()
            if grant.expires is not None and asyncio.get_running_loop().time() >= grant.expires:
                grant.excuse(asyncio.get_running_loop().time())

    def _expiry(self, grant: Grant) -> asyncio.TimerHandle | None:
        """WebSockets of request inputs end with their grant; the hub sees to its clients itself."""
        if grant.expires is None:
            return None
        return asyncio.get_running_loop().call_at(grant.expires, self._end, grant)

    def _end(self, grant: Grant) -> None:
        for socket, held in list(self.live.items()):
            if held is grant:
                socket.end(1008, "expired")

    def _refuse(self, source: Source, place: Place, refusal: Refusal) -> web.StreamResponse:
        self._counters(place).refused.add(refusal.code)
        if _reconnects(source, place, refusal):
            retry = max(1, int(min(refusal.wait, 86_400.0) * 1000))
            return web.Response(
                body=f"retry: {retry}\n\n".encode(),
                headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"},
            )
        response = web.Response(status=refusal.status, body=refusal.body(), content_type=CONTENT_TYPE)
        for name, value in refusal.headers:
            response.headers[name] = value
        response.headers["Cache-Control"] = "no-store"
        if refusal.status == 413:
            response.force_close()
        return response

    def _fault(
        self, request: web.BaseRequest, fault: Fault, counters: AccessCounters | None = None
    ) -> web.StreamResponse:
        code = _CODES.get(fault.status, "bad-request")
        if counters is not None:
            counters.refused.add(code)
        response = _problem(request, fault.status, code, fault.text)
        for name, value in fault.headers:
            response.headers[name] = value
        response.force_close()
        return response

    def _announce(self, source: Source, place: Place) -> None:
        """The headers of whatever answer comes: which web pages may read it."""
        document = place.door.document if place.door else None
        own = serving.cors_of(place.entry) if place.entry else None
        headers: list[tuple[str, str]] = []
        if document is not None:
            headers = cors.api_headers(document, cors.of_api(document, own), source.first("Origin"))
        source.request[EDGE] = headers

    def _preflight(self, source: Source, place: Place) -> web.StreamResponse:
        assert place.door is not None
        assert place.found is not None
        document = place.door.document
        if document is None or document.state != "Active":
            return _problem(source.request, 404, "no-route", "not found")
        own = serving.cors_of(place.entry) if place.entry else None
        origins = cors.of_api(document, own)
        methods = place.found.methods or ("GET",)
        source.request[EDGE] = cors.api_preflight(document, origins, source.first("Origin"), methods)
        return web.Response(status=204)

    def _counters(self, place: Place) -> AccessCounters:
        return self.metrics.access(place.door.id) if place.door else self.metrics.access("")

    # --- changes --------------------------------------------------------------------------------------------------------

    def verdict(self, grant: Any, wall: float) -> str | None:
        """Why a live stream must end under the documents as they are now; None = it goes on."""
        door = self.table.doors.get(grant.api)
        if door is None or door.document is None:
            return "access rules are not available"
        if door.document.state != "Active":
            return "the API is disabled"
        if not door.document.authentication.methods:
            return None
        record = door.record(grant.digest)
        if record is None:
            return "the key was revoked"
        judged = door.judge(record, wall)
        if isinstance(judged, str):
            return _REASONS[judged]
        return None if judged.permits(grant.path, grant.method) else "the key may not use this path any more"


_REASONS = {
    "inactive": "the key is disabled",
    "expired": "the key has expired",
    "unknown-policy": "the key has no right to this API any more",
}


def _resumes(source: Source, entry: Entry) -> bool:
    text, _ = serving.cursor(source)
    if not text or entry.serves == "converse":
        return False
    try:
        entry.target.claim(text)
    except (CursorError, AttributeError):
        return False
    return True


def _reconnects(source: Source, place: Place, refusal: Refusal) -> bool:
    """A browser's EventSource that comes back too early: it must not see a status that stops it."""
    entry = place.entry
    if refusal.code not in _PASSING or entry is None or entry.serves != "stream":
        return False
    return entry.target.options.stream_format == "event_source" and "Last-Event-ID" in source.request.headers


def _moved(request: web.BaseRequest, path: str, query: str) -> web.StreamResponse:
    location = paths.encode(path) + ("?" + query if query else "")
    return web.Response(status=301, headers={"Location": location})


def _problem(request: web.BaseRequest, status: int, code: str, error: str) -> web.Response:
    return web.Response(status=status, body=problem(status, code, error), content_type=CONTENT_TYPE)
