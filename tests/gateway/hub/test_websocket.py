"""What readers of WebSockets get, and what they may not say (reliability W-rows)."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from dataclasses import dataclass, replace
from typing import Any

import pytest

from gateway.hub.parts import DEADLINE, EVENTS, LIVE, RESUME, Allowed, Edge, begin, eventually, feed, message
from penstock_gateway.delivery import DeliveryPlan, Guarantee, Mode

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
WORDS = replace(EVENTS, ws_message_type="text")


@dataclass
class Socket:
    """A client's end, frame by frame."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int
    headers: dict[str, str]

    async def frame(self) -> tuple[int, bytes]:
        """The next frame; (-1, b"") at the end."""
        try:
            first, size = await asyncio.wait_for(self.reader.readexactly(2), DEADLINE)
            assert not size & 0x80, "a server does not mask"
            if size >= 126:
                size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
            return first & 0x0F, await self.reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            return -1, b""

    async def json(self) -> Any:
        opcode, payload = await self.frame()
        assert opcode == TEXT
        return json.loads(payload)

    def send(self, opcode: int, payload: bytes = b"", *, first: int | None = None, masked: bool = True) -> None:
        head = bytes((0x80 | opcode if first is None else first,))
        flag = 0x80 if masked else 0
        size = len(payload)
        head += bytes((flag | size,)) if size < 126 else bytes((flag | 126,)) + size.to_bytes(2, "big")
        mask = os.urandom(4)
        body = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        self.writer.write(head + mask + body if masked else head + payload)

    async def closed(self) -> tuple[int, str]:
        """The close frame the server ends with, and then the connection."""
        while True:
            opcode, payload = await self.frame()
            if opcode == CLOSE:
                break
            assert opcode != -1, "the connection ended without a close frame"
        assert await self.frame() == (-1, b"")
        return int.from_bytes(payload[:2], "big"), payload[2:].decode()


async def connect(edge: Edge, *, query: str = "", protocols: str = "") -> Socket:
    head = f"GET /live/ws{query} HTTP/1.1\r\nHost: t\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    head += f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
    if protocols:
        head += f"Sec-WebSocket-Protocol: {protocols}\r\n"
    answer = await edge.raw(head + "\r\n")
    return Socket(answer.reader, answer.writer, answer.status, dict(answer.headers))


@pytest.mark.parametrize(("options", "opcode"), [(EVENTS, BINARY), (WORDS, TEXT)])
async def test_bare_frames(edge: Edge, options: Any, opcode: int) -> None:
    outlet = edge.outlet(LIVE, options)
    socket = await connect(edge)
    assert socket.status == 101
    await eventually(lambda: outlet.clients)
    for body in ("one", "x" * 200, "x" * 70_000):
        await outlet.write([message(body)])
        assert await socket.frame() == (opcode, body.encode())


async def test_text_that_is_none_goes_as_binary(edge: Edge) -> None:
    outlet = edge.outlet(LIVE, WORDS)
    socket = await connect(edge)
    await eventually(lambda: outlet.clients)
    await outlet.write([message(b"\xff"), message("é")])
    assert [await socket.frame() for _ in range(2)] == [(BINARY, b"\xff"), (TEXT, "é".encode())]


