"""The chart as far as no cluster is needed: its CRDs are the generated ones, its schema knows exactly its values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import yaml

ROOT = Path(__file__).parents[3]
CHART = ROOT / "helm" / "penstock"
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())


def test_the_crds_are_the_generated_ones() -> None:
    """`make generate` writes both."""
    generated = {path.name: path.read_text() for path in (ROOT / "crds").glob("*.yaml")}
    assert {path.name: path.read_text() for path in (CHART / "files" / "crds").glob("*.yaml")} == generated


def test_the_default_values_are_valid_and_every_one_is_described() -> None:
    jsonschema.Draft7Validator(SCHEMA).validate(VALUES)
    assert set(VALUES) == set(SCHEMA["properties"]) - {"global"}
    text = (CHART / "values.yaml").read_text()
    assert [name for name in VALUES if f"# {name}" not in text] == []


def test_the_operator_gets_no_right_to_write_status_of_others_or_to_wildcards() -> None:
    text = (CHART / "templates" / "rbac.yaml").read_text()
    assert '"*"' not in text
    assert "escalate" not in text
    assert text.count("/status") == 3, "only the operator writes status"
