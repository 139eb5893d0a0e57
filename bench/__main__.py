"""`make bench`: runs every measurement, prints a table, writes `.bench/latest.json`.

Examples: `python -m bench`, `python -m bench mapping fanout`, `python -m bench --rounds 7`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

from bench.rows import ROOT, Unavailable

MODULES = ("mapping", "startup", "ingest", "kafka", "fanout")


def main() -> int:
    """Run what was asked for; 0 when everything could be measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*MODULES, []], help="measurements; all when none is named")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    missing = 0
    for name in options.names or MODULES:
        print(f"bench: {name} …", file=sys.stderr, flush=True)
        try:
            rows += importlib.import_module(f"bench.{name}").measure(options.rounds)
        except Unavailable as reason:
            missing += 1
            print(f"bench: {name} not measured: {reason}", file=sys.stderr)
    show(rows)
    folder = Path(ROOT / ".bench")
    folder.mkdir(exist_ok=True)
    (folder / "latest.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    return 1 if missing else 0


def show(rows: list[dict[str, Any]]) -> None:
    """The table."""
    width = max((len(entry["name"]) for entry in rows), default=0)
    for entry in rows:
        ratio = f"{entry['ratio']:8.2f} × {entry['baseline']}" if entry["ratio"] is not None else ""
        print(f"{entry['name']:{width}} {entry['value']:12.2f} {entry['unit']:14}{ratio}")


if __name__ == "__main__":
    sys.exit(main())
