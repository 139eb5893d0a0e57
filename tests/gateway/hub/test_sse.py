"""What readers of server-sent events get."""

from __future__ import annotations

from gateway.hub.parts import LIVE, Edge, begin, eventually, feed, message


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


async def test_reader_continues_where_it_was_cut(edge: Edge) -> None:
    outlet = edge.outlet()
    begin(outlet)
    reader = await edge.events()
    await feed(outlet, "t/0", 0, "one", "two", "three")
    await reader.take(2)
    cut = reader.last_id
    first = (await reader.take(1))[0]
    await reader.close()
    await feed(outlet, "t/0", 3, "four")
    again = await edge.events(last_id=first.id)
    assert [event.data for event in await again.take(1)] == ["four"]
    assert cut


async def test_live_has_neither_cursor_nor_comment(edge: Edge) -> None:
    outlet = edge.outlet(LIVE)
    reader = await edge.events()
    await eventually(lambda: outlet.clients)
    await outlet.write([message("one"), message("two\nlines\n")])
    assert [event.data for event in await reader.take(2)] == ["one", "two\nlines\n"]
    assert bytes(reader.raw) == b"data: one\n\ndata: two\ndata: lines\ndata: \n\n"
