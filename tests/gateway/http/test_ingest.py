"""What requests and WebSocket messages become, and what comes back."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import time
from typing import Any

import pytest

from gateway.http.conftest import Open
from gateway.http.parts import DELIVERY, ECHO, MOBILE, Site, api_of, statuses, stream
from penstock_gateway.components.http_server.formats import FormatError, parse_media_type, split_multipart
from penstock_gateway.errors import ConfigError


def source(**fields: Any) -> dict[str, Any]:
    return {"http_server": {"path": "/in", "ws_path": "/in/ws", **fields}}


def only(*processors: Any, **fields: Any) -> list[Any]:
    return [api_of("orders", stream("in", source(**fields), {"sync_response": {}}, *processors))]


async def test_an_answer_is_what_the_pipeline_stored(site: Open) -> None:
    fields = {
        "sync_response": {
            "status": '${! json("code") }',
            "headers": {
                "Content-Type": "application/json",
                "X-Name": '${! json("name") }',
                "X-Bad": '${! json("no").not_null() }',
            },
            "metadata_headers": {"include_prefixes": ["x_"], "include_patterns": ["^y.*z$"]},
        }
    }
    mapping = {"mapping": 'root = this\nmeta x_a = "A\\nB"\nmeta yoz = 5\nmeta other = "no"'}
    gate = await site(apis=only(mapping, **fields))
    status, headers, body = await gate.post("/orders/in", b'{"code":201,"name":"bob"}')
    assert (status, json.loads(body)["name"], headers["Content-Type"], headers["X-Name"]) == (
        201,
        "bob",
        "application/json",
        "bob",
    )
    assert (headers["X_a"], headers["Yoz"]) == ("A B", "5")
    assert "other" not in headers
    assert "X-Bad" not in headers
    assert (await gate.post("/orders/in", b'{"code":"x"}'))[0] == 502


async def test_without_an_answer_200_and_nothing(site: Open) -> None:
    gate = await site(apis=[api_of("orders", stream("in", source(), {"drop": {}}))])
    status, headers, body = await gate.post("/orders/in")
    assert (status, body) == (200, b"")
    assert "Content-Type" not in headers


async def test_parts_become_a_batch_and_a_batch_becomes_parts(site: Open) -> None:
    gate = await site(apis=only({"mapping": "root = content().uppercase()"}))
    body = b"--b\r\nX: y\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n"
    status, headers, answer = await gate.post(
        "/orders/in", body, headers={"Content-Type": "multipart/mixed; boundary=b"}
    )
    kind, parameters = parse_media_type(headers["Content-Type"])
    assert (status, kind) == (200, "multipart/form-data")
    assert split_multipart(answer, parameters["boundary"]) == [b"ONE", b"TWO"]
    status, _, answer = await gate.post("/orders/in", b"none", headers={"Content-Type": "multipart/mixed; boundary=b"})
    assert (status, answer) == (200, b"")


@pytest.mark.parametrize(
    ("data", "parts"),
    [
        (b"preamble\r\n--b\r\n\r\nonly\r\n--b--\r\nepilogue", [b"only"]),
        (b"--b\n\nx\n--b\n\ny\n--b--", [b"x", b"y"]),
        (b"--b\r\n\r\n--b--", [b""]),
        (b"--b\r\n\r\n\r\n--b--", [b""]),
        (b"--b  \r\n\r\nx\r\n--b--", [b"x"]),
        (b"--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=3Db\r\n--b--", [b"a=b"]),
        (b"--b\r\nContent-Transfer-Encoding: base64\r\n\r\nYQ==\r\n--b--", [b"YQ=="]),
        (b"nothing", []),
        (b"", []),
        (b"--b--", []),
        (b"--b\r\n\r\ncut", None),
        (b"--b\r\nX: y", None),
        (b"--b\r\n\r\nx\r\n--b\r\n", None),
        (b"--b\r\n\r\nx\r\n--bogus\r\n\r\ny\r\n--b--", None),
    ],
)
def test_multipart(data: bytes, parts: list[bytes] | None) -> None:
    if parts is None:
        with pytest.raises(FormatError):
            split_multipart(data, "b")
    else:
        assert split_multipart(data, "b") == parts


@pytest.mark.parametrize(
    "text", ["text/;;", "text/plain; charset", "/x", "a b/c", "text/plain; =x", "x/y; a=1; a=2", ""]
)
def test_media_types_that_are_none(text: str) -> None:
    with pytest.raises(FormatError):
        parse_media_type(text)


def test_media_types() -> None:
    assert parse_media_type('Multipart/Form-Data; Boundary="a \\"b"; x=y;') == (
        "multipart/form-data",
        {"boundary": 'a "b', "x": "y"},
    )
    assert parse_media_type("nonsense") == ("nonsense", {})


async def test_where_metadata_come_from(site: Open) -> None:
    api = api_of("orders", stream("in", source(path="/in/{room}"), {"sync_response": {}}, {"mapping": "root = @"}))
    gate = await site(apis=[api])
    lines = {"x-lower-case": "l", "User-Agent": "me", "Cookie": 'c=1; d="2"; c=3'}
    status, _, body = await gate.post("/orders/in/blue%20one?q=1&q=2&sp=a%20b+c&flag", b"", headers=lines)
    assert status == 200
    assert json.loads(body) == {
        "Accept": "*/*",
        "Connection": "close",
        "Accept-Encoding": json.loads(body)["Accept-Encoding"],
        "Content-Length": "0",
        "Content-Type": json.loads(body)["Content-Type"],
        "Cookie": 'c=1; d="2"; c=3',
        "User-Agent": "me",
        "X-Lower-Case": "l",
        "c": "3",
        "d": "2",
        "flag": "",
        "http_server_remote_ip": "127.0.0.1",
        "http_server_request_path": "/in/blue one",
        "http_server_user_agent": "me",
        "http_server_verb": "POST",
        "q": "1",
        "room": "blue one",
        "sp": "a b c",
    }


async def test_large_answers_are_compressed_for_those_who_take_it(site: Open) -> None:
    gate = await site(apis=only())
    text = b"line of text\n" * 1000
    status, headers, body = await gate.post("/orders/in", text, headers={"Accept-Encoding": "gzip"})
    assert (status, headers["Content-Encoding"], body) == (200, "gzip", text), "the client has unpacked it"
    _, headers, _ = await gate.post("/orders/in", text, headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in headers


async def test_a_request_waits_for_its_timeout_and_no_longer(site: Open) -> None:
    """No client in Compete: nobody takes it, so 408 as in Bento."""
    outlet = {"http_server": {"path": "/take", "stream_path": "", "ws_path": ""}}
    gate = await site(apis=[api_of("orders", stream("in", source(timeout="300ms"), outlet))])
    began = time.monotonic()
    status, headers, body = await gate.post("/orders/in")
    assert (status, body, headers["X-Content-Type-Options"]) == (408, b"Request timed out\n", "nosniff")
    assert 0.25 < time.monotonic() - began < 3
    assert (await gate.get("/orders/take"))[2] == b"x", "it went on without the answer"


@pytest.mark.parametrize(
    "fields",
    [
        {"path": "in"},
        {"path": "/{"},
        {"rate_limit": "rl"},
        {"cert_file": "x"},
        {"address": "127.0.0.1:1"},
        {"cors": {"enabled": True}},
        {"sync_response": {"metadata_headers": {"include_patterns": ["("]}}},
        {"timeout": 5},
        {"allowed_verbs": []},
    ],
    ids=str,
)
async def test_fields_nobody_acts_on_are_refused(site: Open, fields: dict[str, Any]) -> None:
    """A listener of its own would have no access rules; what is not supported is an error with its place, never silence."""
    text = await fault_of(site, ECHO, stream("in", source(**fields), {"drop": {}}))
    assert next(iter(fields)) in text


async def fault_of(site: Open, *streams: Any) -> str:
    """Why the last of these streams does not run."""
    try:
        gate = await site(apis=[api_of("orders", *streams)])
    except ConfigError as error:
        return str(error)
    running = gate.gateway.supervisor.instances()
    return " ".join(str(instance.status()["faults"]) for instance in running.values())


class Socket:
    """A WebSocket client that may break every rule."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, gate: Site, path: str = "/orders/echo/ws", *lines: str) -> tuple[Socket, bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.gateway.port)
        key = base64.b64encode(os.urandom(16)).decode()
        head = [
            f"GET {path} HTTP/1.1",
            "Host: a",
            f"Authorization: {MOBILE}",
            "Upgrade: websocket",
            "Connection: Upgrade",
        ]
        head += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", *lines, "", ""]
        writer.write("\r\n".join(head).encode())
        async with asyncio.timeout(5):
            answer = await reader.readuntil(b"\r\n\r\n")
        return cls(reader, writer), answer

    def send(self, data: bytes, opcode: int = 1, *, fin: bool = True, masked: bool = True, rsv: int = 0) -> None:
        mask = b"\x11\x22\x33\x44" if masked else b""
        size = len(data)
        flag = 0x80 if masked else 0
        if size < 126:
            head = bytes([flag | size])
        elif size < 65536:
            head = bytes([flag | 126]) + size.to_bytes(2, "big")
        else:
            head = bytes([flag | 127]) + size.to_bytes(8, "big")
        body = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data)) if masked else data
        self.writer.write(bytes([(0x80 if fin else 0) | rsv | opcode]) + head + mask + body)

    async def frame(self) -> tuple[int, bytes] | None:
        """The next frame; None = the connection has ended."""
        try:
            async with asyncio.timeout(5):
                first, second = await self.reader.readexactly(2)
                size = second & 0x7F
                if size >= 126:
                    size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
                return first & 0x0F, await self.reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def closed_with(self) -> int | None:
        """The code of the close frame before the end."""
        code = None
        while (got := await self.frame()) is not None:
            if got[0] == 8:
                code = int.from_bytes(got[1][:2], "big")
        self.writer.close()
        return code


