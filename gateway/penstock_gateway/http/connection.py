"""One connection of a listener: aiohttp's protocol with the deadlines it lacks, quiet errors, and masks that are checked.

aiohttp has no time limit for a head and accepts unmasked WebSocket frames. A sweep each second over all connections cuts
those that have begun a head and do not finish it, so an idle connection costs no timer of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import http_exceptions, web
from aiohttp.web_protocol import RequestHandler

from penstock_gateway.http.problems import CONTENT_TYPE, problem

HEAD_SECONDS = 10.0
"""How long a head may take from its first byte."""

STUCK_SECONDS = 40.0
"""How long a client may take no byte of its answer."""

IDLE_SECONDS = 75.0
"""How long a connection may stay open between requests, and before the first."""

_LISTENS, _LISTEN_SECONDS = 20, 0.05
"""How often and how long a connection is listened to after a head that could not be read."""

LINE_LIMIT = 8190
HEADER_LIMIT = 128
EDGE = web.RequestKey("EDGE", list[tuple[str, str]])
_log = logging.getLogger(__name__)


class MaskCheck:
    """Follows the frames a client sends and says whether all of them are masked, as RFC 6455 demands."""

    __slots__ = ("_head", "_skip")

    def __init__(self) -> None:
        self._head = b""
        self._skip = 0

    def feed(self, data: bytes) -> bool:
        """False once a frame is not masked."""
        at = 0
        while at < len(data):
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
                continue
            need = self._need() - len(self._head)
            self._head += data[at : at + need]
            at += need
            if len(self._head) >= 2 and not self._head[1] & 0x80:
                return False
            if len(self._head) >= 2 and len(self._head) == self._need():
                size = self._head[1] & 0x7F
                if size >= 126:
                    size = int.from_bytes(self._head[2:], "big")
                self._skip, self._head = size + 4, b""
        return True

    def _need(self) -> int:
        if len(self._head) < 2:
            return 2
        return 2 + {126: 2, 127: 8}.get(self._head[1] & 0x7F, 0)


class Connection(RequestHandler):
    """A connection of the public port."""

    __slots__ = ("_front", "_stuck", "discarded", "head_since", "masks")

    def __init__(self, manager: Front, **settings: Any) -> None:
        self._front = manager
        self.head_since: float | None = None
        self.masks: MaskCheck | None = None
        self.discarded: int | None = None
        """Bytes that came after a head that could not be read; None = all heads could be."""
        self._stuck = (0, 0.0)
        """Bytes that waited for the client when last looked at, and since when it took none."""
        super().__init__(manager, **settings)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the connection in, unless there are too many."""
        super().connection_made(transport)
        if len(self._front.open) >= self._front.most:
            self.force_close()
            return
        self._front.open.add(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The peer has left."""
        self._front.open.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hand bytes on, and note whether they leave a head unfinished."""
        if self.masks is not None and not self.masks.feed(data):
            self.fail(1002)
            return
        if self.discarded is not None:
            self.discarded += len(data)
            return
        super().data_received(data)
        if self._messages or self._current_request is not None or self._upgraded:
            self.head_since = None
        elif self.head_since is None:
            self.head_since = self._loop.time()

    def fail(self, code: int) -> None:
        """End a WebSocket for a violation of its protocol: a close frame, then the connection."""
        if self.transport is not None:
            self.transport.write(b"\x88\x02" + code.to_bytes(2, "big"))
        self.force_close()

    def overdue(self, now: float) -> bool:
        """Whether the head takes too long."""
        return self.head_since is not None and now - self.head_since > HEAD_SECONDS and self._current_request is None

    def stuck(self, now: float) -> bool:
        """Whether the client took no byte of an answer for too long."""
        waiting = self.transport.get_write_buffer_size() if self.transport is not None else 0
        if not waiting or waiting != self._stuck[0]:
            self._stuck = (waiting, now)
            return False
        return now - self._stuck[1] > STUCK_SECONDS

    def _make_error_handler(self, err_info: Any) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
        """Answer what could not be read, then listen on for a moment: closing while a client sends would lose it the answer."""

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            response = self.handle_error(request, err_info.status, err_info.exc, err_info.message)
            self.discarded = heard = 0
            await response.prepare(request)
            await response.write_eof()
            for _ in range(_LISTENS):
                await asyncio.sleep(_LISTEN_SECONDS)
                if self.discarded == heard:
                    break
                heard = self.discarded
            return response

        return answer

    def log_exception(self, *args: Any, **keywords: Any) -> None:
        """A fault of ours is logged once with its trace, a client's never."""
        exc = keywords.get("exc_info")
        if not isinstance(exc, http_exceptions.HttpProcessingError | ConnectionError):
            _log.error("a request failed", exc_info=exc if isinstance(exc, BaseException) else True)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The answer to what is not HTTP, or to a fault of ours. Nothing of the request is in it."""
        if request.writer.output_size > 0:
            raise ConnectionError("the response had begun")
        if status >= 500:
            self.log_exception(exc_info=exc)
            code, error = "internal", "Internal error"
        else:
            self._front.malformed()
            status, code, error = _fault(exc, message or "")
        body = problem(status, code, error)
        response = web.Response(status=status, body=body, content_type=CONTENT_TYPE)
        response.force_close()
        return response


def _fault(exc: BaseException | None, text: str) -> tuple[int, str, str]:
    if isinstance(exc, http_exceptions.LineTooLong):
        begin = exc.args[0] if exc.args else ""
        if bytes(begin if isinstance(begin, bytes | bytearray) else b"").startswith(b"/"):  # all that tells a target
            return 414, "target-size", "Request target too long"
        return 431, "header-size", "Request header too large"
    if "too many headers" in text.lower():
        return 431, "header-count", "Too many request headers"
    return 400, "malformed", "Bad request"


def refuse_version(request: web.BaseRequest) -> None:
    """Answer a version of HTTP that is not spoken here. By hand: aiohttp would claim to speak it."""
    if request.transport is not None:
        body = problem(505, "version", "HTTP version not supported")
        head = f"HTTP/1.1 505 HTTP Version Not Supported\r\nContent-Type: {CONTENT_TYPE}\r\nServer: penstock\r\n"
        tail = f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        request.transport.write((head + tail).encode() + body)
    raise ConnectionResetError("the version of HTTP is not spoken here")


class EdgeRequest(web.BaseRequest):
    """A request whose answer, whoever makes it, also gets the headers under `EDGE`."""

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        response.headers["Server"] = "penstock"
        for name, value in self.get(EDGE, ()):
            response.headers.add(name, value)


class Front(web.Server):
    """The connections of one or several listeners; `most` bounds how many are open at the same time."""

    def __init__(self, handler: Any, malformed: Callable[[], None], most: int) -> None:
        super().__init__(handler, request_factory=self._request)
        # aiohttp logs the subprotocols a client offers when none is chosen; one of them may be its key
        logging.getLogger("aiohttp.websocket").setLevel(logging.ERROR)
        self.open: set[Connection] = set()
        self.most = most
        self.malformed = malformed

    def __call__(self) -> RequestHandler:
        """The protocol of a new connection."""
        return Connection(
            self,
            loop=self._loop,
            keepalive_timeout=IDLE_SECONDS,
            access_log=None,
            auto_decompress=False,
            max_line_size=LINE_LIMIT,
            max_field_size=LINE_LIMIT,
            max_headers=HEADER_LIMIT,
            lingering_time=2.0,
        )

    def _request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        return EdgeRequest(message, payload, protocol, writer, task, self._loop)

    def sweep(self, now: float) -> int:
        """Cut connections whose head takes too long, and those that take no byte of an answer; the result is how many."""
        late = [connection for connection in self.open if connection.overdue(now) or connection.stuck(now)]
        for connection in late:
            if connection.transport is not None:
                connection.transport.abort()
        return len(late)
