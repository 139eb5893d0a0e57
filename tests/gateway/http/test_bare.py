"""Bare configurations answer as Bento does, word for word."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest

from penstock_gateway.http.bare import BareSites
from penstock_gateway.metrics import Metrics
from penstock_gateway.registry import Cors, Request, Response, Route


def free() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


async def echo(request: Request) -> Response:
    return Response(200, [("Content-Type", "text/plain")], await request.body())


class Bare:
    """A shared listener with `/in` and one of its own with `/own/{id}`."""

    def __init__(self) -> None:
        self.shared, self.own = free(), free()
        self.sites = BareSites(Metrics(), self.shared)
        self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))

    async def start(self) -> None:
        cors = Cors(("http://a.test",), ("Content-Type",))
        self.sites.add_route(Route("/in", frozenset({"POST"}), respond=echo))
        self.sites.add_route(Route("/own/{id}", frozenset({"POST"}), respond=echo, address=self.own, cors=cors))
        await self.sites.start()
        await asyncio.gather(*self.sites._opening)

    async def ask(self, method: str, address: str, path: str, **headers: str) -> tuple[int, str, dict[str, str]]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"http://{address}{path}"
        async with self.session.request(method, url, data=b"hi", headers=named, allow_redirects=False) as answer:
            return answer.status, await answer.text(), dict(answer.headers)


@pytest.fixture
async def bare() -> AsyncIterator[Bare]:
    made = Bare()
    await made.start()
    yield made
    await made.session.close()
    await made.sites.close()


async def test_shared_and_own_listeners(bare: Bare) -> None:
    assert (await bare.ask("POST", bare.shared, "/in"))[:2] == (200, "hi")
    assert (await bare.ask("POST", bare.shared, "/bento/in"))[:2] == (200, "hi")
    assert (await bare.ask("GET", bare.shared, "/ping"))[:2] == (200, "pong")
    assert (await bare.ask("GET", bare.shared, "/ready"))[:2] == (200, "OK")
    assert (await bare.ask("POST", bare.own, "/own/7"))[:2] == (200, "hi")
    assert (await bare.ask("GET", bare.own, "/ping"))[0] == 404


async def test_the_texts_of_refusals(bare: Bare) -> None:
    status, text, headers = await bare.ask("POST", bare.shared, "/nope")
    assert (status, text) == (404, "404 page not found\n")
    assert (headers["Content-Type"], headers["X-Content-Type-Options"]) == ("text/plain; charset=utf-8", "nosniff")
    status, text, headers = await bare.ask("GET", bare.shared, "/in")
    assert (status, text) == (405, "Incorrect method\n")
    assert "Allow" not in headers
    status, text, headers = await bare.ask("POST", bare.own, "//own/x/../7?a=b")
    assert (status, text, headers["Location"]) == (301, "", "/own/7?a=b")


async def test_cross_origin_requests(bare: Bare) -> None:
    ask = {"Origin": "http://a.test", "Access_Control_Request_Method": "PUT"}
    status, _, headers = await bare.ask("OPTIONS", bare.own, "/own/7", **ask)
    assert (status, headers["Access-Control-Allow-Origin"], headers["Access-Control-Allow-Methods"]) == (
        200,
        "http://a.test",
        "PUT",
    )
    assert (await bare.ask("OPTIONS", bare.own, "/own/7", Origin="http://a.test"))[0] == 400
    assert (await bare.ask("OPTIONS", bare.own, "/own/7", **{**ask, "Access_Control_Request_Method": "TRACE"}))[
        0
    ] == 405
    assert (await bare.ask("OPTIONS", bare.own, "/own/7", **ask, Access_Control_Request_Headers="x-a"))[0] == 403
    status, _, headers = await bare.ask("OPTIONS", bare.own, "/own/7", **{**ask, "Origin": "http://b.test"})
    assert (status, "Access-Control-Allow-Origin" in headers) == (200, False)
    _, _, headers = await bare.ask("POST", bare.own, "/nope", Origin="http://a.test")
    assert headers["Access-Control-Allow-Origin"] == "http://a.test"