async def test_the_handshakes_key_is_answered(edge: Edge) -> None:
    edge.outlet(LIVE)
    head = (
        "GET /live/ws HTTP/1.1\r\nHost: t\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    )
    answer = await edge.raw(head + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    assert answer.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


async def test_only_our_subprotocols_are_chosen(edge: Edge) -> None:
    """W-59; and a key among the offers is never sent back."""
    outlet = edge.outlet(LIVE, WORDS)
    assert "sec-websocket-protocol" not in (await connect(edge, protocols="chat, penstock.key.pen_x")).headers
    bare = await connect(edge, protocols="penstock.key.pen_x, penstock.bare")
    assert bare.headers["sec-websocket-protocol"] == "penstock.bare"
    await eventually(lambda: len(outlet.clients) == 2)
    await outlet.write([message("one")])
    assert await bare.frame() == (TEXT, b"one")


async def test_the_subprotocol_resumes(edge: Edge) -> None:
    outlet = edge.outlet()
    begin(outlet)
    socket = await connect(edge, protocols="other, penstock.v1")
    assert socket.headers["sec-websocket-protocol"] == "penstock.v1"
    assert set(await socket.json()) == {"id"}
    await feed(outlet, "t/0", 0, "one", 'say "hé"')
    await outlet.write([message(b"\xff\x00", "t/0", 2)])
    outlet.advance({"t/0": 3})
    one, two, three = [await socket.json() for _ in range(3)]
    assert (one["data"], two["data"], base64.b64decode(three["data64"])) == ("one", 'say "hé"', b"\xff\x00")
    socket.writer.transport.abort()
    again = await connect(edge, query=f"?cursor={one['id']}", protocols="penstock.v1")
    assert (await again.json())["data"] == 'say "hé"'


async def test_gaps_and_limits_of_the_subprotocol(edge: Edge) -> None:
    outlet = edge.outlet(replace(RESUME, size=0))
    begin(outlet)
    socket = await connect(edge, protocols="penstock.v1")
    start = (await socket.json())["id"]
    await feed(outlet, "t/0", 0, *["x" * 5000] * 60)
    again = await connect(edge, query=f"?cursor={start}", protocols="penstock.v1")
    gap = await again.json()
    assert gap["gap"]["reason"] == "history"
    assert gap["gap"]["from"] == start
    assert edge.hub.close_clients("shop/orders", lambda grant: "KeyRevoked") == 2
    frames = []
    while (frame := await again.frame())[0] != -1:
        frames.append(frame)
    assert json.loads(frames[-2][1]) == {"limit": {"reason": "KeyRevoked"}}
    assert frames[-1] == (CLOSE, (1008).to_bytes(2, "big") + b"KeyRevoked")


async def test_a_bad_cursor_is_400(edge: Edge) -> None:
    begin(edge.outlet())
    assert (await connect(edge, query="?cursor=garbage", protocols="penstock.v1")).status == 400


async def test_draining_closes_with_service_restart(edge: Edge) -> None:
    """D15."""
    outlet = edge.outlet(LIVE)
    socket = await connect(edge)
    await eventually(lambda: outlet.clients)
    await edge.hub.drain(jitter=0.0)
    assert (await socket.closed())[0] == 1012


async def test_expiry_closes_with_policy_violation(edge: Edge) -> None:
    edge.outlet(LIVE)
    edge.grant = Allowed(expires=asyncio.get_running_loop().time() + 0.1)
    assert await (await connect(edge)).closed() == (1008, "Expired")


async def test_competing_sockets(edge: Edge) -> None:
    outlet = edge.outlet(DeliveryPlan(Mode.COMPETE, Guarantee.LIVE, heartbeat=0.0), WORDS)
    sockets = [await connect(edge) for _ in range(2)]
    await eventually(lambda: len(outlet.clients) == 2)
    for body in ("a", "b"):
        await asyncio.wait_for(outlet.write([message(body)]), DEADLINE)
    assert {(await socket.frame())[1] for socket in sockets} == {b"a", b"b"}
    outlet.close()
    assert [await socket.frame() for socket in sockets] == [(-1, b"")] * 2


# --- what clients say ---------------------------------------------------------------------------------------------------


async def test_small_frames_of_a_client_are_ignored(edge: Edge) -> None:
    outlet = edge.outlet(LIVE, WORDS)
    socket = await connect(edge)
    await eventually(lambda: outlet.clients)
    socket.send(TEXT, b"x" * 512)
    socket.send(BINARY, b"")
    socket.send(TEXT, b"in ", first=TEXT)
    socket.send(PING, b"q")
    socket.send(0, b"parts")
    assert await socket.frame() == (PONG, b"q")
    await outlet.write([message("on")])
    assert await socket.frame() == (TEXT, b"on")


async def test_a_close_is_answered_with_its_code(edge: Edge) -> None:
    outlet = edge.outlet(LIVE)
    for payload in (b"", b"\x03\xe8", b"\x03\xe8bye", b"\x0f\xa0"):
        socket = await connect(edge)
        socket.send(CLOSE, payload)
        assert await socket.frame() == (CLOSE, payload[:2])
        assert await socket.frame() == (-1, b"")
    await eventually(lambda: not outlet.clients)


@pytest.mark.parametrize(
    ("code", "frames"),
    [
        (1002, [{"opcode": TEXT, "payload": b"x", "masked": False}]),  # W-51
        (1002, [{"opcode": 0, "first": 0xC1}]),  # W-52: RSV1 without deflate
        (1002, [{"opcode": 0, "first": 0xA1}]),  # W-52: RSV2
        (1002, [{"opcode": 3}]),  # W-52
        (1002, [{"opcode": 0xB}]),  # W-52
        (1002, [{"opcode": PING, "payload": b"x" * 126}]),  # W-53
        (1002, [{"opcode": PING, "first": PING}]),  # W-53: fragmented ping
        (1002, [{"opcode": CLOSE, "payload": b"\x03"}]),  # W-53: close body of one byte
        (1002, [{"opcode": CLOSE, "payload": (1005).to_bytes(2, "big")}]),  # W-53
        (1002, [{"opcode": CLOSE, "payload": (1006).to_bytes(2, "big")}]),
        (1002, [{"opcode": CLOSE, "payload": (999).to_bytes(2, "big")}]),
        (1002, [{"opcode": CLOSE, "payload": (5000).to_bytes(2, "big")}]),
        (1002, [{"opcode": 0, "payload": b"x"}]),  # W-54: continuation first
        (1002, [{"opcode": TEXT, "first": TEXT}, {"opcode": TEXT}]),  # W-54: new text inside a fragment
        (
            1009,
            [{"opcode": TEXT, "first": TEXT}, *[{"opcode": 0, "first": 0}] * 200],
        ),  # W-54: empty fragments without end
        (1007, [{"opcode": TEXT, "payload": b"\xff"}]),  # W-55
        (1007, [{"opcode": CLOSE, "payload": b"\x03\xe8\xff"}]),  # W-55
        (1009, [{"opcode": TEXT, "payload": b"x" * 513}]),  # W-56: limit + 1
        (1009, [{"opcode": TEXT, "first": TEXT, "payload": b"x" * 300}, {"opcode": 0, "payload": b"x" * 300}]),
    ],
)
async def test_what_breaks_the_protocol_is_closed(edge: Edge, code: int, frames: list[dict[str, Any]]) -> None:
    outlet = edge.outlet(LIVE)
    socket = await connect(edge)
    await eventually(lambda: outlet.clients)
    for frame in frames:
        socket.send(**frame)
    assert (await socket.closed())[0] == code
    await eventually(lambda: not outlet.clients)


@pytest.mark.parametrize(
    ("code", "head"),
    [
        (1009, b"\x81\xff" + b"\x7f" + b"\xff" * 7),
        (1002, b"\x81\xfe\x00\x05"),
        (1002, b"\x81\xff" + (200).to_bytes(8, "big")),
    ],
)
async def test_lengths(edge: Edge, code: int, head: bytes) -> None:
    """W-56: declared 2^63-1; not in the shortest form."""
    edge.outlet(LIVE)
    socket = await connect(edge)
    socket.writer.write(head)
    assert (await socket.closed())[0] == code


async def test_a_flood_of_pings_is_bounded(edge: Edge) -> None:
    """W-53. What the client sends after the close resets the connection, so it may not see the close frame."""
    outlet = edge.outlet(LIVE)
    socket = await connect(edge)
    await eventually(lambda: outlet.clients)
    for _ in range(1000):
        socket.send(PING, b"")
    pongs = 0
    while (frame := await socket.frame())[0] == PONG:
        pongs += 1
    assert frame[0] in (CLOSE, -1)
    assert pongs <= 100
    await eventually(lambda: not outlet.clients)


async def test_pings_and_a_client_that_never_answers(edge: Edge) -> None:
    """W-58: gone within twice the heartbeat."""
    outlet = edge.outlet(LIVE, replace(EVENTS, ping_period=0.05, pong_wait=0.3))
    answers, mute = await connect(edge), await connect(edge)
    await eventually(lambda: len(outlet.clients) == 2)
    for _ in range(12):
        assert await answers.frame() == (PING, b"")
        answers.send(PONG)
    assert len(outlet.clients) == 1
    while (frame := await mute.frame())[0] == PING:
        pass
    assert frame == (-1, b"")


async def test_frames_byte_by_byte(edge: Edge) -> None:
    outlet = edge.outlet(LIVE)
    socket = await connect(edge)
    await eventually(lambda: outlet.clients)
    for byte in b"\x89\x82abcd" + bytes((ord("h") ^ ord("a"), ord("i") ^ ord("b"))):
        socket.writer.write(bytes((byte,)))
        await socket.writer.drain()
        await asyncio.sleep(0)
    assert await socket.frame() == (PONG, b"hi")
