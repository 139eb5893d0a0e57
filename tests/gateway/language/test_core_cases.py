"""The core of the mapping language, row by row: grammar, statements, operators, contexts, sentinels, numbers, error texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock_gateway.language import Environment, EvaluationError, ParseError, compile_mapping
from penstock_gateway.message import Message

_FILE = Path(__file__).resolve().parents[2] / "cases" / "language" / "core.yaml"
_ROWS: list[dict[str, Any]] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", _ROWS, ids=lambda row: row["name"].replace(" ", "-"))
def test_row(row: dict[str, Any]) -> None:
    if "refused" in row:
        with pytest.raises(ParseError) as refused:
            compile_mapping(row["when"], environment=Environment())
        assert (refused.value.text, [refused.value.line, refused.value.column]) == (row["refused"], row["at"])
        return
    mapping = compile_mapping(row["when"], environment=Environment())
    batch = [Message(row.get("given", "null").encode())]
    if "error" in row:
        with pytest.raises(EvaluationError) as failed:
            mapping.apply(batch, 0)
        assert failed.value.text == row["error"]
        return
    result = mapping.apply(batch, 0)
    if row.get("deleted"):
        assert result is None
        return
    assert result is not None
    if "raw" in row:
        assert result.raw.decode() == row["raw"]
    elif isinstance(row["then"], str):
        assert result.raw.decode() == row["then"]
    else:
        assert json.loads(result.raw) == row["then"]
