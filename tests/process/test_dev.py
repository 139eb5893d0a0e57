"""`penstock dev` on the samples: what the README promises, done as a person would, with curl and an editor."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import aiokafka
import pytest

from process.parts import events, free_port

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

SAMPLES = Path(__file__).resolve().parents[2] / "config" / "samples"


@dataclass
class Dev:
    """A running `penstock dev`."""

    folder: Path
    facts: dict[str, Any]
    output: Path
    process: asyncio.subprocess.Process

    def key(self, name: str) -> str:
        return next(str(key["key"]) for key in self.facts["keys"] if key["name"] == name)

    @property
    def url(self) -> str:
        return next(str(api["url"]) for api in self.facts["apis"] if api["name"] == "orders")

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / "samples" / file
        text = path.read_text()
        assert old in text, f"{old!r} is not in {file}"
        path.write_text(text.replace(old, new))

    def lines(self, pattern: str) -> list[str]:
        return re.findall(pattern, self.output.read_text(), re.MULTILINE)


@contextlib.asynccontextmanager
async def dev(folder: Path, edits: dict[str, tuple[str, str]] | None = None) -> AsyncIterator[Dev]:
    shutil.copytree(SAMPLES, folder / "samples")
    for file, (old, new) in (edits or {}).items():
        path = folder / "samples" / file
        path.write_text(path.read_text().replace(old, new))
    output = folder / "output.txt"
    with output.open("wb") as sink, (folder / "log.txt").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "penstock_operator.main", "dev", "samples", "--kafka", "embedded",
            "--port", str(free_port()), cwd=folder, stdout=sink, stderr=log, env={**os.environ, "COLUMNS": "200"},
        )  # fmt: skip
    facts_file = folder / ".penstock" / "dev.json"
    try:
        async with asyncio.timeout(30):
            while not facts_file.exists() or not json.loads(facts_file.read_text())["ready"]:
                assert process.returncode is None, (folder / "log.txt").read_text()
                await asyncio.sleep(0.05)
            while "curl" not in output.read_text():
                await asyncio.sleep(0.05)
        yield Dev(folder, json.loads(facts_file.read_text()), output, process)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            async with asyncio.timeout(30):
                assert await process.wait() == 0, (folder / "log.txt").read_text()[-3000:]


async def test_the_facts_are_written_for_programs(tmp_path: Path) -> None:
    async with dev(tmp_path) as running:
        facts = running.facts
    assert set(facts) >= {"ready", "kafka", "apis", "keys"}
    orders = next(api for api in facts["apis"] if api["name"] == "orders")
    assert orders["namespace"] == "default"
    assert orders["ready"] is True
    assert orders["streams"] == {"live": {"sse": "/events", "ws": "/ws"}, "publish": {"post": "/publish"}}
    assert {key["name"]: key["policies"] for key in facts["keys"]} == {"mobile": ["gold"], "partner": ["trial"]}
    assert all(key["key"].startswith("pen_") for key in facts["keys"])


async def test_every_printed_curl_line_works_as_printed(tmp_path: Path) -> None:
    async with dev(tmp_path) as running:
        lines = running.lines(r"^\s+(curl .+)$")
        assert len(lines) >= 2
        for line in lines:
            command = f"{line} --silent --show-error --fail-with-body --max-time 4"
            process = await asyncio.create_subprocess_shell(
                command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
            out, error = await process.communicate()
            if " -N " in line:
                assert b"data: {" in out, (line, out, error)
                assert process.returncode == 28, "an endless stream ends by curl's own time limit"
            else:
                assert process.returncode == 0, (line, out, error)


async def test_refusals_say_what_is_wrong(tmp_path: Path) -> None:
    async with dev(tmp_path) as running, aiohttp.ClientSession() as session:
        url = f"{running.url}/events"

        async def status(key: str | None) -> aiohttp.ClientResponse:
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            response = await session.get(url, headers=headers)
            response.close()
            return response

        missing = await status(None)
        assert missing.status == 401
        assert "WWW-Authenticate" in missing.headers
        assert missing.content_type == "application/problem+json"
        assert (await status(running.key("mobile")[:-1] + "x")).status == 401
        assert (await status(running.key("mobile"))).status == 200


async def test_over_the_rate_429_tells_the_truth_about_when_to_come_back(tmp_path: Path) -> None:
    async with dev(tmp_path) as running, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {running.key('partner')}"}

        async def publish() -> tuple[int, int]:
            async with session.post(
                f"{running.url}/publish", headers=headers, json={"id": "x", "amount": 1}
            ) as response:
                return response.status, int(response.headers.get("Retry-After", "0"))

        outcomes = [await publish() for _ in range(30)]
        refused = [wait for status, wait in outcomes if status == 429]
        assert refused, "the trial policy is tight enough to meet by hand"
        wait = refused[-1]
        assert 1 <= wait <= 60
        began = time.monotonic()
        await asyncio.sleep(wait)
        assert (await publish())[0] == 200, f"{time.monotonic() - began:.1f} s after Retry-After: {wait}"


async def test_a_posted_order_is_in_the_topic_before_the_answer_and_reaches_every_client(tmp_path: Path) -> None:
    async with dev(tmp_path) as running, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {running.key('mobile')}"}
        consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=running.facts["kafka"], auto_offset_reset="earliest")
        await consumer.start()
        try:
            partitions = [aiokafka.TopicPartition("orders", n) for n in range(4)]
            async with (
                session.get(f"{running.url}/events", headers=headers) as stream,
                session.ws_connect(f"{running.url}/ws", headers=headers) as socket,
            ):
                order = {"id": "order-of-the-test", "customer": "ada", "amount": 12.5}
                async with session.post(f"{running.url}/publish", headers=headers, json=order) as response:
                    assert response.status == 200, await response.text()
                ends = await consumer.end_offsets(partitions)
                consumer.assign(partitions)
                await consumer.seek_to_beginning(*partitions)
                assert await _topic_holds(consumer, ends, "order-of-the-test")
                async with asyncio.timeout(10):
                    async for event in events(stream):
                        if "order-of-the-test" in event.data:
                            break
                    async for frame in socket:
                        if "order-of-the-test" in frame.data:
                            break
        finally:
            await consumer.stop()


async def _topic_holds(consumer: Any, ends: dict[Any, int], text: str) -> bool:
    """Read up to the ends that were seen right after the answer."""
    async with asyncio.timeout(20):
        while True:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                if any(text.encode() in record.value for record in records):
                    return True
            positions = [await consumer.position(partition) >= end for partition, end in ends.items()]
            if all(positions):
                return False


async def test_a_disabled_key_loses_its_open_stream_within_two_seconds(tmp_path: Path) -> None:
    async with dev(tmp_path) as running, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {running.key('mobile')}"}
        async with session.get(f"{running.url}/events", headers=headers) as stream:
            assert stream.status == 200
            stream_of = events(stream)
            await anext(stream_of)
            text = (running.folder / "samples" / "keys.yaml").read_text()
            name = re.search(r"name: mobile.*?\nspec:\n", text, re.DOTALL)
            assert name
            running.edit("keys.yaml", name[0], name[0] + "  state: Disabled\n")
            began = time.monotonic()
            reason = ""
            async with asyncio.timeout(6):  # three times the promise
                async for event in stream_of:
                    if event.event == "penstock.limit":
                        reason = event.data
            print(f"closed {time.monotonic() - began:.2f} s after the edit: {reason}")
            assert "disabled" in reason
        async with session.get(f"{running.url}/events", headers=headers) as response:
            assert response.status == 403


async def test_an_edit_of_the_mapping_is_live_and_a_broken_one_keeps_the_last_good(tmp_path: Path) -> None:
    async with dev(tmp_path) as running, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {running.key('mobile')}"}
        async with session.get(f"{running.url}/events", headers=headers) as stream, asyncio.timeout(30):
            stream_of = events(stream)
            text = (running.folder / "samples" / "orders.yaml").read_text()
            line = re.search(r"^( +)root = .*$", text[text.index("name: orders\n") :], re.MULTILINE)
            assert line
            running.edit("orders.yaml", line[0], f"{line[0]}\n{line[1]}root.edited = true")
            async for event in stream_of:
                if '"edited":true' in event.data:
                    break
            running.edit("orders.yaml", "root.edited = true", "root.edited = = true")
            await _until(lambda: "expected query" in (running.folder / "log.txt").read_text())
            async for event in stream_of:
                if '"edited":true' in event.data:
                    break
        log = (running.folder / "log.txt").read_text()
        assert re.search(r"orders\.yaml:52:27 mapping ", log), "the mistake is told with the place inside the mapping"


async def _until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.05)
