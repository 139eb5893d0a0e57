"""Whatever the API server or a file may hold, reading and planning end in words, never in a crash (O12, C-44, C-66)."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock_operator import compiling, plan, world
from penstock_operator.resources import documents
from penstock_operator.world import Ref, Store

SAMPLES = Path(__file__).parents[2] / "config" / "samples"
GOOD = [item for path in sorted(SAMPLES.glob("*.yaml")) for item in yaml.safe_load_all(path.read_text())]
GOOD += [
    {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "labels": {}}, "stringData": {"a": "b"}},
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "b"}},
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "labels": {"a": "b"}}},
]
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.just("\ud800"), st.just("1h")
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path below the top of a document, but not its kind and version."""
    found = [path] if path and path not in (("kind",), ("apiVersion",)) else []
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        found += places(value, (*path, key))
    return found


@st.composite
def spoiled(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The samples with one to three places of one of them replaced by anything."""
    found = copy.deepcopy(GOOD)
    for _ in range(draw(st.integers(1, 3))):
        document = draw(st.sampled_from(found))
        path = draw(st.sampled_from(places(document)))
        node: Any = document
        for step in path[:-1]:
            node = node[step]
        node[path[-1]] = draw(VALUES)
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spoiled())
def test_spoiled_documents_end_in_words(found: list[dict[str, Any]]) -> None:
    store = Store()
    for kind in world.NEEDED:
        store.prime(kind, [item for item in found if item["kind"] == kind])
    store.observe_compiled(compiling.compile_world(store.snapshot(), {}))
    seen = store.snapshot()
    for kind, table in (("StreamAPI", seen.apis), ("Policy", seen.policies), ("Key", seen.keys)):
        for name, resource in table.items():
            done = plan.plan(seen, Ref(kind, name), 1000.0)
            accepted = [it for it in (done.status or {}).get("conditions", ()) if it["type"] == "Accepted"]
            if done.status is not None and resource.problems:
                assert accepted[0]["status"] == "False"
                assert accepted[0]["message"]


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["metadata", "spec", "status", "x"]), VALUES), st.sampled_from(documents.KINDS))
def test_anything_at_all_can_be_read(parts: dict[str, Any], kind: str) -> None:
    resource = documents.read({"apiVersion": documents.API_VERSION, "kind": kind, **parts})
    assert resource.spec is None
    assert all(problem.text for problem in resource.problems)
