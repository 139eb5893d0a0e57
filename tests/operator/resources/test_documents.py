"""Reading resources: what is refused, where and in which words; and what must pass unharmed."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock_gateway.errors import show_path
from penstock_operator.resources import documents

CASES = Path(__file__).parents[2] / "cases" / "resources"
GOOD: dict[str, dict[str, Any]] = {
    "StreamAPI": {
        "streams": [{"name": "live", "config": {"input": {"generate": {"mapping": ""}}, "output": {"drop": {}}}}],
        "variables": [{"name": "A", "value": "x"}],
        "authentication": {"methods": [{"name": "key", "apiKey": {}}]},
    },
    "Policy": {
        "targets": [{"name": "orders"}],
        "limits": {"rate": {"requests": 1, "window": "1s"}, "quota": {"requests": 1, "window": "24h"}},
    },
    "Key": {"policyRefs": [{"name": "gold"}]},
}


def good(kind: str) -> dict[str, Any]:
    """A resource in which nothing is wrong."""
    meta = {"name": "orders", "namespace": "shop", "uid": "u"}
    return {"apiVersion": documents.API_VERSION, "kind": kind, "metadata": meta, "spec": copy.deepcopy(GOOD[kind])}


def put(document: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a dotted path, lists by number."""
    *parents, last = path.split(".")
    node: Any = document
    for part in parents:
        node = node[int(part)] if isinstance(node, list) else node.setdefault(part, {})
    node[last] = value


def spoiled(case: dict[str, Any]) -> dict[str, Any]:
    document = good(case["kind"])
    for path, value in case.get("set", {}).items():
        put(document, path, value)
    if "long" in case:
        put(document, case["long"], "a" * case["size"])
    if "unset" in case:
        *parents, last = case["unset"].split(".")
        node = document
        for part in parents:
            node = node[part]
        del node[last]
    return document


CASES_REFUSED = yaml.safe_load((CASES / "refused.yaml").read_text())


@pytest.mark.parametrize(
    "case",
    CASES_REFUSED,
    ids=[f"{case['id']} {case['kind']} {'/'.join(case['problems'])} {n}" for n, case in enumerate(CASES_REFUSED)],
)
def test_what_is_wrong_is_said_with_its_path(case: dict[str, Any]) -> None:
    """C-01 to C-50 as far as the field exists: refused with the path, every problem at once."""
    resource = documents.read(spoiled(case))
    said = {show_path(problem.path): problem.text for problem in resource.problems}
    assert set(said) == set(case["problems"])
    for path, text in case["problems"].items():
        assert text in said[path]
    assert resource.spec is None


@pytest.mark.parametrize("kind", documents.KINDS)
def test_a_good_resource_has_no_problem(kind: str) -> None:
    resource = documents.read(good(kind))
    assert resource.problems == ()
    assert resource.spec is not None


@pytest.mark.parametrize(
    "text", ["{{ .Values.x }}", "${HOME}", "$(id)", "`id`", "%{}", "!!python/object/apply:os.system"]
)
def test_template_languages_are_text_c45(text: str) -> None:
    document = good("StreamAPI")
    put(document, "spec.variables.0.value", text)
    api = documents.read(document)
    assert isinstance(api, documents.StreamAPI)
    assert api.spec is not None
    assert api.spec.variables is not None
    assert api.spec.variables[0].value == text


@pytest.mark.parametrize("name", ["null", "true", "on", "e5", "y", "no"])
def test_names_that_yaml_might_mistake_c36(name: str) -> None:
    document = good("Policy")
    document["metadata"]["name"] = name
    assert documents.read(document).problems == ()


@pytest.mark.parametrize("text", ["\ufffe", "\u202e", "\u2028", "🦆", "\ufeff"])
def test_odd_characters_pass_unharmed_c44(text: str) -> None:
    document = good("Policy")
    document["spec"]["displayName"] = text
    policy = documents.read(document)
    assert isinstance(policy, documents.Policy)
    assert policy.spec is not None
    assert policy.spec.display_name == text


def test_the_config_of_a_stream_is_free() -> None:
    document = good("StreamAPI")
    put(document, "spec.streams.0.config.output.anything", {"deeply": [None, 1.5, {"free": "x"}]})
    assert documents.read(document).problems == ()


def test_the_access_half_survives_a_mistake_in_the_streams() -> None:
    document = good("StreamAPI")
    put(document, "spec.streams", [])
    put(document, "spec.state", "Disabled")
    api = documents.read(document)
    assert isinstance(api, documents.StreamAPI)
    assert api.spec is None
    assert api.access is not None
    assert api.access.state == "Disabled"


@pytest.mark.parametrize(
    ("path", "value"),
    [("spec.limits", {"rate": {"requests": 0, "window": "1s"}}), ("spec.alowedKeys", {}), ("spec.authentication", {})],
)
def test_a_mistake_in_the_access_half_closes_it(path: str, value: object) -> None:
    document = good("StreamAPI")
    put(document, path, value)
    api = documents.read(document)
    assert isinstance(api, documents.StreamAPI)
    assert api.access is None


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"kind": "StreamApi"}, "did you mean `StreamAPI`?"),
        ({"apiVersion": "penstock.dev/v1"}, "must be 'penstock.dev/v1alpha1'"),
    ],
)
def test_a_wrong_kind_or_version_is_named(change: dict[str, str], text: str) -> None:
    problems = documents.problems_of_kind(good("StreamAPI") | change)
    assert [text in problem.text for problem in problems] == [True]
