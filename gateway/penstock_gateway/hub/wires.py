"""Wire formats: how frames, heartbeats, gaps and endings look to each kind of client. Pure; the bytes are shared by all clients of a view.

Message text can never forge a field or an event: an SSE body is split at CR, LF and CRLF, so no line of it stands outside `data:`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Protocol

import orjson

_HEARTBEAT = b": heartbeat\n"
GOING_AWAY = 1001
SERVICE_RESTART = 1012
POLICY = 1008
_LONG, _HUGE = 126, 65_536


class Wire(Protocol):
    """One wire format."""

    name: str
    protocol: str
    """How metrics name it."""
    resumes: bool
    """Frames carry cursors."""

    def frame(self, body: bytes, cursor: str | None) -> bytes:
        """One message."""

    def separator(self) -> bytes:
        """What follows the last message of a batch of several."""

    def heartbeat(self, cursor: str | None) -> bytes:
        """What is sent when nothing else was; moves the client's cursor."""

    def gap(self, start: str | None, end: str, reason: str) -> bytes:
        """Messages are missing here."""

    def limit(self, reason: str) -> bytes:
        """The last words before the connection is closed for a reason that lies with the client's rights."""

    def farewell(self, retry: float, cursor: str | None) -> bytes:
        """The last words when the gateway moves its clients off; `retry` in seconds."""

    def wrap(self, data: bytes) -> bytes:
        """The transfer coding around what one write sends."""

    def end(self) -> bytes:
        """What ends the transfer when a stream is over."""


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


class Sse:
    """Server-sent events."""

    protocol = "sse"
    resumes = True

    def __init__(self, chunked: bool) -> None:
        self.name = "sse" if chunked else "sse-1.0"
        self._chunked = chunked

    def frame(self, body: bytes, cursor: str | None) -> bytes:
        """`id` and `data` fields; the id comes first, so a cut inside the event leaves the old one in force."""
        if b"\r" in body:
            body = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if b"\n" in body:
            body = body.replace(b"\n", b"\ndata: ")
        if cursor is None:
            return b"data: %b\n\n" % body
        return b"id: %b\ndata: %b\n\n" % (cursor.encode(), body)

    def separator(self) -> bytes:
        """Events need none."""
        return b""

    def heartbeat(self, cursor: str | None) -> bytes:
        """A comment, with the cursor as an `id` alone: no event is dispatched, but `Last-Event-ID` moves."""
        return _HEARTBEAT + (b"id: %b\n\n" % cursor.encode() if cursor else b"\n")

    def gap(self, start: str | None, end: str, reason: str) -> bytes:
        """`event: penstock.gap`."""
        data = json.dumps({"from": start, "to": end, "reason": reason}).encode()
        return b"event: penstock.gap\nid: %b\ndata: %b\n\n" % (end.encode(), data)

    def limit(self, reason: str) -> bytes:
        """`event: penstock.limit`."""
        return self.wrap(b"event: penstock.limit\ndata: %b\n\n" % json.dumps({"reason": reason}).encode()) + self.end()

    def farewell(self, retry: float, cursor: str | None) -> bytes:
        """`retry`, and the freshest cursor there is."""
        tail = b"id: %b\n\n" % cursor.encode() if cursor else b"\n"
        return self.wrap(b"retry: %d\n%b" % (round(retry * 1000), tail)) + self.end()

    def wrap(self, data: bytes) -> bytes:
        """A chunk, unless the client speaks HTTP/1.0."""
        return _chunk(data) if self._chunked else data

    def end(self) -> bytes:
        """The last chunk."""
        return b"0\r\n\r\n" if self._chunked else b""


class Raw:
    """Bento's raw stream: a message a line, a blank line after a batch of several. No cursors."""

    protocol = "raw"
    resumes = False

    def __init__(self, chunked: bool) -> None:
        self.name = "raw" if chunked else "raw-1.0"
        self._chunked = chunked

    def frame(self, body: bytes, cursor: str | None) -> bytes:
        """The body and a newline."""
        return body + b"\n"

    def separator(self) -> bytes:
        """A blank line."""
        return b"\n"

    def heartbeat(self, cursor: str | None) -> bytes:
        """The format has none."""
        return b""

    def gap(self, start: str | None, end: str, reason: str) -> bytes:
        """The format has none."""
        return b""

    def limit(self, reason: str) -> bytes:
        """Only an end."""
        return self.end()

    def farewell(self, retry: float, cursor: str | None) -> bytes:
        """Only an end."""
        return self.end()

    def wrap(self, data: bytes) -> bytes:
        """A chunk, unless the client speaks HTTP/1.0."""
        return _chunk(data) if self._chunked else data

    def end(self) -> bytes:
        """The last chunk."""
        return b"0\r\n\r\n" if self._chunked else b""


