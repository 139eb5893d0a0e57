"""Requests that are not as they should be: each gets its answer, none reaches a pipeline, and the gateway serves on.

The ids are those of the list of bad inputs.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import zlib
from typing import Any

import pytest

from gateway.http.conftest import Open
from gateway.http.parts import ECHO, MOBILE, Site, api_of, request, statuses
from penstock_gateway.http import connection

HEAD = f"Host: a\r\nAuthorization: {MOBILE}\r\n"
CHUNKED = HEAD + "Transfer-Encoding: chunked\r\n"


def post(head: str, body: str = "", line: str = "POST /orders/echo HTTP/1.1") -> bytes:
    return f"{line}\r\n{head}\r\n{body}".encode("latin-1")


def get(target: str = "/orders/echo", version: str = "HTTP/1.1", method: str = "GET", head: str = HEAD) -> bytes:
    return f"{method} {target} {version}\r\n{head}Connection: close\r\n\r\n".encode("latin-1")


MALFORMED = {
    "H-01 length and chunks": post(CHUNKED + "Content-Length: 3\r\n", "3\r\nabc\r\n0\r\n\r\n"),
    "H-02 two lengths, equal": post(HEAD + "Content-Length: 2\r\nContent-Length: 2\r\n", "hi"),
    "H-02 two lengths": post(HEAD + "Content-Length: 2\r\nContent-Length: 3\r\n", "hix"),
    "H-02 list of lengths": post(HEAD + "Content-Length: 2, 2\r\n", "hi"),
    "H-02 plus": post(HEAD + "Content-Length: +2\r\n", "hi"),
    "H-02 minus": post(HEAD + "Content-Length: -1\r\n", "hi"),
    "H-02 hexadecimal": post(HEAD + "Content-Length: 0x2\r\n", "hi"),
    "H-02 underscore": post(HEAD + "Content-Length: 1_0\r\n", "hihihihihi"),
    "H-02 other digits": b"POST /orders/echo HTTP/1.1\r\nHost: a\r\nContent-Length: \xd9\xa2\r\n\r\nhi",
    "H-02 thirty digits": post(HEAD + "Content-Length: " + "9" * 30 + "\r\n", "hi"),
    "H-03 xchunked": post(HEAD + "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
    "H-03 chunked, identity": post(HEAD + "Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
    "H-03 gzip": post(HEAD + "Transfer-Encoding: gzip\r\n", "0\r\n\r\n"),
    "H-03 chunked twice": post(CHUNKED + "Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    "H-03 chunked in HTTP/1.0": post(CHUNKED, "0\r\n\r\n", line="POST /orders/echo HTTP/1.0"),
    "H-04 no host": post(f"Authorization: {MOBILE}\r\n"),
    "H-04 empty host": post(f"Host:\r\nAuthorization: {MOBILE}\r\n"),
    "H-04 host with user": post(f"Host: a@b\r\nAuthorization: {MOBILE}\r\n"),
    "H-04 host with path": post(f"Host: a/b\r\nAuthorization: {MOBILE}\r\n"),
    "H-04 host with space": post(f"Host: a b\r\nAuthorization: {MOBILE}\r\n"),
    "H-04 port too large": post(f"Host: a:99999\r\nAuthorization: {MOBILE}\r\n"),
    "H-05 two hosts": post("Host: b\r\n" + HEAD),
    "H-05 absolute target": get("http://elsewhere/orders/echo"),
    "H-06 folded header": post(HEAD + "X-A: b\r\n  c\r\n"),
    "H-06 space before the colon": post(HEAD + "X-A : b\r\n"),
    "H-06 no name": post(HEAD + ": b\r\n"),
    "H-06 name with parenthesis": post(HEAD + "X(A: b\r\n"),
    "H-06 no colon": post(HEAD + "XA\r\n"),
    "H-07 bare line feeds": b"GET /orders/echo HTTP/1.1\nHost: a\n\n",
    "H-07 bare carriage return": post(HEAD + "X-A: b\rX-B: c\r\n"),
    "H-08 NUL in a value": post(HEAD + "X-A: b\0c\r\n"),
    "H-08 control character in a value": post(HEAD + "X-A: b\x01c\r\n"),
    "H-09 HTTP/0.9": b"GET /orders/echo\r\n\r\n",
    "H-09 HTTP/2.0": get(version="HTTP/2.0"),
    "H-09 HTTP/1.2": get(version="HTTP/1.2"),
    "H-09 HTTP/9.9": get(version="HTTP/9.9"),
    "H-09 lower case": get(version="http/1.1"),
    "H-10 lower case": get(method="get"),
    "H-10 unknown method": get(method="FOO"),
    "H-10 long method": get(method="F" * 8192),
    "H-10 TRACE": get(method="TRACE"),
    "H-10 CONNECT": get("a:80", method="CONNECT"),
    "H-10 preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "H-11 star": get("*", method="OPTIONS"),
    "H-11 NUL in the path": get("/orders/%00"),
    "H-11 bad escape": get("/orders/%zz"),
    "H-11 not UTF-8": get("/orders/%ff"),
    "H-14 negative chunk": post(CHUNKED, "-1\r\nabc\r\n0\r\n\r\n"),
    "H-14 chunk with prefix": post(CHUNKED, "0x1\r\na\r\n0\r\n\r\n"),
    "H-14 chunk beyond 64 bits": post(CHUNKED, "FFFFFFFFFFFFFFFF1\r\na\r\n0\r\n\r\n"),
    "H-14 chunk without its carriage return": post(CHUNKED, "1\na\n0\n\n"),
    "H-18 bad gzip": post(HEAD + "Content-Encoding: gzip\r\nContent-Length: 4\r\n", "abcd"),
    "H-19 unknown expectation": post(HEAD + "Expect: banana\r\n"),
    "H-28 underscore in a name": post(HEAD + "X_Api_Key: 1\r\n"),
    "H-34 ten thousand parameters": get("/orders/echo?" + "&".join("a" for _ in range(4000))),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
async def test_malformed_requests_are_refused_and_the_connection_closed(site: Open, data: bytes) -> None:
    gate = await site()
    answer = await gate.raw(data, wait=4.0)
    codes = statuses(answer)
    assert len(codes) == 1, answer
    assert codes[0] in (400, 405, 413, 414, 415, 417, 431, 501, 505), answer
    assert b"Traceback" not in answer
    assert b"aiohttp" not in answer
    assert (await gate.post("/orders/echo"))[0] == 200, "it serves on"


TARGETS = {
    "two slashes": "//orders//echo",
    "dots": "/orders/../orders/echo",
    "dots above the root": "/../../etc/passwd",
    "escaped dots": "/%2e%2e/orders/echo",
    "escaped slash": "/..%2forders/echo",
    "escaped backslash": "/orders%5cecho",
    "semicolon": "/orders;a=b/echo",
    "other case": "/Orders/echo",
    "a prefix that is none": "/ordersX/echo",
    "reserved": "/orders/_penstock/ticket",
    "backslash": "/orders\\echo",
}


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
async def test_odd_targets_never_reach_a_route(site: Open, target: str) -> None:
    """H-11, G19, AC-41: what is routed is what was judged."""
    gate = await site()
    codes = statuses(await gate.raw(get(target, method="POST", head=HEAD.replace(MOBILE, "wrong"))))
    assert codes in ([301], [400], [404])


async def test_a_path_is_decoded_once_for_right_and_route(site: Open) -> None:
    """G19: the same decoded path decides both."""
    gate = await site({"shop/gold": {"paths": [{"path": "/meta", "methods": []}]}})
    assert (await gate.post("/orders/%6Deta"))[0] == 200
    assert (await gate.post("/orders/ech%6F"))[0] == 403
    assert (await gate.post("/%6Frders/echo"))[0] == 403


async def test_sizes_of_heads(site: Open) -> None:
    """H-12, H-13, G3: at the limit in, beyond it 414 and 431."""
    gate = await site()
    many = "".join(f"X-{n}: 1\r\n" for n in range(200))
    assert statuses(await gate.raw(post(HEAD + many))) == [431]
    assert statuses(await gate.raw(post(HEAD + "X-A: " + "a" * 9000 + "\r\n"))) == [431]
    whole = post(HEAD + "X-A: " + "a" * 9000 + "\r\n")
    assert statuses(await gate.raw(*[whole[n : n + 1] for n in range(len(whole))])) == [431]
    assert statuses(await gate.raw(get("/orders/" + "a" * 9000))) == [414]
    assert statuses(await gate.raw(get("/orders/" + "a" * 7000))) == [404]
    few = "".join(f"X-{n}: 1\r\n" for n in range(100))
    assert statuses(await gate.raw(post(HEAD + few + "Connection: close\r\n"))) == [200]


async def test_sizes_of_bodies(site: Open) -> None:
    """H-17, G3: exactly the limit passes; with a length, in chunks and after gzip."""
    gate = await site(limits={"bodySize": 1000})

    async def pieces(size: int) -> Any:
        for _ in range(size // 100):
            yield b"x" * 100
        yield b"x" * (size % 100)

    for size, status in ((1000, 200), (1001, 413)):
        assert (await gate.post("/orders/echo", b"x" * size))[0] == status
        assert (await gate.post("/orders/echo", pieces(size)))[0] == status
        packed = gzip.compress(b"x" * size)
        answer = await gate.post("/orders/echo", packed, headers={"Content-Encoding": "gzip"})
        assert answer[0] == status
    assert json.loads(answer[2])["code"] == "body-size"


async def test_compressed_bodies(site: Open) -> None:
    """H-18: gzip is undone within the limit; bombs, cut and doubled ones are refused."""
    gate = await site(limits={"bodySize": 100_000})
    coded = {"Content-Encoding": "gzip"}
    assert (await gate.post("/orders/echo", gzip.compress(b"hello"), headers=coded))[2] == b"hello"
    assert (await gate.post("/orders/echo", gzip.compress(b"a") + gzip.compress(b"b"), headers=coded))[2] == b"ab"
    began = time.process_time()
    assert (await gate.post("/orders/echo", gzip.compress(b"\0" * 50_000_000), headers=coded))[0] == 413
    assert time.process_time() - began < 2, "a bomb is not unpacked"
    assert (await gate.post("/orders/echo", gzip.compress(b"hello")[:-4], headers=coded))[0] == 400
    assert (await gate.post("/orders/echo", gzip.compress(b"hello") + b"junk", headers=coded))[0] == 400
    assert (await gate.post("/orders/echo", zlib.compress(b"a"), headers={"Content-Encoding": "deflate"}))[0] == 415
    twice = {"Content-Encoding": "gzip, gzip"}
    assert (await gate.post("/orders/echo", gzip.compress(gzip.compress(b"a")), headers=twice))[0] == 415


async def test_metadata_of_an_unpacked_body_are_those_of_the_unpacked(site: Open) -> None:
    gate = await site()
    packed = gzip.compress(b"hello")
    meta = json.loads((await gate.post("/orders/meta", packed, headers={"Content-Encoding": "gzip"}))[2])
    assert "Content-Encoding" not in meta
    assert meta["Content-Length"] == "5"


async def test_chunk_extensions_trailers_and_many_small_chunks(site: Open) -> None:
    """H-15."""
    gate = await site()
    close = CHUNKED + "Connection: close\r\n"
    assert statuses(await gate.raw(post(close, "".join("1\r\na\r\n" for _ in range(10_000)) + "0\r\n\r\n"))) == [200]
    huge = await gate.raw(post(close, "0\r\n" + "X-T: " + "a" * 1_000_000 + "\r\n\r\n"))
    assert statuses(huge) in ([400], [431], [200])
    extended = await gate.raw(post(close, "1;" + "a" * 20_000 + "\r\nx\r\n0\r\n\r\n"))
    assert statuses(extended) in ([400], [413], [431], [200])
    assert (await gate.post("/orders/echo"))[0] == 200


async def test_a_body_that_ends_too_early_starts_nothing(site: Open) -> None:
    """H-16."""
    gate = await site()
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.gateway.port)
    writer.write(post(HEAD + "Content-Length: 100\r\n", "short"))
    await writer.drain()
    writer.close()
    assert await reader.read() == b""
    assert (await gate.post("/orders/echo"))[0] == 200


async def test_what_comes_after_a_body_is_another_request_and_judged_alone(site: Open) -> None:
    """H-16, H-39: the first may have no key, the second has one, the third none again."""
    gate = await site()
    without = post("Host: a\r\nContent-Length: 2\r\n", "hi")
    with_key = post(HEAD + "Content-Length: 2\r\n", "hi")
    last = request("POST", "/orders/echo", key="wrong", body="hi")
    assert statuses(await gate.raw(without + with_key + last)) == [401, 200, 401]


async def test_many_pipelined_requests_are_answered_in_order(site: Open) -> None:
    """H-20."""
    gate = await site()
    one = post(HEAD + "Content-Length: 2\r\n", "hi")
    assert statuses(await gate.raw(one * 300 + request(body="hi"), wait=20)) == [200] * 301


async def test_unfinished_heads_and_bodies_are_cut(site: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """H-21, G9: with the deadlines shortened; half a head, and a body that does not come."""
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr("penstock_gateway.http.body.GRACE", 0.3)
    gate = await site()
    began = time.monotonic()
    assert await gate.raw(b"POST /orders/echo HTTP/1.1\r\nHost", wait=5) == b""
    assert time.monotonic() - began < 3
    answer = await gate.raw(post(HEAD + "Content-Length: 100\r\n", "x"), wait=8)
    assert statuses(answer) == [408]
    waited = await gate.raw(post(HEAD + "Content-Length: 100\r\nExpect: 100-continue\r\n"), wait=8)
    assert statuses(waited) == [100, 408], "H-19: who is told to continue and does not"


async def test_upgrades_that_are_none_are_ignored(site: Open) -> None:
    """H-23."""
    gate = await site()
    lines = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
    answer = await gate.raw(post(HEAD + "\r\n".join(lines) + "\r\nContent-Length: 2\r\n", "hi"), wait=1.0)
    assert statuses(answer) == [200]


async def test_spoofed_addresses_are_not_believed(site: Open) -> None:
    """H-29, G14: the address is the connection's, and no client value replaces what the gateway vouches for."""
    gate = await site()
    spoofed = {"X-Forwarded-For": "6.6.6.6", "Forwarded": "for=6.6.6.6", "X-Real-IP": "6.6.6.6"}
    path = "/orders/meta?http_server_remote_ip=6.6.6.6&http_server_verb=X"
    cookie = {"Cookie": "http_server_request_path=/x; http_server_user_agent=y"}
    meta = json.loads((await gate.post(path, headers={**spoofed, **cookie, "User-Agent": "me"}))[2])
    assert meta["http_server_remote_ip"] == "127.0.0.1"
    assert meta["http_server_verb"] == "POST"
    assert meta["http_server_request_path"] == "/meta"
    assert meta["http_server_user_agent"] == "me"


