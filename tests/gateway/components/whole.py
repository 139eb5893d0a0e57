"""Runs a whole configuration in process, and builds scanners and caches of one."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.components.parts import NoEdges
from penstock_gateway import config, language, scanning
from penstock_gateway.config import Rules, StreamConfig
from penstock_gateway.delivery import DeliveryPlan, Guarantee, Mode
from penstock_gateway.engine.context import EngineContext, Surroundings
from penstock_gateway.engine.instance import Instance
from penstock_gateway.metrics import Metrics
from penstock_gateway.registry import Cache
from penstock_gateway.scanning import Scanner


def parsed(**parts: Any) -> StreamConfig:
    """A configuration with these parts."""
    data = {"input": {"generate": {"mapping": "root = 1"}}, "output": {"drop": {}}} | parts
    stream, problems = config.parse_stream(data, (), Rules(bare=True))
    assert stream is not None, problems
    return stream


def surroundings(clock: Callable[[], float]) -> Surroundings:
    """A stream of its own, without a gateway."""
    environment = language.Environment(clock=time.time_ns, random=os.urandom)
    plan = DeliveryPlan(Mode.COMPETE, Guarantee.LIVE)
    return Surroundings("shop/x", "s", plan, environment, Metrics(), NoEdges(), clock, lambda: 0.5)


def build_scanner(scanner: dict[str, Any]) -> Scanner:
    """The runtime of a scanner."""
    stream = parsed(input={"stdin": {"scanner": scanner}})
    context = EngineContext(surroundings(time.monotonic))
    return scanning.build_scanner(stream.input.config.scanner, context)  # type: ignore[attr-defined]  # a stdin


def build_cache(clock: Callable[[], float], *resources: dict[str, Any]) -> Cache:
    """The runtime of the last of these cache resources."""
    shared = surroundings(clock)
    shared.resources = parsed(cache_resources=list(resources)).resources
    return EngineContext(shared).cache(resources[-1]["label"])


async def run_to_the_end(folder: Path, **parts: Any) -> list[Any]:
    """What a stream with these parts has written when it has ended: each batch as a list of bodies, JSON as values."""
    out = folder / "out.jsonl"
    processors = [{"mapping": "root.body = content().string()"}, {"archive": {"format": "json_array"}}]
    output = {"file": {"path": str(out)}, "processors": processors}
    pipeline = {"threads": 1, "processors": parts.pop("processors", [])}
    instance = Instance(
        parsed(**{"output": output, "pipeline": pipeline} | parts), surroundings(asyncio.get_running_loop().time)
    )
    await instance.start()
    await asyncio.wait_for(instance.ended.wait(), 20)
    await instance.stop()
    lines = out.read_text().splitlines() if out.exists() else []
    return [[_value(message["body"]) for message in json.loads(line)] for line in lines]


def _value(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body
