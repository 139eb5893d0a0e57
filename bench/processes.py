"""Processes that measurements need: a gateway with one API, and a bare application to compare with."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from penstock_operator import keys

STREAMS: list[dict[str, Any]] = [
    {
        "name": "publish",
        "config": {
            "input": {"http_server": {"path": "/publish"}},
            "output": {"kafka": {"addresses": ["${BROKERS}"], "topic": "orders", "ack_replicas": True}},
        },
    },
    {
        "name": "live",
        "config": {
            "input": {"kafka": {"addresses": ["${BROKERS}"], "topics": ["orders"]}},
            "output": {"http_server": {"stream_path": "/events", "stream_format": "event_source", "ws_path": "/ws"}},
        },
        "delivery": {"mode": "Broadcast", "guarantee": "Resume", "history": {"duration": 60, "size": 16 << 20}},
    },
]


def free_port() -> int:
    """A loopback port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_documents(folder: Path, brokers: str, key: str, streams: list[dict[str, Any]]) -> None:
    """The documents of one API, `bench/orders` under `/orders`, with one key that has a generous rate."""
    for name in ("access", "keys", "signing"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    api = {
        "namespace": "bench",
        "name": "orders",
        "id": "bench",
        "variables": {"BROKERS": {"value": brokers}},
        "streams": streams,
    }
    limits = {"rate": {"requests": 10_000_000, "window": 60}}
    access = {
        "version": 1,
        "namespace": "bench",
        "name": "orders",
        "state": "Active",
        "listenPath": "/orders",
        "replicas": 1,
        "authentication": {"mode": "Any", "methods": [{"name": "key", "apiKey": {"header": "Authorization"}}]},
        "limits": {},
        "policies": {"bench/gold": {"state": "Active", "limits": limits, "paths": []}},
    }
    digest = hashlib.sha256(key.encode()).hexdigest()
    record = {"id": "pub", "uid": "u1", "key": "bench/client", "state": "Active", "policies": ["bench/gold"]}
    signing = {"current": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ="}
    for name, document in (
        ("access/bench.orders.json", access),
        ("keys/bench.orders-0.json", {"version": 1, "keys": {digest: record}}),
        ("signing/bench.orders.json", signing),
        ("admin.json", {"token": secrets.token_hex(16)}),
        ("pipeline.json", {"version": 1, "apis": [api]}),
    ):
        (folder / name).write_text(json.dumps(document))


def wait_for(port: int, path: str, process: subprocess.Popen[bytes], seconds: float = 30.0) -> None:
    """Until a loopback port's path answers 200."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"the process ended with {process.returncode}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        time.sleep(0.02)
    raise AssertionError(f"port {port} was not ready in {seconds} s")


@contextlib.contextmanager
def start_gateway(
    folder: Path, brokers: str, streams: list[dict[str, Any]] | None = None
) -> Iterator[tuple[int, int, str]]:
    """A gateway process; gives its pid, its port and a key."""
    key = keys.mint(secrets.token_bytes(keys.ENTROPY))
    write_documents(folder, brokers, key, STREAMS if streams is None else streams)
    port, admin = free_port(), free_port()
    command = [
        sys.executable,
        "-m",
        "penstock_gateway.main",
        "run",
        str(folder),
        "--port",
        str(port),
        "--admin-port",
        str(admin),
    ]
    with (folder / "gateway.log").open("wb") as log:
        process = subprocess.Popen([*command, "--log-level", "WARN"], stdout=log, stderr=log)  # noqa: S603 - our own command
    try:
        wait_for(admin, "/readyz", process)
        yield process.pid, port, key
    finally:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def start_bare_ingest(brokers: str) -> Iterator[tuple[int, int]]:
    """The application to compare with: its pid and port."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "bench.bare_ingest", brokers, str(port)])  # noqa: S603 - our own command
    try:
        wait_for(port, "/healthz", process)
        yield process.pid, port
    finally:
        process.terminate()
        process.wait(30)
