"""Builds an output of a configuration without a gateway around it."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

from penstock_gateway import config, language
from penstock_gateway.config import Rules
from penstock_gateway.delivery import DeliveryPlan, Guarantee, Mode
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


async def build_output(output: dict[str, Any]) -> Sink:
    """The runtime of an output, connected with everything inside it."""
    data = {"input": {"generate": {"mapping": "root = 1"}}, "output": output}
    stream, problems = config.parse_stream(data, (), Rules(bare=True))
    assert stream is not None, problems
    environment = language.Environment(clock=time.time_ns, random=os.urandom)
    plan = DeliveryPlan(Mode.COMPETE, Guarantee.LIVE)
    clock = asyncio.get_running_loop().time
    shared = Surroundings("shop/x", "s", plan, environment, Metrics(), NoEdges(), clock, lambda: 0.5)
    sink = EngineContext(shared).sink(stream.output)
    for inner in shared.sinks:
        await inner.connect()
    return sink
