"""One run of `penstock dev`: starts the broker and the gateway, follows the files, keeps `dev.json` true, drains at the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import watchfiles

from penstock_gateway.errors import ConfigError
from penstock_gateway.main import Gateway
from penstock_operator import console
from penstock_operator.local import report, show, sources
from penstock_operator.local.cluster import Applied, DirCluster
from penstock_operator.local.report import Report
from penstock_operator.world import Settings

READY_WITHIN = 20.0
"""Seconds to wait for the gateway before the table is shown as it is."""
TELL_AFTER = 3.0
"""Seconds after which somebody who waits is told what for."""
LOOK = 0.1
LONGEST_REST = 60.0
"""Seconds after which everything is looked at again although nothing has happened."""
SETTLE = 50
"""Milliseconds in which further edits join one pass."""


@dataclass(frozen=True, slots=True)
class Options:
    """What `penstock dev` was asked for. `kafka`: "", "embedded" or an address."""

    folder: Path
    state: Path
    kafka: str
    host: str
    port: int
    admin_port: int


async def run(options: Options, say: Callable[[str], None]) -> int:
    """Run until a signal; the exit code."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _Stop(stopping, say))
    async with contextlib.AsyncExitStack() as stack:
        kafka = _kafka(options.kafka, stack, say)
        if kafka is None:
            return console.UNREACHABLE
        port = _port(options)
        if port is None:
            say(f"penstock: port {options.port} of {options.host} is not free; choose another with --port")
            return console.UNREACHABLE
        variables = {"BROKERS": kafka} if kafka else {}
        if kafka:
            say(f"variable BROKERS is {kafka} in every StreamAPI (--kafka {options.kafka})")
        settings = Settings(shared_port=True, base_url=f"http://{options.host}:{port}", variables=variables)
        cluster = DirCluster([options.folder], options.state, settings)
        cluster.storage.remove("dev.json")
        return await _Session(options, cluster, kafka, port, stopping, say).run()


class _Stop:
    """The first signal drains, the second one ends at once."""

    def __init__(self, stopping: asyncio.Event, say: Callable[[str], None]) -> None:
        self.stopping, self.say = stopping, say

    def __call__(self) -> None:
        if self.stopping.is_set():
            os._exit(130)
        self.say("draining; once more to end at once")
        self.stopping.set()


def _kafka(wanted: str, stack: contextlib.AsyncExitStack, say: Callable[[str], None]) -> str | None:
    """The broker's address, "" without one, None when it cannot be had."""
    if wanted != "embedded":
        return wanted
    from penstock_operator import embedded

    try:
        broker = stack.enter_context(embedded.EmbeddedKafka())
    except embedded.EmbeddedUnavailable as error:
        say(f"penstock: {error}")
        return None
    return broker.address


def _port(options: Options) -> int | None:
    """The port to serve on, None when it is not free."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((options.host, options.port))
        except OSError:
            return None
        found: int = probe.getsockname()[1]
        return found


class _Session:
    """The loop of one run."""

    def __init__(
        self,
        options: Options,
        cluster: DirCluster,
        kafka: str,
        port: int,
        stopping: asyncio.Event,
        say: Callable[[str], None],
    ) -> None:
        self.options, self.cluster, self.kafka, self.port = options, cluster, kafka, port
        self.stopping, self.say = stopping, say
        self.told: set[str] = set()

    async def run(self) -> int:
        """Plan, serve, follow, drain."""
        applied = self._pass()
        if not applied.world.apis:
            self.say(f"there is no StreamAPI in {self.options.folder} yet")
        host = self.options.host
        gateway = Gateway(self.options.state, host=host, port=self.port, admin_port=self.options.admin_port)
        try:
            await gateway.start()
        except (ConfigError, OSError) as error:
            self.say(f"penstock: the gateway cannot start: {error}")
            return console.UNREACHABLE if isinstance(error, OSError) else console.FINDINGS
        try:
            applied = await self._settle(gateway)
            show.everything(self._publish(applied), applied, gateway.admin_port)
            await self._follow(gateway)
        finally:
            self.cluster.storage.remove("dev.json")
            await gateway.stop()
        return 0

    def _pass(self) -> Applied:
        """One pass over the files; what is new among problems and notes is told."""
        applied = self.cluster.apply()
        told = {console.line_of(problem) for problem in applied.problems} | set(applied.notes)
        for line in sorted(told - self.told):
            self.say(line)
        for line in sorted(self.told - told):
            if line not in applied.notes:
                self.say(f"mended: {line}")
        for event in applied.events:
            self.say(f"{event.reason}: {event.message}")
        self.told = told
        return applied

    def _publish(self, applied: Applied) -> Report:
        shown = report.report(self.cluster, applied, self.kafka)
        self.cluster.storage.write_json("dev.json", shown.facts())
        return shown

    async def _settle(self, gateway: Gateway) -> Applied:
        """Wait until every API that was accepted is ready, within limits; the pass that saw it."""
        loop = asyncio.get_running_loop()
        began, told = loop.time(), False
        while True:
            self.cluster.observe(gateway.status())
            applied = self._pass()
            waiting = _waiting(applied)
            if not waiting or loop.time() > began + READY_WITHIN or self.stopping.is_set():
                return applied
            if not told and loop.time() > began + TELL_AFTER:
                told = True
                self._publish(applied)
                for name, why in waiting.items():
                    self.say(f"waiting for {name}: {why}")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), LOOK)

    async def _follow(self, gateway: Gateway) -> None:
        """A pass for every edit, for every moment a plan asked for, and when the gateway says something new."""
        loop = asyncio.get_running_loop()
        seen: dict[str, Any] = {}
        shown, due = None, loop.time()
        async for edited in self._edits():
            status = gateway.status()
            if not edited and status == seen and loop.time() < due:
                continue
            seen = status
            self.cluster.observe(status)
            applied = self._pass()
            if edited and applied.changed:
                self.say("updated: " + ", ".join(applied.changed))
                applied = await self._settle(gateway)
            before, shown = shown, self._publish(applied)
            if before is not None and before.apis != shown.apis:
                show.states(shown)
            due = loop.time() + (applied.again_in or LONGEST_REST)

    async def _edits(self) -> AsyncIterator[bool]:
        """True after an edit, False every second (statuses, expiry); ends when the process should."""
        folder = self.options.folder.resolve()
        watched = folder.parent if folder.is_file() else folder

        def is_source(change: watchfiles.Change, path: str) -> bool:
            return sources.is_source(Path(path), folder)

        watch = watchfiles.awatch(
            watched,
            watch_filter=is_source,
            debounce=4 * SETTLE,
            step=SETTLE,
            stop_event=self.stopping,
            rust_timeout=1000,
            yield_on_timeout=True,
        )
        async for changes in watch:
            yield bool(changes)


def _waiting(applied: Applied) -> dict[str, str]:
    """The APIs that could be served and are not yet, and why."""
    found = {}
    for ref, done in applied.plans.items():
        ready = report.condition(done, "Ready")
        accepted = report.condition(done, "Accepted").get("status") == "True"
        if ref.kind == "StreamAPI" and accepted and ready.get("reason") in ("NoGateway", "RollingOut", "Updating"):
            found[str(ref.name)] = str(ready["message"])
    return found
