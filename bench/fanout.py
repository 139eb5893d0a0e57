"""Fan-out to readers of server-sent events with resume ids, against a C loop of send().

Rates are fixed and the schedule is open: a message carries the instant it was due, so waiting anywhere counts as latency. *Gateway* is
the whole process, reading a Kafka topic of four partitions; *hub* is a process with the hub alone (see `fanserver` for why).
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.processes import STREAMS, free_port, start_gateway
from bench.rows import ROOT, Unavailable, common_ground, cpu_seconds, pss_kib, row
from penstock_operator.embedded import EmbeddedKafka

WARM, SECONDS = 2.0, 6.0
RATES = ((100, 100), (1000, 20), (1000, 100))
"""Readers and messages per second."""
_CHUNK = 7
"""Bytes that the transfer coding adds to a read."""
IDLE_READERS = 5000
_PATH = "/orders/events"
_PAD = "x" * 130


@dataclass(frozen=True)
class Outcome:
    """What one run showed: µs of CPU per delivery, busy cores, share delivered, ms."""

    cpu: float
    cores: float
    delivered: float
    p50: float
    p99: float


def programs() -> tuple[Path, Path]:
    """The load client and the floor server, compiled."""
    compiler = shutil.which("gcc")
    if compiler is None:
        raise Unavailable("there is no C compiler for the load client")
    folder = ROOT / ".bench"
    folder.mkdir(exist_ok=True)
    made = []
    for name in ("fanclient", "floor_sse"):
        source, target = common_ground() / f"{name}.c", folder / name
        if not source.exists():
            raise Unavailable(f"{source.name} is not in the common ground")
        subprocess.run([compiler, "-O2", "-o", str(target), str(source)], check=True)  # noqa: S603 - our own sources
        made.append(target)
    return made[0], made[1]


def _message() -> bytes:
    document = {"id": "0123456789", "ts": time.monotonic_ns(), "user": "ada", "amount": 129.95, "note": _PAD}
    return json.dumps(document, separators=(",", ":")).encode()


class _Schedule:
    """Produces keyed messages at a fixed rate, each with the instant it is due."""

    def __init__(self, brokers: str, rate: float) -> None:
        from confluent_kafka import Producer

        self.producer = Producer({"bootstrap.servers": brokers, "linger.ms": 0, "log_level": 3})
        self.rate, self.sent = rate, 0

    def run(self, until: float) -> None:
        began, first = time.monotonic(), self.sent
        while time.monotonic() < until:
            due = first + int((time.monotonic() - began) * self.rate)
            while self.sent < due:
                self.producer.produce("orders", _message(), key=str(self.sent % 64).encode())
                self.sent += 1
            self.producer.poll(0)
            time.sleep(min(0.002, 0.5 / self.rate))
        self.producer.flush(10)


def _open_to_all(folder: Path) -> None:
    """Readers without a key: it is checked once per connection, and this measures what comes after."""
    path = folder / "access" / "bench.orders.json"
    document = json.loads(path.read_text())
    document["authentication"] = {"mode": "Any", "methods": []}
    path.write_text(json.dumps(document))


def _status(port: int) -> int:
    with socket.create_connection(("127.0.0.1", port), 2) as connection:
        connection.sendall(f"GET {_PATH} HTTP/1.1\r\nHost: b\r\n\r\n".encode())
        return int(connection.recv(4096).split()[1])


@contextlib.contextmanager
def _gateway(brokers: str) -> Iterator[tuple[int, int]]:
    with tempfile.TemporaryDirectory() as name, start_gateway(Path(name), brokers, STREAMS[1:]) as (pid, port, _):
        _open_to_all(Path(name))
        deadline = time.monotonic() + 10
        while _status(port) != 200:
            if time.monotonic() > deadline:
                raise AssertionError("the gateway did not take the access document")
            time.sleep(0.05)
        yield pid, port


def _frame_bytes(port: int, schedule: _Schedule | None, path: str = _PATH) -> float:
    """What one event takes, without transfer coding."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: b\r\n\r\n".encode())
        text = connection.recv(65536)
        while b"\r\n\r\n" not in text:
            text += connection.recv(65536)
        if schedule is not None:
            schedule.run(time.monotonic() + 0.3)
        while b"\ndata: " not in text or not text.endswith(b"\n\n"):
            text += connection.recv(65536)
    events = [part for part in text.split(b"\n\n") if b"\ndata: " in part]
    return len(events[-1]) + 2


def _readers(
    client: Path, port: int, count: int, size: float, seconds: float, path: str = _PATH
) -> subprocess.Popen[str]:
    command = [str(client), str(port), str(count), "sse", str(size), str(WARM), str(seconds), path]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603 - our own program
    assert process.stderr is not None
    if not process.stderr.readline().startswith("connected"):
        raise AssertionError("the readers could not connect")
    return process


