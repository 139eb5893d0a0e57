"""Builds an output of a configuration without a gateway around it."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from penstock_gateway import config, language
from penstock_gateway.config import Rules
from penstock_gateway.delivery import DeliveryPlan, Guarantee, Mode
from penstock_gateway.engine.chain import Chain
from penstock_gateway.engine.context import EngineContext, Surroundings
from penstock_gateway.engine.sink import Sink
from penstock_gateway.metrics import Metrics
from penstock_gateway.registry import Outlet, OutletOptions, Route


class NoEdges:
    """These outputs meet no clients."""

    def route(self, api: str, stream: str, route: Route) -> Any:
        raise AssertionError("no route expected")

    def outlet(self, api: str, stream: str, options: OutletOptions, delivery: DeliveryPlan) -> Outlet:
        raise AssertionError("no outlet expected")


def surroundings(metrics: Metrics) -> Surroundings:
    """What the components of one stream share."""
    files = lambda name: Path(name).read_bytes()  # noqa: E731  # one line is enough
    environment = language.Environment(clock=time.time_ns, random=os.urandom, files=files)
    plan = DeliveryPlan(Mode.COMPETE, Guarantee.LIVE)
    clock = asyncio.get_running_loop().time
    return Surroundings("shop/x", "s", plan, environment, metrics, NoEdges(), clock, lambda: 0.5)


def build_chain(processors: list[dict[str, Any]], metrics: Metrics | None = None, **root: Any) -> Chain:
    """The runtime of processors; `root` adds sections to the configuration."""
    source = {"generate": {"mapping": "root = 1"}}
    data = {"input": source, "pipeline": {"processors": processors}, "output": {"drop": {}}, **root}
    stream, problems = config.parse_stream(data, (), Rules(bare=True))
    assert stream is not None, problems
    shared = surroundings(metrics or Metrics())
    shared.resources = stream.resources
    return EngineContext(shared).chain(stream.processors)


async def build_output(output: dict[str, Any]) -> Sink:
    """The runtime of an output, connected with everything inside it."""
    data = {"input": {"generate": {"mapping": "root = 1"}}, "output": output}
    stream, problems = config.parse_stream(data, (), Rules(bare=True))
    assert stream is not None, problems
    shared = surroundings(Metrics())
    sink = EngineContext(shared).sink(stream.output)
    for inner in shared.sinks:
        await inner.connect()
    return sink
