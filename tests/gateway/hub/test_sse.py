"""What readers of server-sent events get."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.hub.parts import EVENTS, LIVE, RESUME, Allowed, Edge, begin, eventually, feed, message
from penstock_gateway.hub.wires import Sse


async def test_every_reader_gets_every_message_with_a_cursor(edge: Edge) -> None:
    outlet = edge.outlet()
    begin(outlet)
    readers = [await edge.events() for _ in range(3)]
    await eventually(lambda: len(outlet.clients) == 3)
    await feed(outlet, "t/0", 0, "one", "two")
    for reader in readers:
        assert [event.data for event in await reader.take(2)] == ["one", "two"]
        assert reader.last_id
        assert len(reader.last_id) <= 64
    assert outlet.counters.delivered == 6
    assert outlet.counters.connections == {"sse": 3}


async def test_head(edge: Edge) -> None:
    begin(edge.outlet())
    reader = await edge.events()
    assert reader.status == 200
    assert reader.headers["content-type"] == "text/event-stream"
    assert reader.headers["cache-control"] == "no-cache"
    assert reader.headers["connection"] == "close"


async def test_http_1_0_reader_gets_no_chunks(edge: Edge) -> None:
    """S-42."""
    outlet = edge.outlet(LIVE)
    reader = await edge.events(version="1.0")
    await eventually(lambda: outlet.clients)
    await outlet.write([message("one")])
    assert [event.data for event in await reader.take()] == ["one"]
    assert bytes(reader.raw) == b"data: one\n\n"
    outlet.close()
    assert await reader.rest() == []


async def test_live_looks_as_bentos(edge: Edge) -> None:
    outlet = edge.outlet(LIVE)
    reader = await edge.events()
    await eventually(lambda: outlet.clients)
    await outlet.write([message("one"), message("two\nlines\n"), message("")])
    assert [event.data for event in await reader.take(3)] == ["one", "two\nlines\n", ""]
    assert bytes(reader.raw) == b"data: one\n\ndata: two\ndata: lines\ndata: \n\ndata: \n\n"


@given(st.text(st.sampled_from("a\r\n:id datretry0\0\u2028é\ufeff"), max_size=40))
def test_text_cannot_forge_a_field_or_an_event(text: str) -> None:
    """S-43, D11: whatever a message says, a reader sees one event with that text (CR and CRLF read as LF) and our id."""
    from gateway.hub.parts import Reader

    reader = Reader(None, None, 200, {})  # type: ignore[arg-type]  # only its parser is used
    reader.read(Sse(chunked=False).frame(text.encode(), "cursor"))
    event = reader.events.pop()
    assert not reader.events
    assert event.data == text.replace("\r\n", "\n").replace("\r", "\n")
    assert (event.type, event.id, reader.retry, reader.comments) == ("message", "cursor", None, [])


async def test_large_and_binary_messages(edge: Edge) -> None:
    """S-43: 5 MB, binary."""
    outlet = edge.outlet(LIVE)
    reader = await edge.events()
    await eventually(lambda: outlet.clients)
    await outlet.write([message("x" * 5_000_000), message(b"\xff\x00\xfe")])
    large, binary = await reader.take(2)
    assert len(large.data) == 5_000_000
    assert binary.data == "\ufffd\0\ufffd"


async def test_filtered_messages_move_the_cursor_with_the_heartbeat(edge: Edge) -> None:
    """S-48: an idle stream has heartbeats; they carry the position alone."""
    outlet = edge.outlet(replace(RESUME, heartbeat=0.05))
    begin(outlet)
    reader = await edge.events()
    await eventually(lambda: outlet.clients)
    await feed(outlet, "t/0", 0, "one")
    (one,) = await reader.take()
    outlet.advance({"t/0": 50})
    while reader.last_id == one.id:
        assert await reader.more()
    assert "heartbeat" in reader.comments
    assert reader.events == []
    await reader.close()
    await feed(outlet, "t/0", 50, "after")
    again = await edge.events(last_id=reader.last_id)
    assert [event.data for event in await again.take()] == ["after"]


async def test_heartbeats_of_live_are_comments(edge: Edge) -> None:
    edge.outlet(LIVE, replace(EVENTS, heartbeat=0.05))
    reader = await edge.events()
    while len(reader.raw) < 26:
        assert await reader.more()
    assert bytes(reader.raw[:26]) == b": heartbeat\n\n: heartbeat\n\n"


async def test_who_connects_before_the_input_begins_gets_no_history(edge: Edge) -> None:
    outlet = edge.outlet()
    reader = await edge.events()
    await eventually(lambda: outlet.clients)
    from penstock_gateway.registry import Begin

    outlet.begin(Begin({"t/0": 10}, {"t/0": 12}, {"t": "one"}))
    assert not outlet.ready
    await feed(outlet, "t/0", 10, "old", "older", "new")
    assert outlet.ready
    assert [event.data for event in await reader.take()] == ["new"]


async def test_what_is_left_unread_is_cut_after_its_last_whole_event(edge: Edge) -> None:
    """S-46: a reader that is cut inside an event keeps the cursor before it, and gets the event again."""
    outlet = edge.outlet()
    begin(outlet)
    reader = await edge.events()
    await eventually(lambda: outlet.clients)
    await feed(outlet, "t/0", 0, "one", "two")
    (one,) = await reader.take()
    await reader.close()
    again = await edge.events(last_id=one.id)
    assert [event.data for event in await again.take()] == ["two"]


async def test_revoked_readers_hear_why(edge: Edge) -> None:
    """S-47: key revoked mid-stream."""
    outlet = edge.outlet()
    begin(outlet)
    stays = await edge.events()
    edge.grant = Allowed("shop/revoked")
    goes = await edge.events()
    await eventually(lambda: len(outlet.clients) == 2)
    assert (
        edge.hub.close_clients("shop/orders", lambda grant: "KeyRevoked" if grant.consumer == "shop/revoked" else None)
        == 1
    )
    (event,) = await goes.rest()
    assert (event.type, event.json) == ("penstock.limit", {"reason": "KeyRevoked"})
    await feed(outlet, "t/0", 0, "one")
    assert [event.data for event in await stays.take()] == ["one"]


async def test_expired_readers_are_let_go(edge: Edge) -> None:
    """S-47: token expires mid-stream."""
    begin(edge.outlet())
    edge.grant = Allowed(expires=asyncio.get_running_loop().time() + 0.2)
    reader = await edge.events()
    (event,) = await reader.rest()
    assert (event.type, event.json) == ("penstock.limit", {"reason": "Expired"})


async def test_draining_moves_readers_off_with_their_position(edge: Edge) -> None:
    """D15: every stream ends in order, with `retry` and the freshest cursor."""
    outlet = edge.outlet()
    begin(outlet)
    readers = [await edge.events() for _ in range(5)]
    await eventually(lambda: len(outlet.clients) == 5)
    await feed(outlet, "t/0", 0, "one")
    for reader in readers:
        await reader.take()
    outlet.advance({"t/0": 9})
    await edge.hub.drain(jitter=0.05)
    for reader in readers:
        assert await reader.rest() == []
        assert reader.retry is not None
        assert 0 <= reader.retry <= 1000
    assert not outlet.clients
    again = await edge.events(last_id=readers[0].last_id)
    await feed(outlet, "t/0", 9, "two")
    assert [event.data for event in await again.take()] == ["two"]


async def test_a_reader_that_talks_is_cut(edge: Edge) -> None:
    outlet = edge.outlet()
    begin(outlet)
    reader = await edge.events()
    await eventually(lambda: outlet.clients)
    reader.writer.write(b"GET / HTTP/1.1\r\n\r\n" * 10_000)
    await eventually(lambda: not outlet.clients)


async def test_raw_stream(edge: Edge) -> None:
    outlet = edge.outlet(LIVE, replace(EVENTS, stream_format="raw_bytes"))
    waiting = asyncio.create_task(edge.events())
    await eventually(lambda: outlet.clients)
    await outlet.write([message("m1"), message("m2")])
    await outlet.write([message("m3")])
    reader = await waiting
    assert reader.headers["content-type"] == "text/plain; charset=utf-8"
    outlet.close()
    await reader.rest()
    assert bytes(reader.raw) == b"m1\nm2\n\nm3\n"


@pytest.mark.parametrize("body", [b"<html><p>", b"\x89PNG\r\n\x1a\n", b"\0\1"])
async def test_raw_stream_guesses_its_type(edge: Edge, body: bytes) -> None:
    outlet = edge.outlet(LIVE, replace(EVENTS, stream_format="raw_bytes"))
    waiting = asyncio.create_task(edge.events())
    await eventually(lambda: outlet.clients)
    await outlet.write([message(body)])
    kinds = {b"<": "text/html; charset=utf-8", b"\x89": "image/png", b"\0": "application/octet-stream"}
    assert (await waiting).headers["content-type"] == kinds[body[:1]]


async def test_reader_of_a_raw_stream_may_leave_before_the_first_message(edge: Edge) -> None:
    outlet = edge.outlet(LIVE, replace(EVENTS, stream_format="raw_bytes"))
    waiting = asyncio.create_task(edge.events())
    await eventually(lambda: outlet.clients)
    edge.writers[-1].transport.abort()
    await eventually(lambda: not outlet.clients)
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await waiting
