"""What is generated from the code is fresh: `make generate` would leave no difference."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import jsonschema

from penstock_gateway import schema

ROOT = Path(__file__).resolve().parent.parent


def test_component_pages_are_fresh() -> None:
    for name, page in schema.reference_pages().items():
        assert (ROOT / "docs" / "reference" / name).read_text() == page, f"{name} is stale: make generate"


def test_crds_are_fresh(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "penstock_operator.main", "crd", "--write", str(tmp_path)], check=True)
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_text() for path in (ROOT / "crds").glob("*.yaml")}
    assert made == kept


def test_resource_pages_are_fresh(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "penstock_operator.reference", "--write", str(tmp_path)], check=True)
    for page in tmp_path.iterdir():
        assert (ROOT / "docs" / "reference" / page.name).read_text() == page.read_text(), (
            f"{page.name} is stale: make generate"
        )


def test_the_stream_schema_is_a_schema_and_knows_every_component() -> None:
    made = schema.stream_schema()
    jsonschema.Draft202012Validator.check_schema(made)
    good = {"input": {"generate": {"mapping": "root = 1", "interval": "5s"}}, "output": {"drop": {}}}
    jsonschema.validate(good, made)
    bad = {"input": {"generate": {"maping": "root = 1"}}, "output": {"drop": {}}}
    assert not jsonschema.Draft202012Validator(made).is_valid(bad)