def fan_out(client: Path, readers: int, rate: int) -> Outcome:
    """One run against a fresh gateway and broker."""
    with EmbeddedKafka() as kafka:
        kafka.ensure_topics("orders")
        with _gateway(kafka.address) as (pid, port):
            schedule = _Schedule(kafka.address, rate)
            size = _frame_bytes(port, schedule)
            load = _readers(client, port, readers, size, SECONDS + WARM)
            began = time.monotonic()
            schedule.run(began + WARM)
            used, sent = cpu_seconds(pid), schedule.sent
            schedule.run(began + WARM + SECONDS)
            used, sent = cpu_seconds(pid) - used, schedule.sent - sent
            found = json.loads(load.communicate(timeout=30)[0])
            size = (size + _frame_bytes(port, schedule)) / 2  # cursors grow with the offsets
    return _outcome(found, used, sent * readers, size)


def _outcome(found: dict[str, Any], used: float, due: float, size: float) -> Outcome:
    deliveries = (found["bytes"] - _CHUNK * found["reads"]) / size
    assert found["closed"] == 0, found
    return Outcome(used / deliveries * 1e6, used / SECONDS, deliveries / due, found["p50_ms"], found["p99_ms"])


def hub_alone(client: Path, readers: int, rate: int) -> Outcome:
    """One run against a fresh process with the hub alone."""
    port = free_port()
    command = [sys.executable, "-m", "bench.fanserver", str(port), str(rate)]
    process = subprocess.Popen(command, cwd=ROOT)  # noqa: S603 - our own command
    try:
        deadline = time.monotonic() + 10
        while True:
            try:
                size = _frame_bytes(port, None, "/events")
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        load = _readers(client, port, readers, size, SECONDS + WARM, "/events")
        time.sleep(WARM)
        used = cpu_seconds(process.pid)
        time.sleep(SECONDS)
        used = cpu_seconds(process.pid) - used
        found = json.loads(load.communicate(timeout=30)[0])
    finally:
        process.kill()
        process.wait()
    return _outcome(found, used, found["secs"] * rate * readers, size)


def floor(client: Path, server: Path, readers: int) -> float:
    """CPU µs per delivery of the C loop, as fast as it can."""
    port = free_port()
    process = subprocess.Popen([str(server), str(port), str(readers), "1"])  # noqa: S603 - our own program
    try:
        time.sleep(0.2)
        load = _readers(client, port, readers, 233, 4.0)
        time.sleep(1.0)
        used, began = cpu_seconds(process.pid), time.monotonic()
        time.sleep(2.5)
        used, lasted = cpu_seconds(process.pid) - used, time.monotonic() - began
        found = json.loads(load.communicate(timeout=30)[0])
    finally:
        process.kill()
        process.wait()
    return float(used / (found["deliveries_s"] * lasted) * 1e6)


def idle_memory(client: Path) -> float:
    """KiB of the gateway per reader that waits."""
    with EmbeddedKafka() as kafka:
        kafka.ensure_topics("orders")
        with _gateway(kafka.address) as (pid, port):
            before = pss_kib(pid)
            load = _readers(client, port, IDLE_READERS, 200, WARM + 3)
            time.sleep(2)
            after = pss_kib(pid)
            load.communicate(timeout=30)
    return (after - before) / IDLE_READERS


def measure(rounds: int) -> list[dict[str, Any]]:
    """All figures; medians of at most three rounds, gateway and floor in turn."""
    client, server = programs()
    rounds = min(rounds, 3)
    rows: list[dict[str, Any]] = []
    for kind, readers, rate in (*(("hub", *pair) for pair in RATES), ("gateway", *RATES[-1])):
        outcomes, floors = [], []
        for _ in range(rounds):
            outcomes.append((hub_alone if kind == "hub" else fan_out)(client, readers, rate))
            floors.append(floor(client, server, readers))
        name = f"{kind}, {readers} readers x {rate}/s"
        cpu, least = statistics.median(one.cpu for one in outcomes), statistics.median(floors)
        rows.append(row(f"{name}: CPU", cpu, "µs/delivery", "C send() loop", cpu / least))
        rows.append(row(f"{name}: cores", statistics.median(one.cores for one in outcomes), "cores"))
        rows.append(row(f"{name}: delivered", min(one.delivered for one in outcomes), "share"))
        if kind == "hub":
            rows.append(row(f"{name}: p50", statistics.median(one.p50 for one in outcomes), "ms"))
            rows.append(row(f"{name}: p99", statistics.median(one.p99 for one in outcomes), "ms"))
    rows.append(row("idle reader of server-sent events", idle_memory(client), "KiB"))
    return rows
