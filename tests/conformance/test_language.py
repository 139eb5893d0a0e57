"""The mapping language against the cases of real Bento, where they are at hand.

The cases are found through PENSTOCK_CONFORMANCE or beside the checkout. The floors are a ratchet: raise them when they are
exceeded, never lower them.
"""

from __future__ import annotations

import importlib.util
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

_HERE = Path(__file__).resolve().parent
_CASES = "bloblang_public.jsonl"
_FLOORS = {"outcome": 0.999, "text": 0.999, "strict": 0.997}


def _folder() -> Path:
    named = os.environ.get("PENSTOCK_CONFORMANCE")
    return Path(named) if named else _HERE.parents[2] / "shared" / "conformance"


def _load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def _levels(strict: bool) -> tuple[list[int], list[str]]:
    """The level every case reaches (0 failed, 1 outcome, 2 with text), and the names of those below 2."""
    checker = _load(_folder() / "check_cases.py")
    adapter = _load(_HERE / "bloblang_adapter.py")
    levels, short = [], []
    with (_folder() / _CASES).open(encoding="utf-8") as file:
        for line in file:
            case = json.loads(line)
            try:
                level, why = checker.judge(case, adapter.evaluate(case), strict)
            except Exception as error:  # an escaping exception is a failed case, as for the checker
                level, why = 0, repr(error)
            levels.append(level)
            if level < 2:
                short.append(f"{case['name']}: {why}")
    return levels, short


@pytest.mark.parametrize("measure", sorted(_FLOORS))
def test_cases_of_bento(measure: str) -> None:
    if not (_folder() / _CASES).exists():
        pytest.skip(f"no conformance cases in {_folder()} (set PENSTOCK_CONFORMANCE)")
    levels, short = _levels(measure == "strict")
    wanted = 2 if measure == "text" else 1
    share = sum(level >= wanted for level in levels) / len(levels)
    assert share >= _FLOORS[measure], "\n".join(short[:50])
