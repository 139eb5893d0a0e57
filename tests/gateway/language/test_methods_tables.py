"""Every row of the tables: a query over a value gives a value, an error at run time, or an error of its text."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock_gateway.document import Number, Timestamp
from penstock_gateway.language import Environment, EvaluationError, ParseError, compile_query
from penstock_gateway.message import Message

TABLES = Path(__file__).parents[2] / "cases" / "language" / "methods"
NOW = 1_700_000_000_123_456_789


def environment() -> Environment:
    return Environment(clock=lambda: NOW, random=lambda count: bytes(index * 7 % 256 for index in range(count)))


def rows() -> list[Any]:
    found = []
    for file in sorted(TABLES.glob("*.yaml")):
        for row in yaml.safe_load(file.read_text()):
            found.append(pytest.param(row, id=f"{file.stem}: {row['given']}"))
    return found


def shown(value: Any) -> Any:
    if type(value) is bytes:
        try:
            return {"bytes": value.decode()}
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(value).decode()}
    if type(value) is Timestamp:
        return {"timestamp": value.rfc3339()}
    if type(value) is Number:
        return {"number": value.text}
    if type(value) is list:
        return [shown(item) for item in value]
    if type(value) is dict:
        return {key: shown(item) for key, item in value.items()}
    return value


@pytest.mark.parametrize("row", rows())
def test_row(row: dict[str, Any]) -> None:
    if "refused" in row:
        with pytest.raises(ParseError) as refused:
            compile_query(row["given"], environment=environment())
        assert refused.value.text == row["refused"]
        return
    query = compile_query(row["given"], environment=environment())
    batch: Any = [Message(json.dumps(row["this"]).encode(), {})] if "this" in row else []
    if "fails" in row:
        with pytest.raises(EvaluationError) as failed:
            query.evaluate(batch, 0)
        assert failed.value.text == row["fails"]
        return
    value = query.evaluate(batch, 0)
    assert shown(value) == row["then"]
    assert type(shown(value)) is type(row["then"])
