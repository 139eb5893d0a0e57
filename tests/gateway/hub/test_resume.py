"""Resuming on any replica (D10): complete, in order, without repeats where the pipeline is 1:1; a gap is never silent."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.hub.conftest import Serve
from gateway.hub.parts import API, KEYS, LIVE, RESUME, Edge, Event, Reader, begin, eventually, feed, message
from penstock_gateway.hub.hub import HubOutlet
from penstock_gateway.positions import Cursor, Layout, Pen, Seal
from penstock_gateway.registry import Begin

SOURCES = [f"t/{number}" for number in range(4)]


class Producer:
    """Feeds one replica the same partitions as the others, in an order of its own; some messages are filtered, some make several frames."""

    def __init__(self, outlet: HubOutlet, dice: random.Random, most: int, copies: int = 1) -> None:
        self.outlet, self.dice, self.most, self.copies = outlet, dice, most, copies
        self.at = dict.fromkeys(SOURCES, 0)

    @property
    def done(self) -> bool:
        return all(at >= self.most for at in self.at.values())

    async def step(self) -> None:
        """One wave: a few messages of one partition."""
        source = self.dice.choice([source for source, at in self.at.items() if at < self.most])
        start = self.at[source]
        end = min(self.most, start + self.dice.randint(1, 9))
        batch = [
            message(f"{source}:{offset}:{k}", source, offset)
            for offset in range(start, end)
            if offset % 5 != 3
            for k in range(self.copies)
        ]
        if batch:
            await self.outlet.write(batch)
        self.outlet.advance({source: end})
        self.at[source] = end


def expected(source: str, most: int, copies: int) -> list[str]:
    return [f"{source}:{offset}:{k}" for offset in range(most) if offset % 5 != 3 for k in range(copies)]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("copies", [1, 3])
async def test_hopping_between_replicas_is_complete_ordered_and_without_repeats(
    serve: Serve, seed: int, copies: int
) -> None:
    dice = random.Random(seed)
    most = 60
    edges = [await serve() for _ in range(2)]
    plan = replace(RESUME, shape="1:1" if copies == 1 else "1:n", pipeline="v1")
    producers = [
        Producer(edge.outlet(plan), random.Random(seed * 10 + number), most, copies)
        for number, edge in enumerate(edges)
    ]
    for producer in producers:
        begin(producer.outlet, SOURCES)

    async def produce() -> None:
        while not all(producer.done for producer in producers):
            producer = dice.choice([producer for producer in producers if not producer.done])
            await producer.step()
            await asyncio.sleep(0)

    # the reader must begin before the first message, or what came before its first connection is rightly not its own
    start = Pen(Seal(KEYS, API, "live"), Layout(SOURCES, {"t": "one"})).write(Cursor(dict.fromkeys(SOURCES, 0)))
    first = await edges[0].events(last_id=start)
    await first.close()
    work = asyncio.create_task(produce())
    want = {source: expected(source, most, copies) for source in SOURCES}
    got = await hop_from(start, edges, dice, sum(map(len, want.values())))
    await work
    for source in SOURCES:
        assert [body for body in got if body.startswith(source + ":")] == want[source]


async def hop_from(start: str, edges: Sequence[Edge], dice: random.Random, total: int) -> list[str]:
    """Read on one replica after another, cut at random events, until everything has come."""
    got: list[str] = []
    last = start
    while len(got) < total:
        reader = await dice.choice(edges).events(last_id=last)
        wanted = dice.randint(1, 40)
        while wanted and len(got) < total:
            try:
                event = (await asyncio.wait_for(reader.take(1), 0.2))[0]
            except TimeoutError:
                break  # this replica is behind: try another one
            assert event.type == "message", event
            got.append(event.data)
            last = event.id
            wanted -= 1
        await reader.close()
    return got


# --- gaps ---------------------------------------------------------------------------------------------------------------


async def test_beyond_the_history_is_a_gap(edge: Edge) -> None:
    """D10: beyond retention an explicit gap, never silence."""
    outlet = edge.outlet(replace(RESUME, size=0))
    begin(outlet)
    reader = await edge.events()
    await feed(outlet, "t/0", 0, "one")
    (one,) = await reader.take()
    await reader.close()
    await eventually(lambda: not outlet.clients)
    await feed(outlet, "t/0", 1, *[f"{number}:" + "x" * 5000 for number in range(60)])
    again = await edge.events(last_id=one.id)
    gap, following = await again.take(2)
    assert gap.type == "penstock.gap"
    assert gap.json["from"] == one.id
    assert gap.json["to"] == gap.id
    assert gap.json["reason"] == "history"
    first = int(following.data.partition(":")[0])
    assert 40 < first < 59
    rest = await again.take(59 - first)
    assert [int(event.data.partition(":")[0]) for event in rest] == list(range(first + 1, 60))
    assert outlet.counters.gaps == {"history": 1}
    assert outlet.counters.ring_bytes <= 80_000


@pytest.mark.parametrize("text", ["garbage", "AAAA", "-1", "A" * 5000])
async def test_a_bad_last_event_id_is_a_gap_and_a_fresh_start(edge: Edge, text: str) -> None:
    """S-41: EventSource stops for good on any status but 200."""
    outlet = edge.outlet()
    begin(outlet)
    await feed(outlet, "t/0", 0, "old")
    reader = await edge.events(last_id=text)
    assert reader.status == 200
    (gap,) = await reader.take()
    assert gap.type == "penstock.gap"
    assert gap.json["reason"] in ("malformed", "foreign")
    await feed(outlet, "t/0", 1, "new")
    assert [event.data for event in await reader.take()] == ["new"]
    assert reader.last_id != gap.id


async def test_a_bad_cursor_in_the_query_is_400(edge: Edge) -> None:
    """S-41."""
    begin(edge.outlet())
    reader = await edge.events(query="?cursor=garbage")
    assert reader.status == 400
    assert reader.headers["content-type"] == "application/problem+json"


async def test_a_cursor_in_the_query_resumes(edge: Edge) -> None:
    outlet = edge.outlet()
    begin(outlet)
    reader = await edge.events()
    await feed(outlet, "t/0", 0, "one", "two")
    one, _ = await reader.take(2)
    again = await edge.events(query=f"?cursor={one.id}")
    assert [event.data for event in await again.take()] == ["two"]


async def test_a_cursor_of_another_stream_is_foreign(edge: Edge) -> None:
    """S-41: of another stream."""
    for stream in ("live", "other"):
        begin(edge.outlet(stream=stream))
    reader = await edge.events()
    while not reader.last_id:
        assert await reader.more()
    other = await edge.events(last_id=reader.last_id, path="/other/events")
    (gap,) = await other.take()
    assert gap.json["reason"] == "foreign"


async def test_live_streams_refuse_cursors_and_clear_stale_ones(edge: Edge) -> None:
    edge.outlet(LIVE)
    assert (await edge.events(query="?cursor=AAAA")).status == 400
    reader = await edge.events(last_id="AAAA")
    (gap,) = await reader.take()
    assert (gap.type, gap.id) == ("penstock.gap", "")


async def test_a_topic_made_anew_is_a_gap_for_those_who_stay_and_those_who_return(edge: Edge) -> None:
    outlet = edge.outlet()
    begin(outlet)
    stays, returns = await edge.events(), await edge.events()
    await feed(outlet, "t/0", 0, "one", "two")
    await stays.take(2)
    await returns.take(2)
    await returns.close()
    outlet.begin(Begin({"t/0": 0}, {"t/0": 0}, {"t": "two"}))
    await feed(outlet, "t/0", 0, "anew")
    gap, anew = await stays.take(2)
    assert (gap.type, gap.json["reason"], anew.data) == ("penstock.gap", "recreated", "anew")
    back = await edge.events(last_id=returns.last_id)
    gap, anew = await back.take(2)
    assert (gap.type, gap.json["reason"], anew.data) == ("penstock.gap", "recreated", "anew")


async def test_a_topic_id_that_is_not_known_for_a_moment_is_no_new_topic(edge: Edge) -> None:
    outlet = edge.outlet()
    begin(outlet)
    reader = await edge.events()
    await feed(outlet, "t/0", 0, "one")
    for epochs in ({}, {"t": "one"}):
        outlet.begin(Begin({"t/0": 1}, {"t/0": 1}, epochs))
    await feed(outlet, "t/0", 1, "two")
    assert [event.type for event in await reader.take(2)] == ["message", "message"]


async def test_a_cursor_the_replica_never_gets_to_is_a_gap(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    """S-41: future. The log was cut back: what comes now has offsets the client thinks it had."""
    monkeypatch.setattr("penstock_gateway.hub.outlet.AHEAD_SECONDS", 0.5)
    outlet = edge.outlet()
    begin(outlet)
    future = Pen(Seal(KEYS, API, "live"), Layout(["t/0"], {"t": "one"})).write(Cursor({"t/0": 1000}))
    reader = await edge.events(last_id=future)
    await feed(outlet, "t/0", 0, "passed over")
    (gap,) = await reader.take()
    assert (gap.type, gap.json["reason"], gap.json["from"]) == ("penstock.gap", "ahead", future)
    await feed(outlet, "t/0", 1, "new")
    assert [event.data for event in await reader.take()] == ["new"]


async def test_a_jump_of_the_input_is_a_gap(edge: Edge) -> None:
    outlet = edge.outlet()
    begin(outlet)
    reader = await edge.events()
    await feed(outlet, "t/0", 0, "one")
    await reader.take()
    outlet.begin(Begin({"t/0": 100}, {"t/0": 100}, {"t": "one"}))
    await feed(outlet, "t/0", 100, "far")
    gap, far = await reader.take(2)
    assert (gap.type, gap.json["reason"], far.data) == ("penstock.gap", "skipped", "far")


async def test_partitions_that_come_later_are_read_from_their_start(edge: Edge) -> None:
    """S-41: other partition count."""
    outlet = edge.outlet()
    begin(outlet)
    reader = await edge.events()
    await feed(outlet, "t/0", 0, "one")
    (one,) = await reader.take()
    await reader.close()
    outlet.begin(Begin({"t/0": 1, "t/1": 0}, {"t/0": 1, "t/1": 0}, {"t": "one"}))
    await feed(outlet, "t/1", 0, "first of the new one")
    again = await edge.events(last_id=one.id)
    assert [event.data for event in await again.take()] == ["first of the new one"]


async def test_a_reload_repeats_nothing_and_keeps_clients(edge: Edge) -> None:
    """D16: the new instance reads the history again; clients stay and see none of it twice."""
    outlet = edge.outlet()
    begin(outlet)
    reader = await edge.events()
    await feed(outlet, "t/0", 0, "one", "two")
    await reader.take(2)
    assert edge.outlet(replace(RESUME, pipeline="edited")) is outlet
    outlet.begin(Begin({"t/0": 0}, {"t/0": 2}, {"t": "one"}))
    await feed(outlet, "t/0", 0, "ONE", "TWO", "THREE")
    assert [event.data for event in await reader.take()] == ["THREE"]


async def test_merging_pipelines_repeat_rather_than_lose(edge: Edge) -> None:
    outlet = edge.outlet(replace(RESUME, shape="n:m"))
    begin(outlet)
    reader = await edge.events()
    await eventually(lambda: outlet.clients)
    await outlet.write([message("a+b", "t/0", 0), message("c+d", "t/0", 2)])
    outlet.advance({"t/0": 4})
    first, second = await reader.take(2)
    for last, want in ((first.id, ["a+b", "c+d", "next"]), (second.id, ["next"])):
        again = await edge.events(last_id=last)
        await eventually(lambda: len(outlet.clients) >= 2)
        if want == ["next"]:
            await feed(outlet, "t/0", 4, "next")
        assert [event.data for event in await again.take(min(len(want), 2))] == want[:2]


async def test_long_cursors_stand_on_the_last_event_of_a_write(edge: Edge) -> None:
    """With many partitions a cut may repeat what one write held, but loses nothing."""
    sources = [f"t/{number}" for number in range(40)]
    outlet = edge.outlet()
    begin(outlet, sources)
    reader = await edge.events()
    await eventually(lambda: outlet.clients)
    for source in sources:
        await feed(outlet, source, 0, *[f"{source}:{offset}" for offset in range(10)])
    events = await reader.take(400)
    assert len(reader.last_id) > 64
    at = next(index for index, event in enumerate(events) if event.id != events[0].id)
    again = await edge.events(last_id=events[at].id)
    rest = {event.data for event in await again.take(399 - at)}
    assert rest | {event.data for event in events[: at + 1]} == {
        f"{source}:{offset}" for source in sources for offset in range(10)
    }


async def test_cursors_are_the_same_for_all_wire_formats(edge: Edge) -> None:
    outlet = edge.outlet()
    begin(outlet)
    one, other = await edge.events(), await edge.events(version="1.0")
    await eventually(lambda: len(outlet.clients) == 2)
    await feed(outlet, "t/0", 0, "a", "b")
    assert [event.id for event in await one.take(2)] == [event.id for event in await other.take(2)]
    assert outlet.counters.views == 2


async def test_cut_at_any_byte(edge: Edge) -> None:
    """D10, S-46: what was not a whole event when the connection broke comes again, and nothing else does."""
    dice = random.Random(7)
    outlet = edge.outlet()
    begin(outlet, ["t/0", "t/1"])
    opening = await edge.events()
    while not opening.last_id:
        assert await opening.more()
    want = [f"{number}:" + "é\n" * dice.randint(0, 200) for number in range(400)]
    await feed(outlet, "t/0", 0, *want[:200])
    await feed(outlet, "t/1", 0, *want[200:])
    got: list[str] = []
    last, cuts = opening.last_id, 0
    while len(got) < len(want):
        reader = await edge.events(last_id=last, version="1.0")
        budget = dice.randint(1, 4000)
        while budget > 0 and (data := await asyncio.wait_for(reader.reader.read(budget), 5)):
            reader.read(data)
            budget -= len(data)
            if len(got) + len(reader.events) == len(want):
                break
        got += [event.data for event in reader.events]
        last = reader.last_id or last
        await reader.close()
        cuts += 1
    assert got == want
    assert cuts > 20


# --- slow readers -------------------------------------------------------------------------------------------------------


async def test_a_reader_that_stops_for_a_while_misses_nothing(edge: Edge) -> None:
    """S-45, D12: a paused reader keeps its place in the ring; the others do not wait for it."""
    outlet = edge.outlet()
    begin(outlet)
    slow, quick = await edge.events(), await edge.events()
    await eventually(lambda: len(outlet.clients) == 2)
    slow.writer.transport.pause_reading()  # type: ignore[attr-defined]  # asyncio's stream transports have it
    total = 1500
    bodies = [f"{number}:" + "x" * 20_000 for number in range(total)]
    reading = asyncio.create_task(quick.take(total))
    for start in range(0, total, 10):
        await feed(outlet, "t/0", start, *bodies[start : start + 10])
        await asyncio.sleep(0)
    assert [event.data for event in await reading] == bodies
    assert any(client.paused for client in outlet.clients)
    slow.writer.transport.resume_reading()  # type: ignore[attr-defined]
    assert [event.data for event in await slow.take(total)] == bodies
    await eventually(lambda: not any(client.paused for client in outlet.clients))


async def test_a_reader_overrun_by_the_ring_is_let_go_and_learns_of_the_gap(edge: Edge) -> None:
    """S-45: slowConsumer Disconnect."""
    outlet = edge.outlet(replace(RESUME, size=200_000))
    begin(outlet)
    reader = await edge.events()
    while not reader.last_id:
        assert await reader.more()
    reader.writer.transport.pause_reading()  # type: ignore[attr-defined]  # asyncio's stream transports have it
    offset = 0
    while outlet.clients:
        await feed(outlet, "t/0", offset, *["x" * 20_000] * 10)
        offset += 10
        await asyncio.sleep(0.001)
        assert offset < 100_000
    assert outlet.counters.closed == {"slow": 1}
    again = await edge.events(last_id=reader.last_id)
    (gap,) = await again.take()
    assert gap.json["reason"] == "history"


async def test_readers_that_return_together_share_what_is_encoded(edge: Edge) -> None:
    outlet = edge.outlet()
    begin(outlet)
    first = await edge.events()
    await feed(outlet, "t/0", 0, "one")
    (one,) = await first.take()
    await feed(outlet, "t/0", 1, *map(str, range(2000)))
    readers: list[Reader] = [await edge.events(last_id=one.id) for _ in range(20)]
    for reader in readers:
        events: list[Event] = await reader.take(2000)
        assert [event.data for event in events] == list(map(str, range(2000)))
    await feed(outlet, "t/0", 2001, "live again")
    for reader in readers:
        assert [event.data for event in await reader.take()] == ["live again"]
