"""How long `penstock dev` takes to be ready in a warm environment, and what an idle gateway weighs."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.processes import free_port, start_gateway
from bench.rows import ROOT, interleaved, pss_kib, row
from penstock_operator.embedded import EmbeddedKafka


def _seconds_until_ready() -> float:
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        command = [
            sys.executable,
            "-m",
            "penstock_operator.main",
            "dev",
            str(ROOT / "config" / "samples"),
            "--kafka",
            "embedded",
        ]
        process = subprocess.Popen(  # noqa: S603 - our own command
            [*command, "--port", str(free_port())], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            while not _ready(Path(folder)):
                if process.poll() is not None or time.monotonic() - began > 60:
                    raise AssertionError(f"penstock dev is not ready after {time.monotonic() - began:.0f} s")
                time.sleep(0.01)
            return time.monotonic() - began
        finally:
            process.terminate()
            process.wait(30)


def _ready(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / ".penstock" / "dev.json").read_text())["ready"])
    except (OSError, ValueError, KeyError):
        return False


def measure(rounds: int) -> list[dict[str, Any]]:
    """Seconds, and MiB of proportional set size."""
    seconds = interleaved(min(rounds, 3), dev=_seconds_until_ready)["dev"]
    with tempfile.TemporaryDirectory() as folder, EmbeddedKafka() as kafka:
        kafka.ensure_topics("orders")
        with start_gateway(Path(folder), kafka.address) as (pid, _, _):
            time.sleep(1)
            weight = pss_kib(pid) / 1024
    return [row("penstock dev until ready", seconds, "s"), row("idle gateway", weight, "MiB")]
