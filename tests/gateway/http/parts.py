"""A gateway in this process, its folder of documents, and clients that talk to it over real sockets."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from penstock_gateway.main import Gateway

MOBILE = "pen_mobile_" + "m" * 40
OTHER = "pen_other__" + "o" * 40
DEADLINE = 6.0
"""Seconds; three times what is promised for a change of access."""

DELIVERY = {
    "mode": "Broadcast",
    "guarantee": "Live",
    "history": {"duration": 60, "size": 1 << 20},
    "slowConsumer": "Disconnect",
    "heartbeat": 15,
}
COMPETE = {**DELIVERY, "mode": "Compete"}


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def stream(name: str, source: Any, output: Any, *processors: Any, delivery: Any = COMPETE) -> dict[str, Any]:
    config = {"input": source, "pipeline": {"processors": list(processors)}, "output": output}
    return {"name": name, "config": config, "delivery": delivery}


ECHO = stream("echo", {"http_server": {"path": "/echo", "ws_path": "/echo/ws"}}, {"sync_response": {}})
META = stream("meta", {"http_server": {"path": "/meta", "ws_path": ""}}, {"sync_response": {}}, {"mapping": "root = @"})
LIVE = stream(
    "live",
    {"http_server": {"path": "/publish", "ws_path": ""}},
    {"http_server": {"path": "", "stream_path": "/events", "stream_format": "event_source", "ws_path": "/ws"}},
    delivery=DELIVERY,
)


def api_of(name: str, *streams: dict[str, Any]) -> dict[str, Any]:
    return {"namespace": "shop", "name": name, "id": name, "variables": {}, "files": {}, "streams": list(streams)}


def access_of(name: str, policies: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "namespace": "shop",
        "name": name,
        "state": "Active",
        "listenPath": f"/{name}",
        "replicas": 1,
        "authentication": {"mode": "Any", "methods": [{"name": "key", "apiKey": {"header": "Authorization"}}]},
        "limits": {},
        "cors": {},
        "policies": {"shop/gold": {"state": "Active", "limits": {}, "paths": []}} if policies is None else policies,
        **changes,
    }


def record(name: str = "mobile", **changes: Any) -> dict[str, Any]:
    base = {"id": name, "uid": f"uid of {name}", "key": f"shop/{name}", "state": "Active", "policies": ["shop/gold"]}
    return {**base, **changes}


class Site:
    """A running gateway and its folder. `get`, `post` … take a path from the root and return (status, headers, body)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gateway = Gateway(folder, port=0, admin_port=0)
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True, limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=["User-Agent"],
        )
        self._streams: list[aiohttp.ClientResponse] = []

    async def close(self) -> None:
        """The clients leave, then the gateway stops."""
        for answer in self._streams:
            answer.close()
        await self.session.close()
        await self.gateway.stop()

    def write(self, path: str, document: Any) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{target.name}.new")
        fresh.write_text(document if isinstance(document, str) else json.dumps(document))
        fresh.replace(target)

    def pipeline(self, *apis: dict[str, Any]) -> None:
        self.write("pipeline.json", {"version": 1, "apis": list(apis)})

    def access(self, name: str = "orders", policies: dict[str, Any] | None = None, **changes: Any) -> None:
        self.write(f"access/shop.{name}.json", access_of(name, policies, **changes))

    def keys(self, name: str = "orders", **records: Any) -> None:
        """Records by key text's name: mobile=…, other=…."""
        texts = {"mobile": MOBILE, "other": OTHER}
        found = {digest(texts[owner]): given for owner, given in records.items()}
        self.write(f"keys/shop.{name}-0.json", {"version": 1, "keys": found})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gateway.port}"

    async def call(self, method: str, path: str, key: str = MOBILE, **options: Any) -> tuple[int, Any, bytes]:
        headers = {**({"Authorization": f"Bearer {key}"} if key else {}), **options.pop("headers", {})}
        url = URL(self.url + path, encoded=True)
        async with self.session.request(method, url, headers=headers, allow_redirects=False, **options) as answer:
            return answer.status, answer.headers, await answer.read()

    async def get(self, path: str, key: str = MOBILE, **options: Any) -> tuple[int, Any, bytes]:
        return await self.call("GET", path, key, **options)

    async def post(self, path: str, data: Any = b"x", key: str = MOBILE, **options: Any) -> tuple[int, Any, bytes]:
        return await self.call("POST", path, key, data=data, **options)

    async def stream(self, path: str, key: str = MOBILE, **headers: str) -> aiohttp.ClientResponse:
        answer = await self.session.get(self.url + path, headers={"Authorization": f"Bearer {key}", **headers})
        self._streams.append(answer)
        return answer

    async def raw(self, data: bytes, *more: bytes, wait: float = 5.0) -> bytes:
        """Send bytes as they are, in as many segments, and read until the gateway closes or the time is over."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.gateway.port)
        answer = b""
        try:
            for piece in (data, *more):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            async with asyncio.timeout(wait):
                while got := await reader.read(65536):
                    answer += got
        except (TimeoutError, ConnectionError):
            pass
        finally:
            writer.close()
        return answer


def request(method: str = "POST", path: str = "/orders/echo", *lines: str, body: str = "", key: str = MOBILE) -> bytes:
    """The bytes of one request that closes its connection."""
    head = [f"{method} {path} HTTP/1.1", "Host: a", f"Authorization: {key}", "Connection: close", *lines]
    if body:
        head.append(f"Content-Length: {len(body)}")
    return ("\r\n".join([*head, "", body])).encode("latin-1")


def statuses(answer: bytes) -> list[int]:
    """The status codes of the answers in what a raw connection got."""
    return [int(code) for code in re.findall(rb"HTTP/1\.[01] (\d{3})", answer)]


async def eventually(check: Callable[[], Awaitable[Any]], seconds: float = DEADLINE) -> Any:
    """The first true result of `check`; fails when there is none in time."""
    until = time.monotonic() + seconds
    while True:
        if result := await check():
            return result
        assert time.monotonic() < until, "it did not happen in time"
        await asyncio.sleep(0.02)
