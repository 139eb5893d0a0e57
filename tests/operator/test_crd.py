"""The CRDs: structural, described, bounded, small, with the rules that only the API server can keep, and fresh on disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from penstock_operator import crd
from penstock_operator.resources import documents

ROOT = Path(__file__).parents[2]
DEFINITIONS = crd.definitions()


def schema(kind: str) -> dict[str, Any]:
    versions = crd.definition(kind)["spec"]["versions"]
    found: dict[str, Any] = versions[0]["schema"]["openAPIV3Schema"]
    return found


def nodes(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for part, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(node.get(part), dict):
            yield from nodes(node[part], path + mark)


def every_node() -> list[tuple[str, dict[str, Any]]]:
    halves = [(kind, part) for kind in documents.KINDS for part in ("spec", "status")]
    found = [(kind, nodes(schema(kind)["properties"][part], f".{part}")) for kind, part in halves]
    return [(f"{kind}{path}", node) for kind, those in found for path, node in those]


@pytest.mark.parametrize(("path", "node"), every_node())
def test_every_node_is_structural_described_and_bounded(path: str, node: dict[str, Any]) -> None:
    free = node.get("x-kubernetes-preserve-unknown-fields")
    forbidden = {
        "$ref",
        "anyOf",
        "oneOf",
        "allOf",
        "not",
        "const",
        "title",
        "nullable",
        "patternProperties",
        "propertyNames",
    }
    assert not forbidden & set(node)
    assert isinstance(node.get("type"), str) or node.get("x-kubernetes-int-or-string") or free
    assert node.get("type") != "number", "no floats in an API"
    assert not ("properties" in node and "additionalProperties" in node)
    if node.get("type") == "array":
        assert "maxItems" in node
        assert node["x-kubernetes-list-type"] in ("map", "set", "atomic")
    if node.get("type") == "string":
        assert {"maxLength", "enum"} & set(node)
    if node.get("type") == "object" and not free:
        assert "properties" in node or "maxProperties" in node
    for name, child in node.get("properties", {}).items():
        assert child.get("description"), f"{path}.{name}"


def test_no_default_stands_below_a_list() -> None:
    assert [path for path, node in every_node() if "[]" in path and "default" in node] == []
    replicas = schema("StreamAPI")["properties"]["spec"]["properties"]["gateway"]
    assert replicas["default"] == {"replicas": 1}


@pytest.mark.parametrize("kind", documents.KINDS)
def test_names_columns_and_subresources(kind: str) -> None:
    spec = crd.definition(kind)["spec"]
    assert spec["names"]["shortNames"] == [{"StreamAPI": "sapi", "Policy": "spol", "Key": "skey"}[kind]]
    assert spec["names"]["categories"] == ["penstock"]
    version = spec["versions"][0]
    assert "status" in version["subresources"]
    assert ("scale" in version["subresources"]) == (kind == "StreamAPI")
    assert version["additionalPrinterColumns"][-1]["name"] == "Age"


def test_rules_that_need_the_old_object_are_there_c57() -> None:
    rules = schema("Key")["properties"]["spec"]["x-kubernetes-validations"]
    assert sum("oldSelf" in rule["rule"] for rule in rules) == 2
    assert all(rule["message"].startswith("must") for rule in rules)


def test_unions_and_names_are_kept_by_the_api_server() -> None:
    method = schema("StreamAPI")["properties"]["spec"]["properties"]["authentication"]["properties"]["methods"]["items"]
    assert method["x-kubernetes-validations"][0]["rule"] == "[has(self.apiKey)].exists_one(x, x)"
    for kind in documents.KINDS:
        assert "self.metadata.name.matches" in schema(kind)["x-kubernetes-validations"][0]["rule"]


def test_words_that_cel_reserves_are_escaped() -> None:
    rules = [rule["rule"] for _, node in every_node() for rule in node.get("x-kubernetes-validations", ())]
    assert not [rule for rule in rules if ".namespace" in rule or ".in)" in rule]


@pytest.mark.parametrize("name", DEFINITIONS)
def test_the_files_are_fresh_and_small(name: str) -> None:
    text = crd.text(DEFINITIONS[name])
    assert (ROOT / "crds" / name).read_text() == text, "run `make generate`"
    assert len(text.encode()) < crd.LARGEST
    assert yaml.safe_load(text) == DEFINITIONS[name]


def test_a_real_union_is_refused_with_its_path() -> None:
    class Wrong(BaseModel):
        """Cannot be structural."""

        field: list[int] | dict[str, int]

    with pytest.raises(ValueError, match=r"\$\.field: a union"):
        crd.of_model(Wrong)
