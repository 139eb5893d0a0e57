"""`penstock tail` against a server that cuts, limits and refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from penstock_operator.cli import client, tail


class Server:
    """Answers each connection with the next of its scripts: a status, or the text of a stream that then ends."""

    def __init__(self, *scripts: int | str) -> None:
        self.scripts = list(scripts)
        self.seen: list[str | None] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request.headers.get("Last-Event-ID"))
        script = self.scripts.pop(0)
        if isinstance(script, int):
            return web.Response(status=script, headers={"Retry-After": "0"}, text="no")
        return web.Response(text=script, content_type="text/event-stream")


@pytest.fixture
async def serve() -> AsyncIterator[Any]:
    runners: list[web.AppRunner] = []

    async def start(server: Server) -> client.Endpoint:
        app = web.Application()
        app.router.add_get("/", server.answer)
        runner = web.AppRunner(app)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return client.Endpoint(f"http://127.0.0.1:{runner.addresses[0][1]}/", "")

    yield start
    for runner in runners:
        await runner.cleanup()


async def read(place: client.Endpoint, count: int, cursor: str = "") -> int:
    async with asyncio.timeout(20):
        return await tail.Reader(place, count, cursor).run()


async def test_a_cut_stream_goes_on_where_it_was(serve: Any, capsys: pytest.CaptureFixture[str]) -> None:
    server = Server("retry: 10\n\nid: a\ndata: 1\n\nid: b\ndata: half", "id: b\ndata: 2\n\n")
    assert await read(await serve(server), 2, "start") == 0
    assert server.seen == ["start", "a"]
    printed = capsys.readouterr()
    assert printed.out == "1\n2\n"
    assert "connecting again in 0.01 s" in printed.err


async def test_a_limit_on_the_way_back_is_waited_for(serve: Any, capsys: pytest.CaptureFixture[str]) -> None:
    server = Server("retry: 10\nid: a\ndata: 1\n\n", 429, "id: b\ndata: 2\n\n")
    assert await read(await serve(server), 2) == 0
    assert server.seen == [None, "a", "a"]


async def test_other_events_are_told_apart_from_the_data(serve: Any, capsys: pytest.CaptureFixture[str]) -> None:
    server = Server('event: penstock.gap\nid: a\ndata: {"reason": "history"}\n\ndata: 1\n\n')
    assert await read(await serve(server), 1) == 0
    printed = capsys.readouterr()
    assert printed.out == "1\n"
    assert 'penstock.gap: {"reason": "history"}' in printed.err


@pytest.mark.parametrize("status", [401, 403, 404, 503])
async def test_a_refusal_ends_with_1(serve: Any, capsys: pytest.CaptureFixture[str], status: int) -> None:
    assert await read(await serve(Server(status)), 1) == 1
    assert str(status) in capsys.readouterr().err
