"""Servers for the tests of the hub."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Literal

import pytest
import uvloop
from aiohttp import web

from gateway.hub.parts import API, Edge
from penstock_gateway.http import poll, sse, websocket
from penstock_gateway.hub.hub import Hub, HubOutlet

Serve = Callable[[], Awaitable[Edge]]


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Both loops: they differ in when they write, pause and report a lost connection."""
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts servers; each call makes a hub of its own, as each gateway process has."""
    runners: list[web.AppRunner] = []
    edges: list[Edge] = []

    async def start() -> Edge:
        edge = Edge(Hub(), 0)
        edges.append(edge)

        def asked(request: web.Request) -> tuple[HubOutlet, str | None, Literal["header", "query"]]:
            outlet = next(
                found for found in edge.hub.outlets(API) if found.stream == f"{API}/{request.match_info['stream']}"
            )
            if "cursor" in request.query:
                return outlet, request.query["cursor"], "query"
            return outlet, request.headers.get("Last-Event-ID"), "header"

        async def answer(request: web.Request) -> web.StreamResponse:
            outlet, text, origin = asked(request)
            return await sse.serve(request, outlet, edge.grant, cursor_text=text, origin=origin)

        async def socket(request: web.Request) -> web.StreamResponse:
            outlet, text, origin = asked(request)
            return await websocket.serve(request, outlet, edge.grant, cursor_text=text, origin=origin)

        async def single(request: web.Request) -> web.StreamResponse:
            outlet, text, origin = asked(request)
            return await poll.serve(request, outlet, edge.grant, cursor_text=text, origin=origin)

        app = web.Application()
        app.router.add_get("/{stream}/events", answer)
        app.router.add_get("/{stream}/ws", socket)
        app.router.add_get("/{stream}/get", single)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        edge.port = runner.addresses[0][1]
        return edge

    yield start
    for edge in edges:
        await edge.close()
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def edge(serve: Serve) -> Edge:
    """One server."""
    return await serve()
