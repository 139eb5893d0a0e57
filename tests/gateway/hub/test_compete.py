"""Competing clients: each message reaches one of them, and none is lost with a client that dies."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway.hub.parts import DEADLINE, EVENTS, Edge, Reader, eventually, message
from penstock_gateway.delivery import DeliveryPlan, Guarantee, Mode
from penstock_gateway.errors import Stopping
from penstock_gateway.hub.compete import CompeteOutlet
from penstock_gateway.hub.gate import WantedGate
from penstock_gateway.hub.hub import HubOutlet

COMPETE = DeliveryPlan(Mode.COMPETE, Guarantee.LIVE, heartbeat=0.0)


async def write(outlet: HubOutlet, *bodies: str) -> None:
    """One batch; it is delivered within the deadline."""
    await asyncio.wait_for(outlet.write([message(body) for body in bodies]), DEADLINE)


async def ready(edge: Edge, outlet: HubOutlet, count: int) -> list[Reader]:
    readers = [await edge.events() for _ in range(count)]
    await eventually(lambda: len(outlet.clients) == count)
    return readers


async def test_each_message_reaches_one_client_in_turn(edge: Edge) -> None:
    outlet = edge.outlet(COMPETE)
    readers = await ready(edge, outlet, 3)
    for number in range(9):
        await write(outlet, str(number))
    got = [[int(event.data) for event in await reader.take(3)] for reader in readers]
    assert sorted(number for one in got for number in one) == list(range(9))
    assert all(one == list(range(one[0], 9, 3)) for one in got)
    assert outlet.counters.delivered == 9


async def test_without_clients_a_write_waits(edge: Edge) -> None:
    outlet = edge.outlet(COMPETE)
    writing = asyncio.create_task(write(outlet, "kept"))
    await asyncio.sleep(0)
    assert not writing.done()
    (reader,) = await ready(edge, outlet, 1)
    assert [event.data for event in await reader.take()] == ["kept"]
    await writing


async def test_a_write_that_is_given_up_is_not_delivered(edge: Edge) -> None:
    outlet = edge.outlet(COMPETE)
    writing = asyncio.create_task(write(outlet, "given up"))
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.wait({writing})
    (reader,) = await ready(edge, outlet, 1)
    await write(outlet, "next")
    assert [event.data for event in await reader.take()] == ["next"]


async def test_what_a_dead_client_did_not_take_goes_to_the_next(edge: Edge) -> None:
    """Acknowledged when the transport's buffer is empty, not when the write returned."""
    outlet = edge.outlet(COMPETE)
    (dying,) = await ready(edge, outlet, 1)
    dying.writer.transport.pause_reading()  # type: ignore[attr-defined]  # asyncio's stream transports have it
    large = "x" * 30_000_000
    writing = asyncio.create_task(write(outlet, large))
    await eventually(lambda: any(client.paused for client in outlet.clients))
    assert not writing.done()
    later = asyncio.create_task(write(outlet, "later"))
    dying.writer.transport.abort()
    (reader,) = await ready(edge, outlet, 1)
    first, second = await reader.take(2)
    assert (len(first.data), second.data) == (len(large), "later")
    await asyncio.gather(writing, later)


async def test_a_batch_stays_together(edge: Edge) -> None:
    outlet = edge.outlet(COMPETE)
    one, other = await ready(edge, outlet, 2)
    await write(outlet, "a", "b", "c")
    assert [event.data for event in await one.take(3)] == ["a", "b", "c"]
    await write(outlet, "d")
    assert [event.data for event in await other.take()] == ["d"]


async def test_the_end_of_the_stream_ends_its_clients_and_writers(edge: Edge) -> None:
    outlet = edge.outlet(COMPETE)
    writing = asyncio.create_task(write(outlet, "never"))
    await asyncio.sleep(0)
    outlet.close()
    with pytest.raises(Stopping):
        await writing
    with pytest.raises(Stopping):
        await write(outlet, "neither")


async def test_clients_end_in_order(edge: Edge) -> None:
    outlet = edge.outlet(COMPETE)
    (reader,) = await ready(edge, outlet, 1)
    await write(outlet, "last")
    edge.hub.remove("shop/orders")
    assert [event.data for event in await reader.rest()] == ["last"]


async def test_heartbeats(edge: Edge) -> None:
    edge.outlet(COMPETE, replace(EVENTS, heartbeat=0.05))
    reader = await edge.events()
    while len(reader.raw) < 26:
        assert await reader.more()
    assert bytes(reader.raw[:26]) == b": heartbeat\n\n: heartbeat\n\n"


