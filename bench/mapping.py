"""The mapping figure: JSON in, eight statements, JSON out, against the same written by hand."""

from __future__ import annotations

import importlib.util
import json
from typing import Any

from bench.rows import common_ground, cpu_of_call, interleaved, row
from penstock_gateway import language
from penstock_gateway.message import Message

_TIMES = 10_000


def measure(rounds: int) -> list[dict[str, Any]]:
    """CPU µs per message through closures, and its ratio to the hand-written twin."""
    folder = common_ground()
    spec = importlib.util.spec_from_file_location("baseline", folder / "baseline.py")
    assert spec is not None
    assert spec.loader is not None
    baseline = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(baseline)
    document = (folder / "document.json").read_bytes()
    mapping = language.compile_mapping((folder / "mapping.blobl").read_text(), environment=language.Environment())

    def product() -> bytes:
        result = mapping.apply([Message(document)], 0)
        assert result is not None
        return result.raw

    assert json.loads(product()) == json.loads(baseline.mapped(document)), "equal work"
    found = interleaved(
        rounds,
        closures=lambda: cpu_of_call(product, _TIMES),
        by_hand=lambda: cpu_of_call(lambda: baseline.mapped(document), _TIMES),
    )
    closures, by_hand = found["closures"], found["by_hand"]
    return [
        row("mapping by hand", by_hand, "µs/message"),
        row("mapping through closures", closures, "µs/message", "mapping by hand", closures / by_hand),
    ]
