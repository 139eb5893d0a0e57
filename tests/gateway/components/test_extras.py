"""A processor whose library is not installed says which extra has it."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from gateway.components.parts import build_chain
from penstock_gateway.errors import NotSupported


@pytest.mark.parametrize(
    ("library", "extra", "processor"),
    [
        ("jq", "jq", {"jq": {"query": "."}}),
        ("fastavro", "avro", {"avro": {"operator": "to_json", "schema": '"int"'}}),
        ("google.protobuf.json_format", "protobuf", {"protobuf": {"operator": "to_json", "message": "a"}}),
    ],
)
async def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, library: str, extra: str, processor: dict[str, Any]
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(NotSupported) as caught:
        build_chain([processor])
    assert f"pip install 'penstock[{extra}]'" in str(caught.value)