async def test_raw_stream_of_one_client(edge: Edge) -> None:
    outlet = edge.outlet(COMPETE, replace(EVENTS, stream_format="raw_bytes"))
    waiting = asyncio.create_task(edge.events())
    await eventually(lambda: outlet.clients)
    await write(outlet, "m1", "m2")
    await write(outlet, "m3")
    reader = await waiting
    assert reader.headers["content-type"] == "text/plain; charset=utf-8"
    outlet.close()
    await reader.rest()
    assert bytes(reader.raw) == b"m1\nm2\n\nm3\n"


# --- single requests ----------------------------------------------------------------------------------------------------


async def body(reader: Reader) -> bytes:
    return await asyncio.wait_for(reader.reader.readexactly(int(reader.headers["content-length"])), DEADLINE)


def get(edge: Edge, query: str = "") -> asyncio.Task[Reader]:
    return asyncio.create_task(edge.events(path="/live/get", query=query))


def waits(outlet: HubOutlet) -> int:
    return outlet.counters.connections.get("poll", 0)


async def test_get_takes_one_batch(edge: Edge) -> None:
    outlet = edge.outlet(COMPETE)
    asking = get(edge)
    await eventually(lambda: waits(outlet))
    await write(outlet, "one")
    answer = await asking
    assert (answer.status, answer.headers["content-type"], await body(answer)) == (
        200,
        "application/octet-stream",
        b"one",
    )
    await eventually(lambda: not waits(outlet))


async def test_get_of_a_batch_is_multipart(edge: Edge) -> None:
    outlet = edge.outlet(COMPETE)
    asking = get(edge)
    await eventually(lambda: waits(outlet))
    await write(outlet, "one", "two")
    answer = await asking
    kind, _, border = answer.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/form-data"
    parts = (await body(answer)).split(f"--{border}".encode())
    assert [part.partition(b"\r\n\r\n")[2] for part in parts[1:-1]] == [b"one\r\n", b"two\r\n"]


async def test_get_with_nothing_in_time_is_408(edge: Edge) -> None:
    edge.outlet(COMPETE, replace(EVENTS, timeout=0.05))
    answer = await get(edge)
    assert (answer.status, await body(answer)) == (408, b"Timed out waiting for message\n")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_get_at_the_end_of_the_stream_is_503(edge: Edge) -> None:
    outlet = edge.outlet(COMPETE)
    asking = get(edge)
    await eventually(lambda: waits(outlet))
    outlet.close()
    answer = await asking
    assert (answer.status, await body(answer)) == (503, b"Server closed\n")


async def test_draining_answers_who_waits(edge: Edge) -> None:
    """D15: no request fails because a pod goes."""
    outlet = edge.outlet(COMPETE)
    asking = get(edge)
    await eventually(lambda: waits(outlet))
    await edge.hub.drain(jitter=0.0)
    assert (await asking).status == 408
    await eventually(lambda: not waits(outlet))


async def test_an_abandoned_get_takes_no_message(edge: Edge) -> None:
    """Bento loses it; a client that left while it waited is passed over."""
    outlet = edge.outlet(COMPETE)
    asking = get(edge)
    await eventually(lambda: waits(outlet))
    edge.writers[-1].transport.abort()
    await asyncio.wait({asking})
    assert asking.exception() is not None
    writing = asyncio.create_task(write(outlet, "for the living"))
    answer = await get(edge)
    assert await body(answer) == b"for the living"
    await writing


async def test_readers_and_requests_compete(edge: Edge) -> None:
    outlet = edge.outlet(COMPETE)
    (reader,) = await ready(edge, outlet, 1)
    asking = get(edge)
    await eventually(lambda: waits(outlet))
    await write(outlet, "one")
    await write(outlet, "two")
    got = {(await reader.take())[0].data, (await body(await asking)).decode()}
    assert got == {"one", "two"}


# --- whether anybody wants messages -------------------------------------------------------------------------------------


async def test_the_gate_opens_with_the_first_client_and_closes_after_the_last() -> None:
    gate = WantedGate(linger=0.05)
    await asyncio.wait_for(gate.wait_closed(), DEADLINE)
    gate.enter()
    await asyncio.wait_for(gate.wait_open(), DEADLINE)
    gate.empty()
    gate.enter()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(gate.wait_closed(), 0.1)
    gate.empty()
    await asyncio.wait_for(gate.wait_closed(), DEADLINE)


async def test_clients_open_the_gate(edge: Edge) -> None:
    outlet = edge.outlet(COMPETE)
    assert isinstance(outlet, CompeteOutlet)
    opened = asyncio.create_task(outlet.wanted.wait_open())
    await asyncio.sleep(0)
    assert not opened.done()
    await ready(edge, outlet, 1)
    await asyncio.wait_for(opened, DEADLINE)
