"""What the configuration language says about streams, and what it is never asked."""

from __future__ import annotations

from typing import Any

import pytest

from penstock_operator import compiling

INPUT: dict[str, Any] = {"generate": {"mapping": "root = 1"}}


def nested(levels: int) -> dict[str, Any]:
    """A stream of branches in branches."""
    inner: dict[str, Any] = {"mapping": "root = this"}
    for _ in range(levels):
        inner = {"branch": {"processors": [inner]}}
    return {"input": INPUT, "pipeline": {"processors": [inner]}, "output": {"drop": {}}}


def test_facts_of_leaves_and_endpoints() -> None:
    output = {"broker": {"outputs": [{"http_server": {"stream_path": "/s", "ws_path": "/w"}}, {"drop": {}}]}}
    compiled = compiling.compile_stream({"input": {"http_server": {"path": "/in"}}, "output": output}, {})
    assert compiled.problems == ()
    assert [(facts.name, facts.sharing) for facts in compiled.inputs] == [("http_server", "push")]
    assert [(facts.name, facts.clients) for facts in compiled.outputs] == [("http_server", True), ("drop", False)]
    assert compiled.endpoints == {"post": "/in", "stream": "/s", "ws": "/w"}


def test_groups_are_known_with_their_brokers() -> None:
    kafka = {"addresses": ["${BROKERS}"], "topics": ["a"], "consumer_group": "g"}
    compiled = compiling.compile_stream({"input": {"kafka": kafka}, "output": {"drop": {}}}, {"BROKERS": "b:2,a:1"})
    assert compiled.groups == ("g at a:1,b:2",)
    assert compiled.inputs[0].group


@pytest.mark.parametrize("levels", [60, 200, 5_000])
def test_deep_nesting_is_refused_or_compiled_but_never_a_crash_c06(levels: int) -> None:
    compiled = compiling.compile_stream(nested(levels), {})
    assert [problem.text for problem in compiled.problems] == ["nested more than 150 levels deep"]


def test_reasonable_nesting_is_compiled() -> None:
    assert compiling.compile_stream(nested(20), {}).problems == ()


@pytest.mark.parametrize(("place", "kind"), [("processors", "pipeline"), ("outputs", "output")])
def test_thousands_of_components_are_refused_before_they_are_compiled_c05_c55(place: str, kind: str) -> None:
    stream: dict[str, Any] = {"input": INPUT, "output": {"drop": {}}}
    items: list[Any] = [{"log": {}} if kind == "pipeline" else {"drop": {}}] * 10_000
    stream[kind] = {"processors": items} if kind == "pipeline" else {"broker": {"outputs": items}}
    (problem,) = compiling.compile_stream(stream, {}).problems
    assert problem.text == "has 10000 components, at most 1000 fit in one list"
    assert problem.path[-1] == place
