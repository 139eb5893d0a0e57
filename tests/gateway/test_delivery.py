"""The table of delivery, case by case (tests/cases/delivery)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock_gateway.delivery import Guarantee, InputFacts, Mode, OutputFacts, ProcessorFacts, Verdict, Wish, plan

CASES = yaml.safe_load((Path(__file__).parent.parent / "cases" / "delivery" / "verdicts.yaml").read_text())

INPUTS = {
    "kafka": InputFacts("kafka", sharing="shared", positions="vector"),
    "kafka-group": InputFacts("kafka", "orders", sharing="shared", positions="vector", group=True),
    "kafka-group-2": InputFacts("kafka", sharing="shared", positions="vector", group=True, partitions=2),
    "queue-group": InputFacts("amqp_0_9", sharing="shared", group=True),
    "post": InputFacts("http_server", sharing="push"),
    "tick": InputFacts("generate", sharing="singleton"),
    "pubsub": InputFacts("pubsub", sharing="singleton", everywhere=True),
}
PROCESSORS = {
    "mapping": ProcessorFacts("mapping"),
    "http": ProcessorFacts("http", effects="external", path=("pipeline", "processors", 0)),
    "dedupe": ProcessorFacts("dedupe", state="process", path=("pipeline", "processors", 0)),
    "unarchive": ProcessorFacts("unarchive", shape="1:n"),
    "archive": ProcessorFacts("archive", shape="n:m"),
}
OUTPUTS = {"client": OutputFacts("http_server", clients=True), "kafka-out": OutputFacts("kafka", path=("output",))}


def judged(given: dict[str, Any]) -> Verdict:
    wish = given.get("wish", {})
    return plan(
        [INPUTS[name] for name in given["inputs"]],
        [PROCESSORS[name] for name in given.get("processors", [])],
        [OUTPUTS[name] for name in given.get("outputs", ["client"])],
        Wish(
            Mode(wish["mode"]) if "mode" in wish else None,
            Guarantee(wish["guarantee"]) if "guarantee" in wish else None,
            wish.get("bus", False),
        ),
        given.get("replicas", 1),
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_verdict(case: dict[str, Any]) -> None:
    verdict = judged(case["given"])
    for name, want in case["then"].items():
        got = getattr(verdict, name)
        if name == "conditions":
            assert [condition.reason for condition in got] == want
        elif name in ("refused", "reason") and want:
            assert want in got
        else:
            assert got == want, name


def test_a_refusal_only_follows_from_a_wish() -> None:
    for facts in INPUTS.values():
        for outputs in ([OUTPUTS["client"]], list(OUTPUTS.values())):
            for replicas in (1, 2, 5):
                assert not plan([facts], list(PROCESSORS.values()), outputs, Wish(), replicas).refused


def test_conditions_name_the_place() -> None:
    verdict = judged(
        {"inputs": ["kafka"], "processors": ["http", "dedupe"], "outputs": ["client", "kafka-out"], "replicas": 2}
    )
    texts = {condition.reason: condition.text for condition in verdict.conditions}
    assert "http at pipeline.processors[0], kafka at output" in texts["BroadcastSideEffects"]
    assert "dedupe at pipeline.processors[0]" in texts["ResumeApproximate"]
