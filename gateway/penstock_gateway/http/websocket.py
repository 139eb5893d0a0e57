"""Serves `ws_path`: shared unmasked frames straight to the transport, and the little that readers may say.

A reader sends pongs, pings and a close, and may send data frames of up to 512 bytes, which are ignored as in Bento. Longer ones, and
what breaks the protocol, are answered by a close (see `frames`).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import TYPE_CHECKING, Literal

from aiohttp import web

from penstock_gateway.http import cursors
from penstock_gateway.http.frames import Broken, FrameReader, Said
from penstock_gateway.http.tap import Tap
from penstock_gateway.hub.wires import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Bare,
    Enveloped,
    Wire,
    close_frame,
    websocket_frame,
)

if TYPE_CHECKING:
    from penstock_gateway.hub.clients import Grant
    from penstock_gateway.hub.hub import HubOutlet

PROTOCOL, BARE_PROTOCOL = "penstock.v1", "penstock.bare"
"""The second asks for bare frames by name: a browser that offers its key as a subprotocol insists that one of its offers is chosen."""
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3
_MOST_BYTES = 512
_MOST_PINGS = 100
"""Pings of a client that are answered between two of ours; a flood is cut."""
_GRACE_SECONDS = 0.05
_BARE = {"text": Bare(TEXT), "binary": Bare(BINARY)}
_ENVELOPED = Enveloped()


async def serve(
    request: web.BaseRequest,
    outlet: HubOutlet,
    grant: Grant,
    *,
    cursor_text: str | None = None,
    origin: Literal["header", "query"] = "query",
) -> web.StreamResponse:
    """Answer one reader until it leaves or is let go. The handshake's headers were checked before."""
    offers = {name.strip() for line in request.headers.getall("Sec-WebSocket-Protocol", ()) for name in line.split(",")}
    chosen = next((name for name in (PROTOCOL, BARE_PROTOCOL) if name in offers), "")
    wire: Wire = _ENVELOPED if chosen == PROTOCOL else _BARE[outlet.options.ws_message_type]
    brought = cursors.read(outlet, cursor_text, origin)
    if isinstance(brought, web.Response):
        return brought
    claim, fault = brought
    response = web.StreamResponse(status=101, headers={"Upgrade": "websocket", "Connection": "Upgrade"})
    response.headers["Sec-WebSocket-Accept"] = _accept(request.headers.get("Sec-WebSocket-Key", ""))
    if chosen:
        response.headers["Sec-WebSocket-Protocol"] = chosen
    await response.prepare(request)
    tap = SocketTap(request, outlet, grant, exact=outlet.exact)
    outlet.admit(tap.client, wire, claim, fault)
    try:
        await tap.gone
    finally:
        tap.stop()
        outlet.leave(tap.client)
    return response


def _accept(key: str) -> str:
    return base64.b64encode(hashlib.sha1((key + _GUID).encode(), usedforsecurity=False).digest()).decode()


class SocketTap(Tap):
    """A tap that understands what a reader of a WebSocket may say, and looks for its pulse."""

    __slots__ = ("_frames", "_heard", "_loop", "_period", "_pings", "_pulse", "_wait")

    def __init__(self, request: web.BaseRequest, outlet: HubOutlet, grant: Grant, *, exact: bool) -> None:
        super().__init__(request, outlet, grant, exact=exact)
        self._loop = asyncio.get_running_loop()
        self._frames = FrameReader(_MOST_BYTES)
        self._pings = 0
        self._heard = self._loop.time()
        self._period, self._wait = outlet.options.ping_period, outlet.options.pong_wait
        self._pulse = self._loop.call_later(self._period, self._ping) if self._period > 0 else None

    def stop(self) -> None:
        """No more pings."""
        if self._pulse is not None:
            self._pulse.cancel()
            self._pulse = None

    def _ping(self) -> None:
        """Look for the client's last pong, then ask for the next one."""
        now = self._loop.time()
        if 0 < self._wait < now - self._heard:
            self.abort()
            return
        self._pings = 0
        if not self.client.paused:  # a full buffer holds a ping up anyway
            self._transport.write(websocket_frame(PING, b""))
        due = self._heard + self._wait - now + _GRACE_SECONDS
        self._pulse = self._loop.call_later(min(self._period, due) if self._wait > 0 else self._period, self._ping)

    def data_received(self, data: bytes) -> None:
        """Take the client's frames."""
        if self._finishing:
            return
        try:
            for said in self._frames.feed(data):
                self._hear(said)
        except Broken as broken:
            self._end(close_frame(broken.code, str(broken)))

    def _hear(self, said: Said) -> None:
        if said.opcode == PONG:
            self._heard = self._loop.time()
        elif said.opcode == PING:
            self._pings += 1
            if self._pings > _MOST_PINGS:
                raise Broken(1008, "too many pings")
            self._transport.write(websocket_frame(PONG, said.payload))
        elif said.opcode == CLOSE:
            self._end(websocket_frame(CLOSE, said.payload[:2]))

    def _end(self, words: bytes) -> None:
        self._outlet.leave(self.client)
        self.finish(words)
