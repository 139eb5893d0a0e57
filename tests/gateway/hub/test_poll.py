"""Single requests to a Broadcast stream: a page of messages and a cursor for the next one."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from gateway.hub.parts import DEADLINE, EVENTS, LIVE, RESUME, Edge, Reader, begin, eventually, feed, message

SHORT = replace(EVENTS, timeout=0.1)


async def body(reader: Reader) -> bytes:
    return await asyncio.wait_for(reader.reader.readexactly(int(reader.headers["content-length"])), DEADLINE)


async def messages(reader: Reader) -> list[bytes]:
    kind, _, border = reader.headers["content-type"].partition("; boundary=")
    text = await body(reader)
    if not border:
        return [text]
    assert kind == "multipart/form-data"
    return [part.partition(b"\r\n\r\n")[2][:-2] for part in text.split(f"--{border}".encode())[1:-1]]


async def get(edge: Edge, query: str = "") -> Reader:
    return await edge.events(path="/live/get", query=query)


async def test_pages_follow_one_another(edge: Edge) -> None:
    outlet = edge.outlet(RESUME, SHORT)
    begin(outlet)
    empty = await get(edge)
    assert (empty.status, await body(empty)) == (408, b"Timed out waiting for message\n")
    await feed(outlet, "t/0", 0, *map(str, range(300)))
    cursor = empty.headers["penstock-cursor"]
    got: list[int] = []
    while len(got) < 300:
        page = await get(edge, f"?cursor={cursor}")
        assert page.status == 200
        got += [int(one) for one in await messages(page)]
        cursor = page.headers["penstock-cursor"]
        assert "penstock-gap" not in page.headers
    assert got == list(range(300))


async def test_a_request_waits_for_what_comes(edge: Edge) -> None:
    outlet = edge.outlet()
    begin(outlet)
    asking = asyncio.create_task(get(edge))
    await eventually(lambda: outlet.counters.connections.get("poll"))
    await feed(outlet, "t/0", 0, "new")
    page = await asking
    assert await messages(page) == [b"new"]


async def test_live_has_no_cursor(edge: Edge) -> None:
    outlet = edge.outlet(LIVE)
    asking = asyncio.create_task(get(edge))
    await eventually(lambda: outlet.counters.connections.get("poll"))
    await outlet.write([message("one"), message("two")])
    page = await asking
    assert await messages(page) == [b"one", b"two"]
    assert "penstock-cursor" not in page.headers


async def test_draining_answers_who_waits(edge: Edge) -> None:
    """D15: no request fails because a pod goes."""
    outlet = edge.outlet()
    begin(outlet)
    asking = asyncio.create_task(get(edge))
    await eventually(lambda: outlet.counters.connections.get("poll"))
    await edge.hub.drain(jitter=0.0)
    page = await asking
    assert page.status == 408
    assert page.headers["penstock-cursor"]


async def test_beyond_the_history_is_a_gap(edge: Edge) -> None:
    outlet = edge.outlet(replace(RESUME, size=0), SHORT)
    begin(outlet)
    cursor = (await get(edge)).headers["penstock-cursor"]
    await feed(outlet, "t/0", 0, *["x" * 5000] * 60)
    page = await get(edge, f"?cursor={cursor}")
    assert page.headers["penstock-gap"] == "history"
    assert 0 < len(await messages(page)) < 20


async def test_a_bad_cursor_is_400(edge: Edge) -> None:
    """S-41."""
    begin(edge.outlet())
    assert (await get(edge, "?cursor=garbage")).status == 400
