"""A row of a measurement, and how CPU, memory and medians are read."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_TICKS = os.sysconf("SC_CLK_TCK")


def row(name: str, value: float, unit: str, baseline: str = "", ratio: float | None = None) -> dict[str, Any]:
    """One measured figure; `ratio` is value ÷ that of the named baseline in the same run."""
    return {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "baseline": baseline,
        "ratio": ratio and round(ratio, 3),
    }


def common_ground() -> Path:
    """The folder with document, mapping, baseline and load client; raises Unavailable when it is not there."""
    folder = Path(os.environ.get("PENSTOCK_BENCH", ROOT.parent / "shared" / "bench"))
    if not (folder / "baseline.py").exists():
        raise Unavailable(f"the common ground for measurements is not at {folder.name}: set PENSTOCK_BENCH")
    return folder


class Unavailable(Exception):
    """A measurement cannot be made here; the text says why."""


def interleaved(rounds: int, **variants: Callable[[], float]) -> dict[str, float]:
    """The median of each variant, measured in turn, in reversed order every other round."""
    results: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds):
        order = list(variants.items())
        for name, variant in reversed(order) if number % 2 else order:
            results[name].append(variant())
    return {name: statistics.median(values) for name, values in results.items()}


def cpu_of_call(function: Callable[[], object], times: int) -> float:
    """CPU µs of this process per call."""
    began = time.process_time()
    for _ in range(times):
        function()
    return (time.process_time() - began) / times * 1e6


def cpu_seconds(pid: int) -> float:
    """User and system seconds that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def pss_kib(pid: int) -> int:
    """Proportional set size of a process in KiB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise Unavailable("the kernel does not report the proportional set size")
