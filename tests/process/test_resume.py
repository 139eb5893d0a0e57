"""Server-sent events continue on any replica: nothing missing, in order per partition, nothing twice for a 1:1 pipeline."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import aiohttp
import aiokafka
import pytest

from penstock_operator.embedded import EmbeddedKafka
from process.parts import GatewayProcess, events, gateway, new_key, write_folder

pytestmark = [pytest.mark.process, pytest.mark.timeout(180)]

MESSAGES, CLIENTS, CUTS = 20_000, 5, 50

STREAM: dict[str, Any] = {
    "name": "live",
    "config": {
        "input": {"kafka": {"addresses": ["${BROKERS}"], "topics": ["orders"]}},
        "pipeline": {"processors": [{"mapping": "root = this\nroot.seen = true"}]},
        "output": {"http_server": {"stream_path": "/events", "stream_format": "event_source"}},
    },
    "delivery": {"mode": "Broadcast", "guarantee": "Resume", "history": {"duration": 300, "size": 64 << 20}},
}


async def produce(bootstrap: str, first: int, count: int) -> None:
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=2)
    await producer.start()
    try:
        for start in range(first, first + count, 500):
            sent = [
                await producer.send("orders", json.dumps({"n": n}).encode(), partition=n % 4)
                for n in range(start, min(start + 500, first + count))
            ]
            await asyncio.gather(*sent)
    finally:
        await producer.stop()


class Reader:
    """A client that is cut now and then and comes back to the other gateway with its last id."""

    def __init__(self, gateways: list[GatewayProcess], key: str, seed: int) -> None:
        self.gateways, self.key = gateways, key
        self.random = random.Random(seed)
        self.last_id = ""
        self.seen: list[int] = []
        self.gaps: list[str] = []
        self.cuts = 0

    async def run(self, cuts: int, total: int) -> None:
        side = 0
        async with aiohttp.ClientSession() as session:
            while len(set(self.seen)) < total:
                cut_after = self.random.randrange(50, total // (cuts + 1)) if self.cuts < cuts else total
                await self._session(session, self.gateways[side % 2], cut_after, total)
                self.cuts += 1
                side += 1

    async def _session(self, session: aiohttp.ClientSession, to: GatewayProcess, cut_after: int, total: int) -> None:
        headers = {"Authorization": self.key} | ({"Last-Event-ID": self.last_id} if self.last_id else {})
        got = 0
        async with session.get(f"{to.url}/orders/events", headers=headers) as response:
            assert response.status == 200, await response.text()
            async for event in events(response):
                self.last_id = event.id or self.last_id
                if event.event == "penstock.gap":
                    self.gaps.append(event.data)
                elif event.data:
                    self.seen.append(json.loads(event.data)["n"])
                    got += 1
                if got >= cut_after or len(self.seen) >= total:
                    return


async def test_clients_hop_between_two_gateways_without_loss_or_repeat(tmp_path: Path) -> None:
    key = new_key()
    with EmbeddedKafka() as kafka:
        write_folder(tmp_path / "a", [STREAM], key=key, bootstrap=kafka.address)
        write_folder(tmp_path / "b", [STREAM], key=key, bootstrap=kafka.address)
        await produce(kafka.address, 0, 4)  # the topic is there
        async with gateway(tmp_path / "a") as first, gateway(tmp_path / "b") as second:
            readers = [Reader([first, second] if n % 2 else [second, first], key, n) for n in range(CLIENTS)]
            await asyncio.gather(*(_read_warm_up(reader) for reader in readers))
            async with asyncio.timeout(120):
                await asyncio.gather(
                    produce(kafka.address, 4, MESSAGES),
                    *(reader.run(CUTS // CLIENTS, MESSAGES) for reader in readers),
                )
    for reader in readers:
        numbers = reader.seen
        repeats = len(numbers) - len(set(numbers))
        print(f"cuts {reader.cuts}, messages {len(set(numbers))}, repeats {repeats}")
        assert sorted(set(numbers)) == list(range(4, MESSAGES + 4))
        assert repeats == 0
        assert reader.gaps == []
        for partition in range(4):
            mine = [n for n in numbers if n % 4 == partition]
            assert mine == sorted(mine)


async def _read_warm_up(reader: Reader) -> None:
    """Connect once before anything is sent, so that the client holds a cursor (the heartbeat's id)."""
    async with aiohttp.ClientSession() as session:
        to = reader.gateways[1]
        async with session.get(f"{to.url}/orders/events", headers={"Authorization": reader.key}) as response:
            assert response.status == 200, await response.text()
            async with asyncio.timeout(30):
                async for event in events(response):
                    if event.id:
                        reader.last_id = event.id
                        return


async def test_a_client_that_was_away_longer_than_the_history_is_told_of_the_gap(tmp_path: Path) -> None:
    key = new_key()
    small = {**STREAM, "delivery": {**STREAM["delivery"], "history": {"duration": 300, "size": 20_000}}}
    with EmbeddedKafka() as kafka:
        write_folder(tmp_path / "a", [small], key=key, bootstrap=kafka.address)
        await produce(kafka.address, 0, 4)
        async with gateway(tmp_path / "a") as only:
            reader = Reader([only, only], key, 1)
            await _read_warm_up(reader)
            await produce(kafka.address, 4, 4_000)  # about 100 kB of frames: far more than the ring holds
            await only.until_metric("penstock_input_received_total", 4_004)
            async with aiohttp.ClientSession() as session, asyncio.timeout(30):
                await reader._session(session, only, 10, 4_000)
    assert len(reader.gaps) == 1
    gap = json.loads(reader.gaps[0])
    assert gap["reason"] == "history"
    assert gap["from"]
    assert gap["to"]
    assert gap["from"] != gap["to"]
    assert min(reader.seen) > 4


async def test_a_gateway_killed_and_started_again_lets_its_clients_resume(tmp_path: Path) -> None:
    key = new_key()
    with EmbeddedKafka() as kafka:
        write_folder(tmp_path / "a", [STREAM], key=key, bootstrap=kafka.address)
        await produce(kafka.address, 0, 4)
        first = GatewayProcess(tmp_path / "a")
        await first.start()
        reader = Reader([first, first], key, 1)
        await _read_warm_up(reader)
        await produce(kafka.address, 4, 500)
        async with aiohttp.ClientSession() as session, asyncio.timeout(30):
            await reader._session(session, first, 200, 10_000)
        assert await first.stop(kill=True) == -9
        await produce(kafka.address, 504, 500)
        async with gateway(tmp_path / "a") as second, aiohttp.ClientSession() as session, asyncio.timeout(30):
            await reader._session(session, second, 800, 10_000)
    assert sorted(reader.seen) == list(range(4, 1004))
    assert reader.gaps == []


@pytest.mark.parametrize("cursor", ["nonsense", "AAAA", "%00%01", "x" * 5000])
async def test_a_malformed_cursor_is_refused_in_the_query_and_a_gap_in_the_header(tmp_path: Path, cursor: str) -> None:
    """S-3: an EventSource stops for good on any status but 200, so only the query parameter may be refused."""
    key = new_key()
    with EmbeddedKafka() as kafka:
        write_folder(tmp_path / "a", [STREAM], key=key, bootstrap=kafka.address)
        await produce(kafka.address, 0, 4)
        async with gateway(tmp_path / "a") as only, aiohttp.ClientSession() as session, asyncio.timeout(30):
            url = f"{only.url}/orders/events"
            async with session.get(url, params={"cursor": cursor}, headers={"Authorization": key}) as response:
                assert response.status == 400
                assert response.content_type == "application/problem+json"
            headers = {"Authorization": key, "Last-Event-ID": cursor}
            async with session.get(url, headers=headers) as response:
                assert response.status == 200
                first = await anext(events(response))
                assert first.event == "penstock.gap"
