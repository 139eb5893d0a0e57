"""Reads the WebSocket frames of a client that has little to say (RFC 6455 §5). No I/O: bytes in, messages and controls out.

What breaks the protocol raises `Broken` with the close code: 1002 for frames wrong in themselves, 1007 for text that is no text, 1009
for messages beyond the limit. A message may come in parts; the parts together count against the limit, and there may be at most 128.
"""

from __future__ import annotations

from typing import NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_OPCODES = frozenset((CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG))
_CONTROL_BYTES = 125
_MOST_PARTS = 128
_CODES = frozenset((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014))
"""Close codes that may stand in a frame (RFC 6455 §7.4 and its registry), beside 3000-4999."""


class Broken(Exception):
    """What the client sent ends the connection."""

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        super().__init__(reason)


class Said(NamedTuple):
    """A whole message or a control frame, unmasked."""

    opcode: int
    payload: bytes


class FrameReader:
    """Takes a client's bytes apart. `limit`: bytes of a message that still pass."""

    __slots__ = ("_data", "_limit", "_opcode", "_parts", "_pieces", "_size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data = bytearray()
        self._opcode = CONTINUATION
        self._pieces: list[bytes] = []
        self._parts = self._size = 0

    def feed(self, data: bytes) -> list[Said]:
        """Everything that is complete now."""
        self._data += data
        said: list[Said] = []
        while (frame := self._frame()) is not None:
            first, payload = frame
            opcode = first & 0x0F
            if opcode >= CLOSE:
                said.append(Said(opcode, payload))
                if opcode == CLOSE:
                    close_code(payload)
                    break
            elif (whole := self._piece(opcode, payload, bool(first & 0x80))) is not None:
                said.append(whole)
        return said

    def _frame(self) -> tuple[int, bytes] | None:
        """The next frame's first byte and payload; None when it is not complete. Faults show as early as the bytes do."""
        data = self._data
        if len(data) < 2:
            return None
        first, size = data[0], data[1] & 0x7F
        control = first & 0x08
        if first & 0x70 or first & 0x0F not in _OPCODES:
            raise Broken(1002, "reserved bits or opcode")
        if not data[1] & 0x80:
            raise Broken(1002, "frames of a client are masked")
        if control and (size > _CONTROL_BYTES or not first & 0x80):
            raise Broken(1002, "a control frame is too long or in parts")
        if not control and (first & 0x0F == CONTINUATION) != (self._parts > 0):
            raise Broken(1002, "a continuation out of turn")
        start = 2
        if size > _CONTROL_BYTES:
            start = 4 if size == _CONTROL_BYTES + 1 else 10
            if len(data) < start:
                return None
            size = int.from_bytes(data[2:start], "big")
            if size <= _CONTROL_BYTES or (start == 10 and size < 65_536):
                raise Broken(1002, "a length not in its shortest form")
        if not control and self._size + size > self._limit:
            raise Broken(1009, "message too long")
        end = start + 4 + size
        if len(data) < end:
            return None
        payload = _unmasked(bytes(data[start + 4 : end]), bytes(data[start : start + 4]))
        del data[:end]
        return first, payload

    def _piece(self, opcode: int, payload: bytes, final: bool) -> Said | None:
        self._opcode = opcode or self._opcode
        self._pieces.append(payload)
        self._parts += 1
        self._size += len(payload)
        if not final:
            if self._parts >= _MOST_PARTS:
                raise Broken(1009, "message in too many parts")
            return None
        whole = Said(self._opcode, b"".join(self._pieces))
        self._pieces, self._parts, self._size = [], 0, 0
        if whole.opcode == TEXT:
            _text(whole.payload)
        return whole


def close_code(payload: bytes) -> int:
    """The code of a close frame, 1005 when it has none."""
    if not payload:
        return 1005
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not (code in _CODES or 3000 <= code <= 4999):
        raise Broken(1002, "no such close code")
    _text(payload[2:])
    return code


def _text(payload: bytes) -> None:
    try:
        payload.decode()
    except UnicodeDecodeError:
        raise Broken(1007, "text that is not UTF-8") from None


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    if not payload:
        return payload
    key = int.from_bytes((mask * (len(payload) // 4 + 1))[: len(payload)], "big")
    return (int.from_bytes(payload, "big") ^ key).to_bytes(len(payload), "big")