async def test_messages_of_a_socket(site: Open) -> None:
    gate = await site()
    socket, head = await Socket.open(gate)
    assert statuses(head) == [101]
    socket.send(b"text")
    socket.send(b"binary", 2)
    socket.send(b"", 1)
    socket.send(b"ab", 1, fin=False)
    socket.send(b"ping", 9)
    socket.send(b"cd", 0)
    assert [await socket.frame() for _ in range(5)] == [
        (1, b"text"),
        (1, b"binary"),
        (1, b""),
        (10, b"ping"),
        (1, b"abcd"),
    ]
    socket.send((4001).to_bytes(2, "big") + b"own", 8)
    assert await socket.closed_with() == 4001


async def test_welcome(site: Open) -> None:
    gate = await site(apis=only(ws_welcome_message="hello"))
    socket, _ = await Socket.open(gate, "/orders/in/ws")
    assert await socket.frame() == (2, b"hello")
    socket.writer.close()


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([{"data": b"x", "masked": False}], 1002),
        ([{"data": b"x", "rsv": 0x40}], 1002),
        ([{"data": b"x", "rsv": 0x20}], 1002),
        ([{"data": b"x", "opcode": 3}], 1002),
        ([{"data": b"x", "opcode": 11}], 1002),
        ([{"data": b"x" * 126, "opcode": 9}], 1002),
        ([{"data": b"x", "opcode": 9, "fin": False}], 1002),
        ([{"data": b"x", "opcode": 0}], 1002),
        ([{"data": b"x", "fin": False}, {"data": b"y"}], 1002),
        ([{"data": b"\x03", "opcode": 8}], 1002),
        ([{"data": b"\xff\xfe"}], 1007),
        ([{"data": b"\xe2\x82", "fin": False}, {"data": b"\x28", "opcode": 0}], 1007),
        ([{"data": b"x" * 1001}], 1009),
    ],
    ids=[
        "W-51 no mask",
        "W-52 first reserved bit",
        "W-52 second reserved bit",
        "W-52 opcode 3",
        "W-52 opcode 11",
        "W-53 long ping",
        "W-53 fragmented ping",
        "W-54 continuation of nothing",
        "W-54 text inside a message",
        "W-53 close of one byte",
        "W-55 not UTF-8",
        "W-55 not UTF-8 over two frames",
        "W-56 beyond the limit",
    ],
)
async def test_frames_against_the_protocol(site: Open, frames: list[dict[str, Any]], code: int) -> None:
    gate = await site(limits={"messageSize": 1000})
    socket, _ = await Socket.open(gate)
    for frame in frames:
        socket.send(
            frame["data"], frame.get("opcode", 1), **{k: v for k, v in frame.items() if k not in ("data", "opcode")}
        )
    assert await socket.closed_with() == code
    assert (await gate.post("/orders/echo"))[0] == 200


