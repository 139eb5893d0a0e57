"""Takes the place of aiohttp's protocol once a response has begun: from there on an outlet writes shared bytes straight to the transport.

aiohttp's own protocol swallows `pause_writing`, so a slow client would go unnoticed; and its payload writer costs a coroutine per write.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Protocol

from penstock_gateway.hub.clients import Client, Grant

if TYPE_CHECKING:
    from aiohttp import web

_BUFFERED_BYTES = 64 * 1024
"""Beyond this a client is paused."""
_UNSENT_BYTES = 256 * 1024
"""What the kernel holds for a client beyond what is on its way."""
_SILENT_MILLISECONDS = 30_000
_LAST_WORDS_SECONDS = 1.5
_MOST_UNASKED_BYTES = 64 * 1024


class Attending(Protocol):
    """What a tap tells an outlet."""

    def pause(self, client: Client) -> None:
        """The transport takes nothing more."""

    def resume(self, client: Client) -> None:
        """The transport takes bytes again."""

    def leave(self, client: Client) -> None:
        """The connection is gone."""


class Tap(asyncio.Protocol):
    """The protocol and the link of one client.

    `exact`: report every byte that waits, not only a full buffer (competing clients). `hold`: keep what is written until `release`,
    because the response's head depends on the first message.
    """

    __slots__ = ("_finishing", "_held", "_inner", "_outlet", "_transport", "_unasked", "client", "first", "gone")

    def __init__(
        self, request: web.BaseRequest, outlet: Attending, grant: Grant, *, exact: bool = False, hold: bool = False
    ) -> None:
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has left during the handshake")
        self._transport: asyncio.Transport = transport
        self._inner, self._outlet = request.protocol, outlet
        self._finishing = False
        self._unasked = 0
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.first: asyncio.Future[bytes] | None = asyncio.get_running_loop().create_future() if hold else None
        self._held: list[bytes] | None = [] if hold else None
        self.client = Client(grant, self)
        if not hold:
            self.client.write = self._transport.write
        self._transport.set_protocol(self)
        self._transport.set_write_buffer_limits(high=0 if exact else _BUFFERED_BYTES)
        _tune(self._transport)

    # --- link -----------------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Hand bytes to the transport, or keep them for the moment."""
        if self._held is None:
            self._transport.write(data)
            return
        self._held.append(data)
        if self.first is not None and not self.first.done():
            self.first.set_result(data)

    def release(self) -> None:
        """The head has gone out: now what was kept."""
        held, self._held = self._held or [], None
        self.client.write = self._transport.write
        if held:
            self._transport.write(b"".join(held))
        if self._finishing:
            self._transport.close()
        elif not self.client.paused:
            self._outlet.resume(self.client)

    def buffered(self) -> int:
        """Bytes the kernel has not taken yet."""
        return self._transport.get_write_buffer_size() + sum(map(len, self._held or ()))

    def finish(self, data: bytes) -> None:
        """Send the last bytes and close; a client that does not take them is cut."""
        self._finishing = True
        if self._held is not None:
            self.write(data)
            return
        if data:
            self._transport.write(data)
        self._transport.close()
        if self.buffered():
            asyncio.get_running_loop().call_later(_LAST_WORDS_SECONDS, self._transport.abort)

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    # --- protocol -------------------------------------------------------------------------------------------------------

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the outlet, the handler and aiohttp."""
        self._outlet.leave(self.client)
        if not self.gone.done():
            self.gone.set_result(None)
        if self.first is not None and not self.first.done():
            self.first.set_result(b"")
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """The buffer is full."""
        self._inner.pause_writing()
        self._outlet.pause(self.client)

    def resume_writing(self) -> None:
        """The buffer is empty again."""
        self._inner.resume_writing()
        self._outlet.resume(self.client)

    def data_received(self, data: bytes) -> None:
        """A reader has nothing to say; one that talks on is cut."""
        self._unasked += len(data)
        if self._unasked > _MOST_UNASKED_BYTES:
            self._transport.abort()

    def eof_received(self) -> bool:
        """The client is done with us, whichever half it closed."""
        return False


def _tune(transport: asyncio.Transport) -> None:
    """Let the kernel notice vanished clients and hold little for slow ones (Linux; elsewhere the defaults stay)."""
    channel = transport.get_extra_info("socket")
    for name, value in (
        ("TCP_NODELAY", 1),
        ("TCP_USER_TIMEOUT", _SILENT_MILLISECONDS),
        ("TCP_NOTSENT_LOWAT", _UNSENT_BYTES),
    ):
        option = getattr(socket, name, None)
        if channel is None or option is None:
            continue
        try:
            channel.setsockopt(socket.IPPROTO_TCP, option, value)
        except OSError:
            continue  # not a TCP socket: tests and sidecars may use Unix sockets
