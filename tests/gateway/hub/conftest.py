"""Servers for the tests of the hub."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from gateway.hub.parts import API, Edge

from penstock_gateway.http import sse
from penstock_gateway.hub.hub import Hub

Serve = Callable[[], Awaitable[Edge]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts servers; each call makes a hub of its own, as each gateway process has."""
    runners: list[web.AppRunner] = []
    edges: list[Edge] = []

    async def start() -> Edge:
        edge = Edge(Hub(), 0)
        edges.append(edge)

        async def answer(request: web.Request) -> web.StreamResponse:
            outlet = next(
                found for found in edge.hub.outlets(API) if found.stream == f"{API}/{request.match_info['stream']}"
            )
            text, origin = request.headers.get("Last-Event-ID"), "header"
            if "cursor" in request.query:
                text, origin = request.query["cursor"], "query"
            return await sse.serve(request, outlet, edge.grant, cursor_text=text, origin=origin)  # type: ignore[arg-type]

        app = web.Application()
        app.router.add_get("/{stream}/events", answer)
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
