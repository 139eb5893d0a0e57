"""Resuming on any replica (D10): complete, in order, without repeats where the pipeline is 1:1; a gap is never silent."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from gateway.hub.conftest import Serve
from gateway.hub.parts import API, KEYS, RESUME, Edge, begin, message

from penstock_gateway.hub.hub import HubOutlet
from penstock_gateway.positions import Cursor, Layout, Pen, Seal

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