async def test_a_message_of_exactly_the_limit_passes(site: Open) -> None:
    """W-56, G3."""
    gate = await site(limits={"messageSize": 1000})
    socket, _ = await Socket.open(gate)
    socket.send(b"x" * 1000)
    assert await socket.frame() == (1, b"x" * 1000)
    socket.writer.close()


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("Sec-WebSocket-Key: short", 400),
        ("Sec-WebSocket-Version: 8", 400),
        ("Upgrade: h2c", 400),
        ("Origin: https://evil.example", 403),
        ("Sec-WebSocket-Protocol: " + "a, " * 2000, 400),
        ("Origin: http://a", 101),
    ],
    ids=["key", "version", "upgrade", "origin", "offers", "same host"],
)
async def test_handshakes(site: Open, line: str, status: int) -> None:
    """W-50, W-59, AC-46."""
    gate = await site()
    name, value = line.split(": ", 1)
    head = {
        "Host": "a",
        "Authorization": MOBILE,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        name: value,
    }
    text = "GET /orders/echo/ws HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in head.items()) + "\r\n"
    assert statuses(await gate.raw(text.encode(), wait=1.0)) == [status]


async def test_a_browser_s_handshake_with_compression_and_a_key_among_the_offers(site: Open) -> None:
    gate = await site(cors={"allowOrigins": ["https://shop.example"]})
    headers = {"Origin": "https://shop.example"}
    offers = [f"penstock.key.{MOBILE}", "penstock.v1"]
    url = gate.url + "/orders/echo/ws"
    async with gate.session.ws_connect(url, headers=headers, protocols=offers, compress=15) as socket:
        await socket.send_str("hi")
        assert (await socket.receive(5)).data == "hi"
        assert socket.protocol == "penstock.v1"