async def test_cookies_of_any_kind_are_survived(site: Open) -> None:
    """H-30."""
    gate = await site()
    for cookie in ("=", ";;;", 'a="', "a" * 8000, '\\"; b', "a=b=c; d"):
        assert (await gate.post("/orders/meta", headers={"Cookie": cookie}))[0] == 200


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json; charset=utf-7", 200),
        ("text/;;", 400),
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=b", 200),
        ("nonsense", 200),
    ],
)
async def test_content_types(site: Open, kind: str, status: int) -> None:
    """H-32."""
    gate = await site()
    assert (await gate.post("/orders/echo", b"x", headers={"Content-Type": kind}))[0] == status


async def test_multipart_with_ten_thousand_parts(site: Open) -> None:
    """H-32: bounded by the size of the body, and linear."""
    gate = await site()
    body = b"".join(b"--b\r\n\r\nx\r\n" for _ in range(10_000)) + b"--b--\r\n"
    began = time.monotonic()
    assert (await gate.post("/orders/echo", body, headers={"Content-Type": "multipart/mixed; boundary=b"}))[0] == 200
    assert time.monotonic() - began < 5


async def test_methods_on_paths_of_streams(site: Open) -> None:
    """H-35."""
    gate = await site()
    for method in ("HEAD", "DELETE", "PUT"):
        status, headers, _ = await gate.call(method, "/orders/events")
        assert (status, headers["Allow"]) == (405, "GET")
    status, headers, _ = await gate.call("OPTIONS", "/orders/events")
    assert status == 405


