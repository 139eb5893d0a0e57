"""The mapping figure: JSON in, eight statements, JSON out, against the same written by hand."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from typing import Any

from bench.rows import common_ground, cpu_of_call, interleaved, row
from penstock_gateway import language
from penstock_gateway.message import Message

_TIMES = 10_000


def measure(rounds: int) -> list[dict[str, Any]]:
    """CPU µs per message as generated source and through closures, and their ratios to the hand-written twin."""
    folder = common_ground()
    spec = importlib.util.spec_from_file_location("baseline", folder / "baseline.py")
    assert spec is not None
    assert spec.loader is not None
    baseline = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(baseline)
    document = (folder / "document.json").read_bytes()
    text = (folder / "mapping.blobl").read_text()

    def product(*, generated: bool) -> Callable[[], bytes]:
        mapping = language.compile_mapping(text, environment=language.Environment())
        if generated:
            mapping.applying.prepare()
        else:
            mapping.applying.give_up()

        def run() -> bytes:
            result = mapping.apply([Message(document)], 0)
            assert result is not None
            return result.raw

        assert json.loads(run()) == json.loads(baseline.mapped(document)), "equal work"
        assert (mapping.applying.run is not None) is generated
        assert mapping.applying.reruns == 0
        return run

    by_closures, by_source = product(generated=False), product(generated=True)
    found = interleaved(
        rounds,
        closures=lambda: cpu_of_call(by_closures, _TIMES),
        source=lambda: cpu_of_call(by_source, _TIMES),
        by_hand=lambda: cpu_of_call(lambda: baseline.mapped(document), _TIMES),
    )
    closures, source, by_hand = found["closures"], found["source"], found["by_hand"]
    return [
        row("mapping by hand", by_hand, "µs/message"),
        row("mapping as generated source", source, "µs/message", "mapping by hand", source / by_hand),
        row("mapping through closures", closures, "µs/message", "mapping by hand", closures / by_hand),
    ]
