"""The shipped samples, as they are, on the embedded Kafka: every printed line does what it says."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from penstock_operator.local import session
from penstock_operator.local.session import Options

SAMPLES = Path(__file__).parents[3] / "config" / "samples"
pytest.importorskip("confluent_kafka", reason="the embedded Kafka needs confluent-kafka")


@pytest.fixture
async def facts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[dict[str, Any]]:
    """The facts of `dev.json`, and what was printed."""
    state = tmp_path / ".penstock"
    said: list[str] = []
    run = asyncio.create_task(session.run(Options(SAMPLES, state, "embedded", "127.0.0.1", 0, 0), said.append))
    async with asyncio.timeout(20):
        while not (state / "dev.json").exists() or not json.loads((state / "dev.json").read_text())["ready"]:
            assert not run.done(), said
            await asyncio.sleep(0.05)
    printed = capsys.readouterr().out
    yield json.loads((state / "dev.json").read_text()) | {"printed": printed, "said": said}
    os.kill(os.getpid(), signal.SIGINT)
    async with asyncio.timeout(30):
        assert await run == 0


async def data_of(response: aiohttp.ClientResponse) -> AsyncIterator[Any]:
    async for line in response.content:
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


def api(facts: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(it for it in facts["apis"] if it["name"] == name)
    return found


def key(facts: dict[str, Any], name: str) -> dict[str, str]:
    return {"Authorization": "Bearer " + next(it["key"] for it in facts["keys"] if it["name"] == name)}


async def test_orders_come_out_and_a_posted_one_arrives(facts: dict[str, Any]) -> None:
    assert re.fullmatch(r"127\.0\.0\.1:\d+", facts["kafka"])
    assert any("BROKERS" in line for line in facts["said"])
    orders = api(facts, "orders")
    assert orders["streams"] == {"live": {"sse": "/events", "ws": "/ws"}, "publish": {"post": "/publish"}}
    async with (
        asyncio.timeout(15),
        aiohttp.ClientSession(headers=key(facts, "mobile")) as client,
        client.get(orders["url"] + "/events") as response,
        client.ws_connect(orders["url"] + "/ws") as socket,
    ):
        async for order in data_of(response):
            assert "card" not in order
            break
        async with client.post(
            orders["url"] + "/publish", data=b'{"id": "mine", "customer": "me", "amount": 700}'
        ) as posted:
            assert posted.status == 200
        async for order in data_of(response):
            if order["id"] == "mine":
                assert order["large"] is True
                break
        while json.loads(await socket.receive_str())["id"] != "mine":
            pass


async def test_the_trial_meets_its_limit_by_hand(facts: dict[str, Any]) -> None:
    url = api(facts, "orders")["url"] + "/publish"
    async with aiohttp.ClientSession(headers=key(facts, "partner")) as client, asyncio.timeout(15):
        answers = []
        for _ in range(3):
            async with client.post(url, data=b'{"id": "x", "customer": "y", "amount": 1}') as response:
                answers.append((response.status, response.headers.get("Retry-After")))
    assert [status for status, _ in answers] == [200, 200, 429]
    assert 0 < float(answers[2][1] or 0) <= 11  # the oldest slot of the window counts whole


async def test_every_curl_line_works_as_printed(facts: dict[str, Any]) -> None:
    lines = re.findall(r"^  (curl .*)$", facts["printed"], re.MULTILINE)
    assert len(lines) == 2
    for line in lines:
        command = line.replace("curl ", "curl -sS --fail-with-body --max-time 3 ", 1)
        process = await asyncio.create_subprocess_shell(
            command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await asyncio.wait_for(process.communicate(), 10)
        streaming = "/events" in line
        assert process.returncode == (28 if streaming else 0), (line, err)  # 28: curl's time is over
        assert (b"data: {" in out) is streaming
