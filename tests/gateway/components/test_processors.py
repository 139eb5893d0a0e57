"""Processors, by a table written in the product's own YAML."""

from __future__ import annotations

import asyncio
import base64
import fnmatch
import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock_gateway import config, language
from penstock_gateway.config import Rules
from penstock_gateway.delivery import DeliveryPlan, Guarantee, Mode
from penstock_gateway.engine.context import EngineContext, Surroundings
from penstock_gateway.message import Failure, Message
from penstock_gateway.metrics import Metrics
from penstock_gateway.registry import Outlet, OutletOptions, Route

TABLES = sorted((Path(__file__).parents[2] / "cases" / "components").glob("processors*.yaml"))
CASES = [case for table in TABLES for case in yaml.safe_load(table.read_text())]


class NoEdges:
    """These pipelines meet no clients."""

    def route(self, api: str, stream: str, route: Route) -> Any:
        raise AssertionError("no route expected")

    def outlet(self, api: str, stream: str, options: OutletOptions, delivery: DeliveryPlan) -> Outlet:
        raise AssertionError("no outlet expected")


def made(given: Any, n: int) -> Message:
    """A message as the table writes it: its text, or {text | base64, meta?, error?}."""
    data = given if isinstance(given, dict) else {"text": given}
    raw = base64.b64decode(data["base64"]) if "base64" in data else data["text"].encode()
    message = Message(raw, dict(data.get("meta", {})))
    message.failure = Failure(data["error"]) if "error" in data else None
    message.index = n
    return message


def shown(message: Message, wanted: Any) -> Any:
    """The message in the form the table uses; an expected error may hold `*`."""
    error = message.failure.text if message.failure else None
    if not isinstance(wanted, dict) and error is None:
        return message.raw.decode()
    form = "base64" if isinstance(wanted, dict) and "base64" in wanted else "text"
    body = base64.b64encode(message.raw).decode() if form == "base64" else message.raw.decode()
    found: dict[str, Any] = {form: body}
    if error is not None:
        pattern = wanted.get("error", "") if isinstance(wanted, dict) else ""
        found["error"] = pattern if pattern.endswith("*") and fnmatch.fnmatchcase(error, pattern) else error
    if isinstance(wanted, dict) and "meta" in wanted:
        found["meta"] = message.meta
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
async def test_processors(case: dict[str, Any]) -> None:
    data = {
        "input": {"generate": {"mapping": "root = 1"}},
        "pipeline": {"processors": case["processors"]},
        "output": {"drop": {}},
        "cache_resources": [{"label": "seen", "memory": {}}],
        **case.get("root", {}),
    }
    stream, problems = config.parse_stream(data, (), Rules(bare=case.get("bare", False)))
    assert stream is not None, problems
    environment = language.Environment(clock=time.time_ns, random=os.urandom)
    clock = asyncio.get_running_loop().time
    plan = DeliveryPlan(Mode.COMPETE, Guarantee.LIVE)
    shared = Surroundings("shop/x", "s", plan, environment, Metrics(), NoEdges(), clock, lambda: 0.5)
    shared.resources = stream.resources
    chain = EngineContext(shared).chain(stream.processors)
    batch = [made(given, n) for n, given in enumerate(case["given"])]
    originals = [(message.raw, dict(message.meta), message.failure) for message in batch]
    try:
        results = await chain.process(batch)
    finally:
        await chain.close()
    wanted = case["then"]
    assert [len(result) for result in results] == [len(part) for part in wanted]
    found = [
        [shown(message, want) for message, want in zip(result, part, strict=True)]
        for result, part in zip(results, wanted, strict=True)
    ]
    assert found == wanted
    assert [(m.raw, m.meta, m.failure) for m in batch] == originals, "a processor may not change what it was given"
