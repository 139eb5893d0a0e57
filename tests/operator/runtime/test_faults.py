"""Faults: crashes at every write, answers that were lost, events that never came, a world that is not known (O2 to O6)."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest

from fakes.rig import Rig
from penstock_operator.cluster import Unavailable
from penstock_operator.resources.documents import Name


class Crash(BaseException):
    """The process is gone."""


def masked(rig: Rig) -> dict[str, Any]:
    """The end state without what differs between equal runs: uids, versions, times, random bytes."""
    found: dict[str, Any] = {}
    for (kind, name), document in rig.cluster.objects.items():
        if kind in ("Event", "Pod"):
            continue
        kept = copy.deepcopy(document)
        if kind == "Secret":
            kept["data"] = sorted(kept["data"])
        conditions = kept.get("status", {}).get("conditions", [])
        kept["status"] = {it["type"]: (it["status"], it["reason"]) for it in conditions}
        kept["metadata"] = {"labels": kept["metadata"].get("labels")}
        if kind == "Deployment":
            kept["spec"]["template"]["metadata"]["annotations"] = {}
            kept["spec"]["template"]["spec"].pop("volumes")
        if kind == "ConfigMap":
            kept["data"] = sorted(kept["data"])
            name = Name(name.namespace, name.name.rpartition("-")[0])
        found[f"{kind} {name}"] = kept
    return found


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Any]:
    async def run() -> dict[str, Any]:
        rig = Rig()
        rig.apply()
        await rig.run(30.0)
        return masked(rig)

    return asyncio.run(run())


@pytest.mark.parametrize("side", ["before", "after"])
async def test_a_crash_at_any_write_leads_to_the_same_end(undisturbed: dict[str, Any], side: str) -> None:
    """O2: every write of the first rollout, before it is sent and after it took effect; nothing is minted twice."""
    point = 0
    while True:
        rig = Rig()
        rig.apply()
        left = point

        def crash(verb: str, kind: str, name: Name) -> None:
            nonlocal left
            left -= 1
            if left == -1:
                raise Crash

        setattr(rig.cluster, side, crash)
        try:
            await rig.run(30.0)
        except Crash:
            setattr(rig.cluster, side, lambda verb, kind, name: None)
            minted = {name: it["data"]["key"] for name, it in rig.cluster.of("Secret").items() if name.endswith("-key")}
            rig.start()
            await rig.run(30.0)
            assert masked(rig) == undisturbed, f"write {point}"
            for name, key in minted.items():
                assert rig.cluster.of("Secret")[name]["data"]["key"] == key, "minted twice"
        else:
            assert point > 24, "the scenario has at least as many writes as that"
            return
        point += 1


@pytest.mark.parametrize("error", [Unavailable("504: the answer was lost"), Unavailable("429: slow down", 5.0)])
async def test_an_answer_that_is_lost_leads_to_the_same_end(undisturbed: dict[str, Any], error: Exception) -> None:
    """O6: each write takes effect once and its answer is lost; no credential is made twice."""
    rig = Rig()
    rig.apply()
    lost: set[tuple[str, str, Name]] = set()

    def lose(verb: str, kind: str, name: Name) -> None:
        if (verb, kind, name) not in lost:
            lost.add((verb, kind, name))
            raise error

    rig.cluster.after = lose
    await rig.run(120.0)
    assert masked(rig) == undisturbed
    created = [entry for entry in rig.cluster.log if entry[0] == "create" and entry[2].endswith("-key")]
    assert len(created) == len(set(created)) == 2


async def test_without_events_the_resync_repairs_everything() -> None:
    """O3, O4: the watch is away; what was changed, made and deleted meanwhile is found by the next list."""
    rig = Rig()
    rig.apply()
    await rig.run(30.0)
    rig.blind = True
    rig.cluster.remove("Service", Name("default", "orders-gateway"))
    rig.cluster.remove("Key", Name("default", "mobile"))
    rig.cluster.edit("StreamAPI", Name("default", "orders"), lambda it: it["spec"].update(state="Disabled"))
    await rig.reconciler.prime()
    await rig.settle(5.0)
    assert "orders-gateway" in rig.cluster.of("Service")
    assert len(rig.records()) == 1
    assert rig.document("orders-access", "default.orders.json")["state"] == "Disabled"


@pytest.mark.parametrize("kind", ["Key", "Policy", "Secret", "StreamAPI"])
async def test_while_a_kind_cannot_be_listed_nothing_is_written(kind: str) -> None:
    """No access write before the world is known: else every key would seem deleted."""
    rig = Rig()
    rig.apply()
    await rig.run(30.0)
    rig.start()
    rig.cluster.unlistable.add(kind)
    rig.cluster.log.clear()
    assert not await rig.reconciler.prime()
    await rig.settle(30.0)
    assert rig.cluster.log == []
    rig.cluster.unlistable.clear()
    assert await rig.reconciler.prime()
    await rig.settle(30.0)
    assert rig.cluster.log == []


async def test_an_old_event_does_not_undo_a_newer_one() -> None:
    """O3: an event from before the last write arrives late."""
    rig = Rig()
    rig.apply()
    await rig.run(30.0)
    old = copy.deepcopy(rig.cluster.of("Policy")["gold"])
    rig.cluster.edit("Policy", Name("default", "gold"), lambda it: it["spec"].update(state="Denied"))
    await rig.settle(5.0)
    assert rig.document("orders-access", "default.orders.json")["policies"]["default/gold"]["state"] == "Denied"
    rig.reconciler.enqueue(rig.mirror.observe(old))
    await rig.settle(5.0)
    assert rig.document("orders-access", "default.orders.json")["policies"]["default/gold"]["state"] == "Denied"


async def test_one_broken_api_does_not_hinder_others() -> None:
    """O13."""
    rig = Rig()
    rig.apply()
    rig.cluster.put(
        {
            "apiVersion": "penstock.dev/v1alpha1",
            "kind": "StreamAPI",
            "metadata": {"name": "poison"},
            "spec": {"streams": [{"name": "x", "config": {"input": {"stdin": {}}}}], "authentication": {"methods": []}},
        }
    )
    await rig.run(30.0)
    assert rig.condition("StreamAPI", "poison", "Accepted")["status"] == "False"
    assert rig.condition("StreamAPI", "orders", "Ready")["status"] == "True"
    assert "poison-gateway" not in rig.cluster.of("Deployment")
