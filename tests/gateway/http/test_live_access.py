"""What a change of access does to streams that are open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from gateway.http.conftest import Open
from gateway.http.parts import DEADLINE, MOBILE, Site, eventually, record

Change = Callable[[Site], None]
CHANGES: dict[str, Change] = {
    "disabled": lambda gate: gate.keys(mobile=record(state="Disabled")),
    "revoked": lambda gate: gate.keys(),
    "expired": lambda gate: gate.keys(mobile=record(expires=time.time())),
    "policy denied": lambda gate: gate.access(policies={"shop/gold": {"state": "Denied"}}),
    "policy gone": lambda gate: gate.access(policies={}),
    "path taken away": lambda gate: gate.access(policies={"shop/gold": {"paths": [{"path": "/echo"}]}}),
    "API disabled": lambda gate: gate.access(state="Disabled"),
    "document unreadable": lambda gate: gate.write("access/shop.orders.json", "{"),
}


async def published(gate: Site) -> Any:
    return (await gate.post("/orders/publish", b'{"n":1}'))[0] == 200


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_event_streams_end_with_a_reason(site: Open, change: Change) -> None:
    """S-47, G7: closed within the deadline, and the client is told why."""
    gate = await site()
    answer = await gate.stream("/orders/events")
    assert answer.status == 200
    assert await published(gate)
    assert b'data: {"n":1}' in await answer.content.readuntil(b"\n\n")
    change(gate)
    async with asyncio.timeout(DEADLINE):
        rest = await answer.content.read()
    assert b"event: penstock.limit" in rest


async def test_sockets_of_readers_end_with_1008(site: Open) -> None:
    gate = await site()
    async with gate.session.ws_connect(gate.url + "/orders/ws", headers={"Authorization": MOBILE}) as socket:
        assert await published(gate)
        assert (await socket.receive(DEADLINE)).data
        gate.keys(mobile=record(state="Disabled"))
        closed = await socket.receive(DEADLINE)
        assert (closed.type, closed.data) == (aiohttp.WSMsgType.CLOSE, 1008)


async def test_sockets_of_writers_end_with_1008(site: Open) -> None:
    gate = await site()
    async with gate.session.ws_connect(gate.url + "/orders/echo/ws", headers={"Authorization": MOBILE}) as socket:
        await socket.send_str("hi")
        assert (await socket.receive(DEADLINE)).data == "hi"
        gate.keys(mobile=record(state="Disabled"))
        closed = await socket.receive(DEADLINE)
        assert (closed.type, closed.data, closed.extra) == (aiohttp.WSMsgType.CLOSE, 1008, "the key is disabled")


async def test_expiry_is_exact_without_any_change_of_files(site: Open) -> None:
    gate = await site()
    gate.keys(mobile=record(expires=time.time() + 1.5))
    await eventually(lambda: limited(gate))
    answer = await gate.stream("/orders/events")
    async with asyncio.timeout(DEADLINE):
        assert b"penstock.limit" in await answer.content.read()
    assert (await gate.post("/orders/echo"))[0] == 401


async def limited(gate: Site) -> Any:
    return any(door.judge(found, 1e12) == "expired" for door, found in records(gate))


def records(gate: Site) -> list[Any]:
    door = gate.gateway.app.table.doors["shop/orders"]
    return [(door, found) for shard in door._shards for found in shard.values()]


async def test_streams_the_change_does_not_concern_go_on(site: Open) -> None:
    """D16: no disconnects but those the change forbids."""
    gate = await site()
    answer = await gate.stream("/orders/events")
    gate.access(policies={"shop/gold": {"limits": {"rate": {"requests": 1000, "window": 1}}}})
    gate.keys(mobile=record(), other=record("other"))
    await eventually(lambda: keys_are(gate, 2))
    assert await published(gate)
    assert b'data: {"n":1}' in await answer.content.readuntil(b"\n\n")


async def keys_are(gate: Site, count: int) -> Any:
    return gate.gateway.app.table.doors["shop/orders"].key_count == count


async def test_connections_are_limited_and_given_back(site: Open) -> None:
    """AC-47: exact, also after aborts."""
    gate = await site({"shop/gold": {"limits": {"connections": 2}}})
    first, second = await gate.stream("/orders/events"), await gate.stream("/orders/events")
    third = await gate.stream("/orders/events")
    assert (first.status, second.status, third.status) == (200, 200, 429)
    assert (await gate.post("/orders/echo"))[0] == 200, "requests that end are not connections"
    first.close()

    async def again() -> Any:
        answer = await gate.stream("/orders/events")
        answer.close()
        return answer.status == 200

    assert await eventually(again)
    second.close()
    third.close()


async def test_a_reconnect_over_its_rate_is_not_refused_for_good(site: Open) -> None:
    """S-44: an EventSource that comes back too early gets 200, `retry:` and an end."""
    gate = await site({"shop/gold": {"limits": {"rate": {"requests": 1, "window": 60}}}})
    answer = await gate.stream("/orders/events")
    answer.close()
    again = await gate.stream("/orders/events", **{"Last-Event-ID": "x"})
    body = await again.read()
    assert (again.status, again.content_type) == (200, "text/event-stream")
    retry = int(body.decode().strip().removeprefix("retry: "))
    assert 40_000 < retry <= 61_000
    assert (await gate.get("/orders/events"))[0] == 429


async def test_a_reconnect_slightly_over_its_rate_is_held(site: Open) -> None:
    gate = await site({"shop/gold": {"limits": {"rate": {"requests": 1, "window": 1}}}})
    (await gate.stream("/orders/events")).close()
    began = time.monotonic()
    again = await gate.stream("/orders/events", **{"Last-Event-ID": "x"})
    assert again.status == 200
    assert 0.5 < time.monotonic() - began < 3
    again.close()
