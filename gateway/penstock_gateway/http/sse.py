"""Serves `stream_path`: server-sent events with cursors and heartbeats, or Bento's raw stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from aiohttp import HttpVersion11, web

from penstock_gateway.http import problems
from penstock_gateway.http.tap import Tap
from penstock_gateway.hub.outlet import BroadcastOutlet
from penstock_gateway.hub.wires import Sse
from penstock_gateway.positions import Claim, CursorError

if TYPE_CHECKING:
    from penstock_gateway.hub.clients import Grant

_SSE_HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
_WIRES = {True: Sse(chunked=True), False: Sse(chunked=False)}


async def serve(
    request: web.Request,
    outlet: BroadcastOutlet,
    grant: Grant,
    *,
    heartbeat: float = 0.0,
    cursor_text: str | None = None,
    origin: Literal["header", "query"] = "header",
) -> web.StreamResponse:
    """Answer one reader until it leaves or is let go. A bad cursor in the query is 400; a bad `Last-Event-ID` is a gap."""
    claim: Claim | None = None
    fault = ""
    if cursor_text:
        try:
            claim = outlet.claim(cursor_text)
        except CursorError as error:
            if origin == "query":
                return _refused(error)
            fault = error.reason
    chunked = request.version >= HttpVersion11
    response = web.StreamResponse(headers=_SSE_HEADERS)
    if chunked:
        response.headers["Connection"] = "keep-alive"
    await response.prepare(request)
    tap = Tap(request, outlet, grant)
    outlet.admit(tap.client, _WIRES[chunked], claim, fault, heartbeat)
    try:
        await tap.gone
    finally:
        outlet.leave(tap.client)
    return response


def _refused(error: CursorError) -> web.Response:
    body = problems.problem(400, f"cursor_{error.reason}", str(error))
    return web.Response(status=400, body=body, content_type=problems.CONTENT_TYPE)