async def test_web_pages_of_other_origins(site: Open) -> None:
    """AC-48: listed origins only, preflights without a key, credentials never with `*`."""
    methods = [{"name": "key", "apiKey": {"header": "X-Key", "cookie": "session"}}]
    gate = await site(cors={"allowOrigins": ["https://a.example"]}, authentication={"methods": methods})
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-key"}
    status, headers, _ = await gate.call(
        "OPTIONS", "/orders/echo", key="", headers={"Origin": "https://a.example", **ask}
    )
    assert (status, headers["Access-Control-Allow-Origin"]) == (204, "https://a.example")
    assert headers["Access-Control-Allow-Methods"] == "POST"
    assert "X-Key" in headers["Access-Control-Allow-Headers"]
    status, headers, _ = await gate.call(
        "OPTIONS", "/orders/echo", key="", headers={"Origin": "https://b.example", **ask}
    )
    assert (status, headers.get("Access-Control-Allow-Origin")) == (204, None)
    _, headers, _ = await gate.post("/orders/echo", key="", headers={"Origin": "https://a.example"})
    assert headers["Access-Control-Allow-Origin"] == "https://a.example", "a page may read why it was refused"
    assert headers["Access-Control-Allow-Credentials"] == "true"
    any_site = await site(cors={"allowOrigins": ["*"]}, authentication={"methods": methods})
    _, headers, _ = await any_site.post("/orders/echo", key="", headers={"Origin": "https://b.example"})
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in headers


async def test_two_streams_cannot_serve_one_path(site: Open) -> None:
    one, two = (stream(name, source(ws_path=""), {"drop": {}}) for name in ("one", "two"))
    assert "served by" in await fault_of(site, one, two)


async def test_defaults_nobody_asked_for_are_in_nobody_s_way(site: Open) -> None:
    """Two inputs that name their paths both have the default `/post/ws`; one that asks for it gets it, whatever the order."""
    one, two = (stream(name, {"http_server": {"path": f"/{name}"}}, {"sync_response": {}}) for name in ("one", "two"))
    three = stream("three", {"http_server": {"path": "/three", "ws_path": "/post/ws"}}, {"drop": {}})
    given = {"http_server": {"stream_path": "/events", "stream_format": "event_source"}}
    outlet = stream("out", {"http_server": {"path": "/get"}}, given, delivery=DELIVERY)
    gate = await site(apis=[api_of("orders", one, two, three, outlet)])
    assert [(await gate.post(f"/orders/{name}"))[0] for name in ("one", "two", "three", "get")] == [200] * 4
    answer = await gate.stream("/orders/events")
    assert answer.status == 200
    async with gate.session.ws_connect(gate.url + "/orders/post/ws", headers={"Authorization": MOBILE}) as socket:
        await socket.send_str("hi")
        with pytest.raises(TimeoutError):
            await socket.receive(0.3)


async def test_a_rate_limit_of_the_configuration(site: Open) -> None:
    """Beyond it requests get 429 before their body is read; frames of a socket wait, and their client is told."""
    limited = stream("in", source(rate_limit="rl", ws_rate_limit_message="slow down"), {"sync_response": {}})
    limited["config"]["rate_limit_resources"] = [{"label": "rl", "local": {"count": 1, "interval": "1h"}}]
    gate = await site(apis=[api_of("orders", limited)])
    assert (await gate.post("/orders/in"))[0] == 200
    status, headers, body = await gate.post("/orders/in")
    assert (status, body) == (429, b"Too Many Requests\n")
    assert 3500 <= int(headers["Retry-After"]) <= 3600
    socket, _ = await Socket.open(gate, "/orders/in/ws")
    socket.send(b"a")
    assert await socket.frame() == (2, b"slow down")
    socket.writer.close()
