"""Serves `stream_path`: server-sent events with cursors and heartbeats, or Bento's raw stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from aiohttp import HttpVersion11, web

from penstock_gateway.http import cursors
from penstock_gateway.http.tap import Tap
from penstock_gateway.hub.wires import Raw, Sse
from penstock_gateway.sniffing import media_type

if TYPE_CHECKING:
    from penstock_gateway.hub.clients import Grant
    from penstock_gateway.hub.hub import HubOutlet

_SSE_HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
_SSE = {True: Sse(chunked=True), False: Sse(chunked=False)}
_RAW = {True: Raw(chunked=True), False: Raw(chunked=False)}


async def serve(
    request: web.BaseRequest,
    outlet: HubOutlet,
    grant: Grant,
    *,
    heartbeat: float = 0.0,
    cursor_text: str | None = None,
    origin: Literal["header", "query"] = "header",
) -> web.StreamResponse:
    """Answer one reader until it leaves or is let go. A bad cursor in the query is 400; a bad `Last-Event-ID` is a gap."""
    brought = cursors.read(outlet, cursor_text, origin)
    if isinstance(brought, web.Response):
        return brought
    claim, fault = brought
    chunked = request.version >= HttpVersion11
    if outlet.options.stream_format == "raw_bytes":
        return await _raw(request, outlet, grant, chunked)
    response = web.StreamResponse(headers=_SSE_HEADERS)
    if chunked:
        # The connection ends with the stream: whoever reused it would meet a reset. Bare streams answer as Bento does.
        response.headers["Connection"] = "keep-alive" if outlet.exact else "close"
    await response.prepare(request)
    tap = Tap(request, outlet, grant, exact=outlet.exact)
    outlet.admit(tap.client, _SSE[chunked], claim, fault, heartbeat)
    try:
        await tap.gone
    finally:
        outlet.leave(tap.client)
    return response


async def _raw(request: web.BaseRequest, outlet: HubOutlet, grant: Grant, chunked: bool) -> web.StreamResponse:
    """The raw stream. Its head waits for the first message, whose body decides the media type, as in Bento."""
    tap = Tap(request, outlet, grant, exact=outlet.exact, hold=True)
    assert tap.first is not None
    wire = _RAW[chunked]
    outlet.admit(tap.client, wire)
    response = web.StreamResponse()
    try:
        first = await tap.first
        if not tap.gone.done():
            body = first.partition(b"\r\n")[2] if chunked else first
            response.headers["Content-Type"] = media_type(body)
            await response.prepare(request)
            tap.release()
            await tap.gone
    finally:
        outlet.leave(tap.client)
    return response
