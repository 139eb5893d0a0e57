"""A gateway follows its folder: a disabled API stops, a changed variable restarts what uses it, a broken document changes nothing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from process.parts import GatewayProcess, events, gateway, new_key, write_folder

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


def ticking(word: str = "${WORD}") -> dict[str, Any]:
    mapping = f'root.word = "{word}"'
    return {
        "name": "live",
        "config": {
            "input": {"generate": {"interval": "50ms", "mapping": mapping}},
            "output": {"http_server": {"stream_path": "/events", "stream_format": "event_source"}},
        },
        "delivery": {"mode": "Broadcast", "guarantee": "Live"},
    }


def edit(path: Path, **fields: Any) -> None:
    """Change top-level fields of a JSON document, the way an operator does: whole file, at once."""
    document = json.loads(path.read_text()) | fields
    beside = path.with_name(f".{path.name}")
    beside.write_text(json.dumps(document))
    beside.replace(path)


async def streams_of(process: GatewayProcess) -> list[str]:
    headers = {"Authorization": "Bearer admin-token-of-the-test"}
    url = f"http://127.0.0.1:{process.admin_port}/status"
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as answer:
        return [stream["name"] for api in (await answer.json())["apis"].values() for stream in api]


async def test_a_disabled_api_stops_its_streams_and_comes_back(tmp_path: Path) -> None:
    key = new_key()
    write_folder(tmp_path / "g", [ticking("on")], key=key)
    access = tmp_path / "g" / "access" / "shop.orders.json"
    async with gateway(tmp_path / "g") as process, aiohttp.ClientSession(headers={"Authorization": key}) as session:
        url = f"{process.url}/orders/events"
        async with session.get(url) as stream, asyncio.timeout(10):
            follow = events(stream)
            assert "on" in (await anext(follow)).data
            edit(access, state="Disabled")
            assert [event.event async for event in follow][-1] == "penstock.limit"
        async with session.get(url) as refused:
            assert refused.status == 404
        async with asyncio.timeout(10):
            while await streams_of(process):
                await asyncio.sleep(0.05)
            edit(access, state="Active")
            while not await streams_of(process):
                await asyncio.sleep(0.05)
            async with session.get(url) as stream:
                assert "on" in (await anext(events(stream))).data


async def test_a_changed_variable_reaches_connected_clients(tmp_path: Path) -> None:
    key = new_key()
    folder = tmp_path / "g"
    write_folder(folder, [ticking()], key=key)
    (folder / "variables").mkdir()
    (folder / "variables" / "WORD").write_text("before")
    document = json.loads((folder / "pipeline.json").read_text())
    document["apis"][0]["variables"] = {"WORD": {"file": "variables/WORD"}}
    (folder / "pipeline.json").write_text(json.dumps(document))
    async with (
        gateway(folder) as process,
        aiohttp.ClientSession(headers={"Authorization": key}) as session,
        session.get(f"{process.url}/orders/events") as stream,
        asyncio.timeout(15),
    ):
        follow = events(stream)
        assert "before" in (await anext(follow)).data
        (folder / "variables" / "WORD").write_text("after")
        async for event in follow:
            if "after" in event.data:
                break


async def test_a_broken_pipeline_document_changes_nothing_and_is_told(tmp_path: Path) -> None:
    key = new_key()
    folder = tmp_path / "g"
    write_folder(folder, [ticking("good")], key=key)
    async with (
        gateway(folder) as process,
        aiohttp.ClientSession(headers={"Authorization": key}) as session,
        session.get(f"{process.url}/orders/events") as stream,
        asyncio.timeout(15),
    ):
        follow = events(stream)
        await anext(follow)
        (folder / "pipeline.json").write_text('{"version": 1, "apis": [')
        while "refused" not in process.log():
            await asyncio.sleep(0.05)
        assert "good" in (await anext(follow)).data


async def test_an_unreadable_access_document_denies(tmp_path: Path) -> None:
    """Access fails closed: 503, never an older state."""
    key = new_key()
    folder = tmp_path / "g"
    write_folder(folder, [ticking("x")], key=key)
    async with gateway(folder) as process, aiohttp.ClientSession(headers={"Authorization": key}) as session:
        url = f"{process.url}/orders/events"
        async with session.get(url) as stream, asyncio.timeout(15):
            follow = events(stream)
            await anext(follow)
            (folder / "access" / "shop.orders.json").write_text("{")
            assert [event.event async for event in follow][-1] == "penstock.limit"
        async with session.get(url) as refused:
            assert refused.status == 503
