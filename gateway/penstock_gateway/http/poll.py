"""Serves `path`: one request takes the next batch (Compete), or what came since its cursor (Broadcast).

Answers as Bento's: 200 with the body, several messages as `multipart/form-data`, 408 when nothing came in time, 503 when all is over.
In Broadcast the answer carries the header `Penstock-Cursor`; the next request brings it back as `?cursor=` or `Last-Event-ID`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from aiohttp import web

from penstock_gateway.http import cursors
from penstock_gateway.hub.compete import CompeteOutlet

if TYPE_CHECKING:
    from penstock_gateway.hub.clients import Grant
    from penstock_gateway.hub.hub import HubOutlet
    from penstock_gateway.hub.outlet import BroadcastOutlet

CURSOR_HEADER = "Penstock-Cursor"
_FLUSH_SECONDS = 0.01
_MOST_FLUSH_SECONDS = 30.0
_OCTETS = "application/octet-stream"


async def serve(
    request: web.BaseRequest,
    outlet: HubOutlet,
    grant: Grant,
    *,
    cursor_text: str | None = None,
    origin: Literal["header", "query"] = "query",
) -> web.StreamResponse:
    """Answer one request for messages; waits up to the output's `timeout`."""
    if isinstance(outlet, CompeteOutlet):
        return await _take(request, outlet, grant)
    return await _since(request, outlet, grant, cursor_text, origin)


async def _take(request: web.BaseRequest, outlet: CompeteOutlet, grant: Grant) -> web.StreamResponse:
    """The next batch. It counts as delivered when this client's buffer is empty; a client that left while it waited takes none."""
    if outlet.closed:
        return _closed(outlet)
    taker = outlet.take(grant, lambda: _alive(request))
    try:
        try:
            job = await asyncio.wait_for(asyncio.shield(taker.job), outlet.options.timeout)
        except TimeoutError:
            return _late()
        if job is None:
            return _closed(outlet)
        if not job.bodies:
            return _late()
        response = _answer(job.bodies)
        await response.prepare(request)
        await response.write_eof()
        if await _flushed(request):
            outlet.settle(taker)
        return response
    finally:
        outlet.leave(taker)


async def _since(
    request: web.BaseRequest,
    outlet: BroadcastOutlet,
    grant: Grant,
    text: str | None,
    origin: Literal["header", "query"],
) -> web.StreamResponse:
    """What came since the cursor; without one, what comes next."""
    brought = cursors.read(outlet, text, origin)
    if isinstance(brought, web.Response):
        return brought
    claim, fault = brought
    if outlet.closed:
        return _closed(outlet)
    page = await outlet.poll(grant, claim, outlet.options.timeout)
    if page is None:
        return _closed(outlet)
    response = _answer(page.bodies) if page.bodies else _late()
    if page.cursor:
        response.headers[CURSOR_HEADER] = page.cursor
    if fault or page.gap:
        response.headers["Penstock-Gap"] = fault or page.gap
    return response


def _alive(request: web.BaseRequest) -> bool:
    transport = request.transport
    return transport is not None and not transport.is_closing()


async def _flushed(request: web.BaseRequest) -> bool:
    """Whether the kernel took the whole answer."""
    loop = asyncio.get_running_loop()
    end = loop.time() + _MOST_FLUSH_SECONDS
    while _alive(request) and loop.time() < end:
        transport = request.transport
        assert transport is not None
        if not transport.get_write_buffer_size():
            return True
        await asyncio.sleep(_FLUSH_SECONDS)
    return False


def _answer(bodies: Sequence[bytes]) -> web.Response:
    if len(bodies) == 1:
        return web.Response(body=bodies[0], headers={"Content-Type": _OCTETS})
    border = secrets.token_hex(30).encode()
    parts = [b"--%b\r\nContent-Type: application/octet-stream\r\n\r\n%b\r\n" % (border, body) for body in bodies]
    body = b"".join(parts) + b"--%b--\r\n" % border
    return web.Response(body=body, headers={"Content-Type": f"multipart/form-data; boundary={border.decode()}"})


def _late() -> web.Response:
    return _plain(408, "Timed out waiting for message\n")


def _closed(outlet: HubOutlet) -> web.Response:
    outlet.parted.set()
    return _plain(503, "Server closed\n")


def _plain(status: int, text: str) -> web.Response:
    response = web.Response(status=status, text=text)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