async def test_aborted_requests_leave_nothing_behind(site: Open) -> None:
    """H-36, G20: two hundred aborts at different points, then connections and tasks are as before."""
    gate = await site({"shop/gold": {"limits": {"connections": 300}}})
    before = len(asyncio.all_tasks())
    parts = [
        post(HEAD + "Content-Length: 10\r\n", "half"),
        get("/orders/events", head=HEAD)[:-2],
        get("/orders/events", head=HEAD),
        b"POST /orders",
    ]
    for n in range(200):
        _, writer = await asyncio.open_connection("127.0.0.1", gate.gateway.port)
        writer.write(parts[n % len(parts)])
        await writer.drain()
        writer.transport.abort()
    await settled(gate, before)


async def settled(gate: Site, before: int) -> None:
    until = time.monotonic() + 10
    listener = gate.gateway.app._listener
    while time.monotonic() < until:
        usage = gate.gateway.app.state.api("shop/orders").usage
        if len(asyncio.all_tasks()) <= before + 2 and not listener._front.open and usage.connections == 0:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{len(asyncio.all_tasks())} tasks, {before} before; {len(listener._front.open)} connections")


async def test_more_connections_than_there_may_be_are_closed_at_once(
    site: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H-38: refused, and it recovers."""
    gate = await site()
    gate.gateway.app._listener._front.most = 3
    writers = [(await asyncio.open_connection("127.0.0.1", gate.gateway.port))[1] for _ in range(3)]
    await asyncio.sleep(0.05)
    assert await gate.raw(request(body="hi"), wait=2) == b""
    for writer in writers:
        writer.close()
    until = time.monotonic() + 5
    while statuses(await gate.raw(request(body="hi"))) != [200]:
        assert time.monotonic() < until


async def test_one_request_more_than_enough_keeps_its_key_out_of_the_logs(
    site: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """AC-44, AC-53: nothing a client sends is logged, and malformed requests leave no traceback."""
    caplog.set_level("DEBUG")
    gate = await site(apis=[api_of("orders", ECHO)])
    await gate.post("/orders/echo")
    await gate.raw(post(HEAD + "X-A: b\0c\r\n"))
    offer = f"penstock.key.{MOBILE}"
    with pytest.raises(Exception, match="Invalid response status"):
        await gate.session.ws_connect(gate.url + "/orders/echo/ws", protocols=[offer + "x"])
    async with gate.session.ws_connect(gate.url + "/orders/echo/ws", protocols=[offer, "penstock.v1"]) as socket:
        assert socket.protocol == "penstock.v1"
    assert MOBILE not in caplog.text
    assert "Traceback" not in caplog.text


async def test_an_answer_nobody_takes_is_cut(site: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """H-37, G9: with the deadline shortened."""
    monkeypatch.setattr(connection, "STUCK_SECONDS", 1.0)
    gate = await site(limits={"bodySize": 32 << 20})
    _, writer = await asyncio.open_connection("127.0.0.1", gate.gateway.port, limit=1024)
    writer.transport.pause_reading()  # type: ignore[attr-defined]  # a stream's transport can
    writer.write(post(HEAD + f"Content-Length: {16 << 20}\r\n", "x" * (16 << 20)))
    opened = gate.gateway.app._listener._front.open
    until = time.monotonic() + 10
    while not any(one.transport and one.transport.get_write_buffer_size() for one in opened):
        assert time.monotonic() < until
        await asyncio.sleep(0.05)
    while opened:
        assert time.monotonic() < until
        await asyncio.sleep(0.05)
    writer.close()


async def test_thousands_of_idle_connections_do_no_harm(site: Open) -> None:
    """10,000 idle connections, in a small form: requests are answered as before, and nothing is left when they go."""
    gate = await site()
    writers = [(await asyncio.open_connection("127.0.0.1", gate.gateway.port, limit=1024))[1] for _ in range(1500)]
    began = time.monotonic()
    assert [(await gate.post("/orders/echo"))[0] for _ in range(50)] == [200] * 50
    assert time.monotonic() - began < 3
    for writer in writers:
        writer.close()
    until = time.monotonic() + 10
    while gate.gateway.app._listener._front.open:
        assert time.monotonic() < until
        await asyncio.sleep(0.05)


async def test_ranges_and_conditions_are_ignored(site: Open) -> None:
    """H-24."""
    gate = await site()
    for name, value in (("Range", "bytes=0-1"), ("If-None-Match", '"x'), ("If-Modified-Since", "garbage")):
        answer = await gate.stream("/orders/events", **{name: value})
        assert answer.status == 200


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":',
        b"[1,]",
        b"NaN",
        b"1e999",
        b"[" * 10_000,
        b'{"a":1,"a":2}',
        b'"\\ud800"',
        b"\xef\xbb\xbf{}",
        '{"a":"é"}'.encode("utf-16"),
        b'{"__proto__":{}}',
        b"\xff\xfe\x00",
    ],
)
async def test_bodies_are_the_pipelines_business(site: Open, body: bytes) -> None:
    """H-31: what a body holds is for the stream to judge; it comes through as it was."""
    gate = await site()
    assert (await gate.post("/orders/echo", body))[::2] == (200, body)
