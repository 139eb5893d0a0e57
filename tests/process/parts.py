"""Starts the product's own processes for tests, and reads their streams as an independent client would."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from penstock_operator import keys

DEADLINE = 30.0


def free_port() -> int:
    """A loopback port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_folder(
    folder: Path,
    streams: list[dict[str, Any]],
    *,
    key: str = "",
    policy: dict[str, Any] | None = None,
    api: str = "orders",
    bootstrap: str = "",
) -> None:
    """A gateway's folder for one API, `shop/<api>` under `/<api>`, with one key when `key` is given."""
    for name in ("access", "keys", "signing"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    document = {
        "version": 1,
        "apis": [
            {
                "namespace": "shop",
                "name": api,
                "id": f"id-{api}",
                "variables": {"BROKERS": {"value": bootstrap}},
                "streams": streams,
            }
        ],
    }
    methods = [{"name": "key", "apiKey": {"header": "Authorization"}}] if key else []
    access = {
        "version": 1,
        "namespace": "shop",
        "name": api,
        "state": "Active",
        "listenPath": f"/{api}",
        "replicas": 1,
        "authentication": {"mode": "Any", "methods": methods},
        "limits": {},
        "policies": {"shop/gold": {"state": "Active", "limits": policy or {}, "paths": []}},
    }
    digest = hashlib.sha256(key.encode()).hexdigest()
    record = {"id": "pub", "uid": "u1", "key": "shop/mobile", "state": "Active", "policies": ["shop/gold"]}
    (folder / "access" / f"shop.{api}.json").write_text(json.dumps(access))
    (folder / "keys" / f"shop.{api}-0.json").write_text(
        json.dumps({"version": 1, "keys": {digest: record} if key else {}})
    )
    seed = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ="
    (folder / "signing" / f"shop.{api}.json").write_text(json.dumps({"current": seed}))
    (folder / "admin.json").write_text(json.dumps({"token": "admin-token-of-the-test"}))
    (folder / "pipeline.json").write_text(json.dumps(document))


def new_key() -> str:
    """A key of the product's form."""
    return keys.mint(secrets.token_bytes(keys.ENTROPY))


@dataclass
class GatewayProcess:
    """One `penstock-gateway run` process."""

    folder: Path
    port: int = field(default_factory=free_port)
    admin_port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start and wait until `/readyz` says 200."""
        log = (self.folder.parent / f"gateway-{self.port}.log").open("ab")
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "penstock_gateway.main", "run", str(self.folder),
            "--port", str(self.port), "--admin-port", str(self.admin_port), stdout=log, stderr=log,
            env={**os.environ, "PYTHONSAFEPATH": "1"},
        )  # fmt: skip
        log.close()
        async with asyncio.timeout(DEADLINE), aiohttp.ClientSession() as session:
            while True:
                if self.process.returncode is not None:
                    raise AssertionError(f"the gateway ended with {self.process.returncode}: {self.log()[-2000:]}")
                with contextlib.suppress(aiohttp.ClientError, OSError):
                    async with session.get(f"http://127.0.0.1:{self.admin_port}/readyz") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.05)

    def log(self) -> str:
        return (self.folder.parent / f"gateway-{self.port}.log").read_text()

    async def until_metric(self, name: str, least: float) -> None:
        """Wait until the sum of a metric's samples is at least so much."""
        async with asyncio.timeout(DEADLINE), aiohttp.ClientSession() as session:
            while True:
                async with session.get(f"http://127.0.0.1:{self.admin_port}/metrics") as answer:
                    lines = (await answer.text()).splitlines()
                if sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + "{")) >= least:
                    return
                await asyncio.sleep(0.05)

    async def stop(self, kill: bool = False) -> int:
        """End it (SIGTERM, or SIGKILL) and wait for its status."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        async with asyncio.timeout(DEADLINE):
            return await self.process.wait()


@contextlib.asynccontextmanager
async def gateway(folder: Path) -> AsyncIterator[GatewayProcess]:
    """A running gateway for a folder."""
    process = GatewayProcess(folder)
    await process.start()
    try:
        yield process
    finally:
        await process.stop(kill=True)


@dataclass
class Event:
    """One server-sent event."""

    data: str
    id: str = ""
    event: str = "message"


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[Event]:
    """The events of a response; those without data (heartbeats that only move the id) have empty data."""
    data: list[str] = []
    identity, kind, seen = "", "message", False
    while line := await response.content.readline():
        text = line.decode().rstrip("\n")
        if not text:
            if seen:
                yield Event("\n".join(data), identity, kind)
            data, kind, seen = [], "message", False
            continue
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name == "id":
            identity = value
        elif name == "event":
            kind = value
        seen = seen or name in ("data", "id", "event")