def websocket_frame(opcode: int, payload: bytes) -> bytes:
    """A whole, unmasked frame as a server sends it (RFC 6455 §5.2)."""
    size = len(payload)
    if size < _LONG:
        return bytes((0x80 | opcode, size)) + payload
    if size < _HUGE:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big") + payload


TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_MOST_REASON = 123


def close_frame(code: int, reason: str = "") -> bytes:
    """A close frame; the reason is cut to what a control frame holds."""
    text = reason.encode()[:_MOST_REASON].decode(errors="ignore").encode()
    return websocket_frame(CLOSE, code.to_bytes(2, "big") + text)


class Bare:
    """WebSocket without a subprotocol: a frame a message. A text client gets bodies that are not UTF-8 as binary frames (RFC 6455 §8.1)."""

    protocol = "websocket"
    resumes = False

    def __init__(self, opcode: int) -> None:
        self.name = "ws-text" if opcode == TEXT else "ws-binary"
        self._opcode = opcode

    def frame(self, body: bytes, cursor: str | None) -> bytes:
        """One data frame."""
        opcode = self._opcode
        if opcode == TEXT and not body.isascii() and not _is_utf8(body):
            opcode = BINARY
        return websocket_frame(opcode, body)

    def separator(self) -> bytes:
        """Frames need none."""
        return b""

    def heartbeat(self, cursor: str | None) -> bytes:
        """Pings are a matter of each connection."""
        return b""

    def gap(self, start: str | None, end: str, reason: str) -> bytes:
        """Bare frames have no place for it."""
        return b""

    def limit(self, reason: str) -> bytes:
        """Close 1008."""
        return close_frame(POLICY, reason)

    def farewell(self, retry: float, cursor: str | None) -> bytes:
        """Close 1012: come back."""
        return close_frame(SERVICE_RESTART, "moving")

    def wrap(self, data: bytes) -> bytes:
        """Frames stand by themselves."""
        return data

    def end(self) -> bytes:
        """Nothing: Bento cuts the connection when a stream is over."""
        return b""


class Enveloped(Bare):
    """WebSocket with the subprotocol `penstock.v1`: `{"id", "data" | "data64"}`, and controls."""

    resumes = True

    def __init__(self) -> None:
        super().__init__(TEXT)
        self.name = "penstock.v1"

    def frame(self, body: bytes, cursor: str | None) -> bytes:
        """The body as text, or as base64 when it is not UTF-8."""
        lead = b'{"id":"%b",' % cursor.encode() if cursor else b"{"
        return websocket_frame(TEXT, lead + _data(body) + b"}")

    def heartbeat(self, cursor: str | None) -> bytes:
        """A cursor alone."""
        return websocket_frame(TEXT, b'{"id":"%b"}' % cursor.encode()) if cursor else b""

    def gap(self, start: str | None, end: str, reason: str) -> bytes:
        """The `gap` control."""
        text = json.dumps({"id": end, "gap": {"from": start, "to": end, "reason": reason}}, separators=(",", ":"))
        return websocket_frame(TEXT, text.encode())

    def limit(self, reason: str) -> bytes:
        """The `limit` control, then close 1008."""
        text = json.dumps({"limit": {"reason": reason}}, separators=(",", ":"))
        return websocket_frame(TEXT, text.encode()) + super().limit(reason)

    def farewell(self, retry: float, cursor: str | None) -> bytes:
        """The freshest cursor, then close 1012."""
        return self.heartbeat(cursor) + super().farewell(retry, cursor)

    def end(self) -> bytes:
        """Close 1001."""
        return close_frame(GOING_AWAY, "stream ended")


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _data(body: bytes) -> bytes:
    try:
        return b'"data":' + orjson.dumps(body.decode())
    except UnicodeDecodeError:
        return b'"data64":"%b"' % base64.b64encode(body)


def batch_of(wire: Wire, bodies: Sequence[bytes]) -> bytes:
    """A batch for one competing client, transfer coding included."""
    data = b"".join([wire.frame(body, None) for body in bodies])
    return wire.wrap(data + wire.separator() if len(bodies) > 1 else data)
