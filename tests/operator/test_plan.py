"""Plans, as tables: a world in, a plan out (tests/cases/plan). Each case also checks that the plan is stable once carried out."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock_gateway import access as gateway_access
from penstock_gateway import streams
from penstock_gateway.errors import ConfigError
from penstock_operator import compiling, keys, plan, quantities, render, world
from penstock_operator.plan import Plan
from penstock_operator.resources import documents
from penstock_operator.resources.documents import Name
from penstock_operator.world import GatewayFacts, Ref, Settings, Store, World

FOLDER = Path(__file__).parents[1] / "cases" / "plan"
OBJECTS: dict[str, Any] = yaml.safe_load((FOLDER / "objects.yaml").read_text())
CASES = [
    case
    for path in sorted(FOLDER.glob("*.yaml"))
    if path.name != "objects.yaml"
    for case in yaml.safe_load(path.read_text())
]
NOW = 1000.0


# --- given --------------------------------------------------------------------------------------------------------------


def laid_over(under: Any, over: Any) -> Any:
    """Objects field by field; everything else is replaced."""
    if isinstance(under, dict) and isinstance(over, dict):
        return under | {name: laid_over(under.get(name), value) for name, value in over.items()}
    return over


def described(item: Any) -> dict[str, Any]:
    """What a case says about one object, in the short form of the cases."""
    if isinstance(item, str):
        return {"name": item, **copy.deepcopy(OBJECTS[item])}
    if "like" in item:
        return laid_over(described(item["like"]), {name: value for name, value in item.items() if name != "like"})  # type: ignore[no-any-return]
    return dict(item)


def document(item: dict[str, Any]) -> dict[str, Any]:
    """The object as the API server would hand it out."""
    kind, name = item["kind"], item["name"]
    meta: dict[str, Any] = {"name": name, "uid": f"uid of {name}", "labels": item.get("labels", {}), "annotations": {}}
    if kind != "Namespace":
        meta["namespace"] = item.get("namespace", "shop")
    meta["creationTimestamp"] = quantities.show_instant(item.get("created", 0))
    if item.get("deleting"):
        meta["deletionTimestamp"] = quantities.show_instant(NOW)
    status = item.get("status", {}) | ({"conditions": item["conditions"]} if "conditions" in item else {})
    made = {
        "apiVersion": documents.API_VERSION if kind in documents.KINDS else "v1",
        "kind": kind,
        "metadata": meta,
        "status": status,
    }
    if "spec" in item:
        made["spec"] = item["spec"]
    if kind == "Secret":
        _secret(item, made)
    if kind == "ConfigMap":
        made["data"] = {entry: text.replace("LONG", "x" * item.get("long", 0)) for entry, text in item["data"].items()}
    return made


def _secret(item: dict[str, Any], made: dict[str, Any]) -> None:
    data = dict(item.get("data", {}))
    if item.get("key"):
        data["key"] = keys.mint(bytes([item["key"]]) * keys.ENTROPY)
    made |= {"type": item.get("type", "Opaque"), "stringData": data, "data": item.get("binary", {})}
    if "owner" in item:
        made["metadata"]["ownerReferences"] = [{"uid": f"uid of {item['owner']}", "controller": True}]
    if "issued" in item:
        made["metadata"]["annotations"][world.ISSUED] = quantities.show_instant(item["issued"])


def arranged(case: dict[str, Any], objects: list[dict[str, Any]]) -> World:
    """The world of a case."""
    store = Store(Settings(**case.get("settings", {})))
    for kind in case.get("known", world.NEEDED):
        store.prime(kind, [item for item in objects if item["kind"] == kind])
    store.observe_compiled(compiling.compile_world(store.snapshot(), {}))
    seen = store.snapshot()
    for name, facts in case.get("gateways", {}).items():
        store.observe_gateways(Name("shop", name), gateway_facts(seen, Name("shop", name), facts))
    return store.snapshot()


def gateway_facts(seen: World, name: Name, facts: dict[str, Any]) -> GatewayFacts:
    """`current` stands for what the plan wants now."""
    wanted = plan.plan(seen, Ref("StreamAPI", name), NOW)
    filled = dict(facts)
    if filled.get("revision") == "current":
        filled["revision"] = plan.revision(wanted.apply)
    if filled.get("hash") == "current":
        filled["hash"] = render.document_hash(next(it.body for it in wanted.apply if it.kind == "pipeline"))
    return GatewayFacts(**filled)


def impossible(objects: list[dict[str, Any]], case: dict[str, Any]) -> Iterator[str]:
    """What no API server would ever hand out; a case that says so proves nothing."""
    seen = set()
    for item in objects:
        meta = item["metadata"]
        place = (item["kind"], meta.get("namespace"), meta["name"])
        if place in seen:
            yield f"{place} is there twice"
        seen.add(place)
        for condition in item["status"].get("conditions", ()):
            if condition["status"] not in ("True", "False", "Unknown") or "lastTransitionTime" not in condition:
                yield f"{place} has a condition that cannot be"
    for name in case.get("gateways", {}):
        if ("StreamAPI", "shop", name) not in seen:
            yield f"gateways of {name}, which is not there"
    for name in set(case) - {"name", "given", "when", "then", "now", "known", "settings", "gateways"}:
        yield f"unknown word {name}"


def refs(case: dict[str, Any]) -> list[Ref]:
    listed = case["when"] if isinstance(case["when"], list) else [case["when"]]
    found = []
    for text in listed:
        kind, name = text.split(" ")
        namespace, _, bare = name.rpartition("/")
        found.append(Ref(kind, Name(namespace or "shop", bare)))
    return found


# --- then ---------------------------------------------------------------------------------------------------------------


def assert_within(wanted: Any, found: Any, path: str = "") -> None:
    """Everything that is wanted is found: objects by field (`*` = any name or value), lists in full."""
    if wanted == "*":
        assert found not in (None, "", [], {}), path
    elif isinstance(wanted, dict):
        assert isinstance(found, Mapping), path
        if not wanted:
            assert not found, path
        for name, value in wanted.items():
            fitting = next(iter(found.values())) if name == "*" else found.get(name)
            assert name == "*" or name in found, f"{path}.{name}"
            assert_within(value, fitting, f"{path}.{name}")
        if path.endswith(".keys"):
            assert len(found) == len(wanted), f"{path}: {list(found)}"
    elif isinstance(wanted, list):
        assert len(wanted) == len(found), f"{path}: {found}"
        for number, (one, other) in enumerate(zip(wanted, found, strict=True)):
            assert_within(one, other, f"{path}[{number}]")
    else:
        assert found == wanted, path


def conditions(done: Plan) -> dict[str, Mapping[str, Any]]:
    return {it["type"]: it for it in (done.status or {}).get("conditions", ())}


def check(then: dict[str, Any], plans: list[Plan]) -> None:
    """What a case expects; status, conditions and again_in are the last plan's."""
    last = plans[-1]
    held = {it.path: it.body for done in plans for it in done.apply}
    for path, body in then.get("documents", {}).items():
        assert_within(body, held[path], path)
    assert not set(then.get("absent", ())) & set(held)
    shown = conditions(last)
    for type_, wanted in then.get("conditions", {}).items():
        assert type_ in shown, f"{type_} is not there"
        both = f"{shown[type_]['status']} {shown[type_]['reason']}"
        assert both.startswith(wanted), f"{type_}: {both}: {shown[type_]['message']}"
    assert not set(then.get("absent_conditions", ())) & set(shown)
    for type_, text in then.get("message", {}).items():
        assert text in shown[type_]["message"]
    for type_, moment in then.get("since", {}).items():
        assert shown[type_]["lastTransitionTime"] == moment
    check_rest(then, last, plans)


