"""Runs one bare Bento configuration as a process: environment as Bento fills it in, the host allowed, Bento's answers over HTTP."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from penstock_gateway import __version__, config, language, lint, streams, variables, yamltext
from penstock_gateway.config import Rules, StreamConfig
from penstock_gateway.delivery import DeliveryPlan, Guarantee, Mode
from penstock_gateway.engine.context import Surroundings
from penstock_gateway.engine.instance import Instance
from penstock_gateway.errors import ConfigError, Problem
from penstock_gateway.http.bare import BareSites
from penstock_gateway.hub.hub import Hub
from penstock_gateway.metrics import Metrics
from penstock_gateway.registry import Outlet, OutletOptions, Route

_log = logging.getLogger("penstock.run")
_API, _STREAM = "local/run", "stream"


def load(path: Path, names: Mapping[str, str]) -> StreamConfig:
    """The configuration of a file; raises ConfigError with every problem placed in the file."""
    try:
        text = path.read_text()
    except OSError as error:
        raise ConfigError([Problem(f"cannot read it: {error.strerror}", file=str(path))]) from error
    problems = lint.lint_bare(text, str(path), names)
    if problems:
        raise ConfigError(problems)
    document = yamltext.load(variables.replace_in_text(text, names)[0], str(path))
    stream, _ = config.parse_stream(document.data, (), Rules(bare=True))
    assert stream is not None, "lint found no problem"
    return stream


class _Edges:
    """Routes and outlets on the addresses that the configuration names."""

    def __init__(self, stream: StreamConfig, hub: Hub, sites: BareSites) -> None:
        self.stream, self.hub, self.sites = stream, hub, sites

    def route(self, api: str, stream: str, route: Route) -> Callable[[], None]:
        """Serve a path on its address, or on the shared one."""
        return self.sites.add_route(route)

    def outlet(self, api: str, stream: str, options: OutletOptions, delivery: DeliveryPlan) -> Outlet:
        """Serve an outlet on its address, or on the shared one."""
        outlet = self.hub.outlet(api, stream, options, delivery)
        self.sites.add_outlet(outlet)
        return outlet


async def run(path: Path, names: Mapping[str, str]) -> int:
    """Run until the input ends or a signal comes. 0 done, 1 failed start or an end that took too long."""
    stream = load(path, names)
    logging.getLogger().setLevel(
        {"TRACE": 5, "WARN": 30, "OFF": 100, "NONE": 100}.get(stream.log_level, stream.log_level)
    )
    metrics = Metrics(__version__)
    hub = Hub(metrics)
    sites = BareSites(metrics, stream.http_address if stream.http_enabled else None)
    environment = language.Environment(
        clock=time.time_ns,
        random=os.urandom,
        variables=names,
        files=lambda name: Path(name).read_bytes(),
        imports=lambda name: (path.parent / name).read_text(),
        hostname=socket.gethostname(),
        zone=streams.local_zone,
    )
    loop = asyncio.get_running_loop()
    plan = DeliveryPlan(Mode.COMPETE, Guarantee.LIVE, heartbeat=0.0)
    instance = Instance(
        stream,
        Surroundings(_API, _STREAM, plan, environment, metrics, _Edges(stream, hub, sites), loop.time, random.random),
    )
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    await instance.start()
    try:
        await sites.start()
    except OSError as error:  # as Bento: the stream runs on without the shared address
        _log.error("cannot listen on %s: %s", stream.http_address, error.strerror or error)
    gc.collect()
    gc.freeze()  # what is loaded stays, and messages go by reference counting: the collector has little to find
    gc.set_threshold(20_000, 20, 20)
    waits: set[asyncio.Task[Any]] = {asyncio.create_task(stopping.wait()), asyncio.create_task(instance.ended.wait())}
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    if not stopping.is_set():  # as Bento: it stays until somebody has heard that the stream is over
        waits |= {asyncio.create_task(hub.part(_API))}
        await asyncio.wait([wait for wait in waits if not wait.done()], return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    await sites.refuse()
    in_time = await instance.stop(stream.shutdown_timeout)
    hub.remove(_API)
    await sites.close()
    return 0 if in_time else 1


def main(path: Path, names: Mapping[str, str] | None = None) -> int:
    """Run a file in a loop of its own; problems go to standard error as `file:line:col rule message`."""
    import uvloop

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(run(path, os.environ if names is None else names))
    except ConfigError as error:
        for problem in error.problems:
            print(f"{problem.file or path}:{problem.line}:{problem.column} {problem.rule} {problem}", file=sys.stderr)
        return 1
