"""Takes requests to request inputs: as `registry.Request` for a message or a batch, as `registry.Channel` for a WebSocket."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import cast

from aiohttp import WSMsgType, web

from penstock_gateway.access import ApiDocument
from penstock_gateway.http import body, handshake
from penstock_gateway.http.auth.apikey import PROTOCOL
from penstock_gateway.http.connection import Connection, MaskCheck
from penstock_gateway.http.decide import Grant
from penstock_gateway.http.head import Source, cookie_pairs, without_credentials
from penstock_gateway.http.routes import Entry
from penstock_gateway.metrics import AccessCounters
from penstock_gateway.registry import Request, Response, Route

BARE_BODY = 1 << 30
"""Bytes a body of a bare configuration may have, which sets no limit of its own."""

BARE_FRAME = 64 << 20
"""The same for a WebSocket message."""

WORTH_GZIP = 1024
"""Bytes from which an API's answer is compressed for a client that takes gzip."""


class Incoming:
    """A request as an input sees it (`registry.Request`): without the credential, with the path below the listen path."""

    def __init__(
        self, source: Source, path: str, values: Mapping[str, str], grant: Grant | None, document: ApiDocument | None
    ) -> None:
        self.method = source.method
        self.path = path
        self.path_values = values
        self.remote = source.request.remote or ""
        self.consumer = grant.consumer if grant else ""
        self.bare = document is None
        hidden: tuple[set[str], set[str]] = (set(), set())
        self.headers = list(source.request.headers.items())
        if document is not None:
            self.headers, *names = without_credentials(source, document)
            hidden = (names[0], names[1])
        self.query = [pair for pair in source.query if pair[0] not in hidden[0]]
        self.cookies = [pair for pair in cookie_pairs(source.header("Cookie")) if pair[0] not in hidden[1]]
        self._request = source.request
        self._limit = document.limits.body_size if document else BARE_BODY
        self._decode = not self.bare
        self._body: bytes | None = None
        self.counters: AccessCounters | None = None

    def count(self, size: int) -> None:
        """Count one message that came in."""
        if self.counters is not None:
            self.counters.published += 1
            self.counters.published_bytes += size

    async def body(self) -> bytes:
        """The whole body; raises `head.Fault`, which becomes the answer."""
        if self._body is None:
            self._body = await body.read(self._request, self._limit, self._decode)
            self.count(len(self._body))
            if self._decode and self._request.headers.get("Content-Encoding"):
                self._rewrite(len(self._body))
        return self._body

    def _rewrite(self, size: int) -> None:
        kept = [pair for pair in self.headers if pair[0].lower() not in ("content-encoding", "content-length")]
        self.headers = [*kept, ("Content-Length", str(size))]


async def respond(request: web.BaseRequest, entry: Entry, incoming: Incoming) -> web.StreamResponse:
    """Let the input answer."""
    route = cast(Route, entry.target)
    assert route.respond is not None
    answer = await route.respond(incoming)
    if not 100 <= answer.status <= 999:
        raise ConnectionError(f"{answer.status} is no status code")
    return _reply(request, answer, 0 if incoming.bare else WORTH_GZIP)


def _reply(request: web.BaseRequest, answer: Response, least: int) -> web.Response:
    response = web.Response(status=answer.status)
    for name, value in answer.headers:
        response.headers.add(name, value.replace("\r", " ").replace("\n", " "))
    data = answer.body
    if "gzip" in request.headers.get("Accept-Encoding", "") and len(data) >= least:
        response.headers["Content-Encoding"] = "gzip"
        data = gzip.compress(data, 1, mtime=0) if data else b""
    if answer.status not in (204, 304):
        response.body = data
    return response


class Socket:
    """A WebSocket to an input (`registry.Channel`)."""

    request: Request

    def __init__(self, incoming: Incoming, socket: web.WebSocketResponse, connection: Connection) -> None:
        self.request = self._incoming = incoming
        self._socket = socket
        self._connection = connection

    @property
    def gone(self) -> bool:
        """Whether the client has left."""
        return self._connection.transport is None or self._socket.closed

    async def receive(self) -> bytes | None:
        """The next frame; None when the client has left. A close is answered with its own code and no reason."""
        while not self._socket.closed:
            message = await self._socket.receive()
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                data = message.data.encode() if isinstance(message.data, str) else cast(bytes, message.data)
                self._incoming.count(len(data))
                return data
            if message.type is WSMsgType.CLOSE:
                self._echo(message.data or 0)
                return None
            if message.type in (WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                return None
        return None

    def _echo(self, code: int) -> None:
        transport = self._connection.transport
        if transport is not None:
            transport.write(b"\x88\x02" + code.to_bytes(2, "big") if code else b"\x88\x00")
        self._connection.force_close()

    async def send(self, data: bytes, *, text: bool = True) -> None:
        """One frame to the client; nothing when it has left."""
        try:
            if text:
                await self._socket.send_frame(data, WSMsgType.TEXT)
            else:
                await self._socket.send_bytes(data)
        except ConnectionError:
            return

    def end(self, code: int, reason: str) -> None:
        """Close from this side, without waiting for the client."""
        transport = self._connection.transport
        if transport is not None and not self._socket.closed:
            payload = code.to_bytes(2, "big") + reason.encode()[:123]
            transport.write(bytes([0x88, len(payload)]) + payload)
        self._connection.force_close()


async def converse(
    request: web.BaseRequest, entry: Entry, incoming: Incoming, grant: Grant | None, live: dict[Socket, Grant]
) -> web.StreamResponse:
    """Open the WebSocket and let the input own it; it stands in `live` as long as it is open."""
    route = cast(Route, entry.target)
    assert route.converse is not None
    limit = (
        grant.message_size if not incoming.bare and grant else BARE_FRAME
    ) + 1  # aiohttp refuses at the limit itself
    offered = handshake.protocols(request)
    chosen = [offer for offer in offered if not offer.startswith(PROTOCOL)][:1] if len(offered) > 1 else []
    socket = web.WebSocketResponse(autoclose=False, compress=False, max_msg_size=limit, protocols=chosen)
    await socket.prepare(request)
    connection = cast(Connection, request.protocol)
    connection.masks = MaskCheck()
    channel = Socket(incoming, socket, connection)
    if grant is not None:
        live[channel] = grant
    try:
        await route.converse(channel)
    finally:
        live.pop(channel, None)
        if not socket.closed:
            channel.end(1000, "")
    return socket