def check_rest(then: dict[str, Any], last: Plan, plans: list[Plan]) -> None:
    if "mint" in then:
        minted = {str(it.secret): {"replaces": it.replaces, "data": it.data} for it in last.mint}
        assert set(minted) == set(then["mint"])
        assert_within(then["mint"], minted)
    if "status" in then:
        assert last.status is None if then["status"] is None else last.status is not None
        assert_within(then["status"] or None, last.status if then["status"] else None, "status")
    assert not set(then.get("without", ())) & set(last.status or {})
    if "events" in then:
        assert [event.reason for event in last.events] == then["events"]
    if "nudge" in then:
        assert [str(name) for name in last.nudge] == then["nudge"]
    if "delete" in then:
        assert list(last.delete) == then["delete"]
    if "again_in" in then:
        assert last.again_in == then["again_in"]
    if "nowhere" in then:
        assert then["nowhere"] not in repr(plans)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_plan(case: dict[str, Any]) -> None:
    objects = [document(described(item)) for item in case["given"]]
    assert list(impossible(objects, case)) == []
    now = float(case.get("now", NOW))
    seen = arranged(case, objects)
    plans = [plan.plan(seen, ref, now) for ref in refs(case)]
    check(case["then"], plans)
    assert_readable(plans)
    carried = arranged(case, [with_status(item, refs(case), plans) for item in objects])
    again = [plan.plan(carried, ref, now) for ref in refs(case)]
    assert [done.apply for done in again] == [done.apply for done in plans], (
        "the same world must lead to the same documents"
    )
    assert [done.status for done in again] == [done.status for done in plans], (
        "a status that was written must not change"
    )


def assert_readable(plans: list[Plan]) -> None:
    """The gateway takes every document that is meant to be taken."""
    for done in (document for planned in plans for document in planned.apply):
        data = json.dumps(done.body).encode()
        if done.kind == "pipeline":
            streams.PipelineDocument.model_validate_json(data)
        elif done.kind == "keys":
            gateway_access.read_keys(data)
        elif "invalid" in done.body:
            with pytest.raises(ConfigError):
                gateway_access.read_api(data)
        else:
            gateway_access.read_api(data)


def with_status(item: dict[str, Any], planned: list[Ref], plans: list[Plan]) -> dict[str, Any]:
    """The object after its status was written."""
    place = (item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"])
    for ref, done in zip(planned, plans, strict=True):
        if (ref.kind, *ref.name) == place and done.status is not None:
            return item | {"status": dict(done.status)}
    return item


def test_a_case_that_cannot_be_is_noticed() -> None:
    twice = [document(described("orders")), document(described("orders"))]
    assert list(impossible(twice, {"gateways": {"nobody": {}}, "whn": 1})) == [
        "('StreamAPI', 'shop', 'orders') is there twice",
        "gateways of nobody, which is not there",
        "unknown word whn",
    ]
