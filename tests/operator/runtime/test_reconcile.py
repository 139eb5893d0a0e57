"""The runtime on a cluster in memory: what is applied, in which order, and what happens when somebody interferes."""

from __future__ import annotations

import base64

import pytest

from fakes.rig import Rig
from penstock_operator import keys, manifests
from penstock_operator.resources.documents import Name


@pytest.fixture
async def rig() -> Rig:
    """The samples, settled."""
    rig = Rig()
    rig.apply()
    await rig.run()
    return rig


async def test_the_samples_become_ready(rig: Rig) -> None:
    for kind, names in {
        "StreamAPI": ("orders", "orders-source"),
        "Policy": ("gold", "trial"),
        "Key": ("mobile", "partner"),
    }.items():
        for name in names:
            assert rig.condition(kind, name, "Ready").get("status") == "True", (
                kind,
                name,
                rig.condition(kind, name, "Ready"),
            )
    assert set(rig.cluster.of("Deployment")) == {"orders-gateway", "orders-source-gateway"}
    assert set(rig.cluster.of("Service")) == {"orders-gateway", "orders-source-gateway"}
    assert len(rig.records()) == 2


async def test_once_settled_nothing_is_written(rig: Rig) -> None:
    """O1: no write in a minute, resyncs included."""
    rig.cluster.log.clear()
    await rig.reconciler.prime()
    await rig.settle(61.0)
    assert rig.cluster.log == []


async def test_a_new_process_writes_nothing(rig: Rig) -> None:
    """O2: a restart with everything in place."""
    rig.cluster.log.clear()
    rig.start()
    await rig.run(10.0)
    assert rig.cluster.log == []


async def test_the_key_in_the_secret_is_the_one_that_opens(rig: Rig) -> None:
    secret = rig.cluster.of("Secret")["mobile-key"]
    text = base64.b64decode(secret["data"]["key"]).decode()
    assert keys.digest(text) in rig.records()
    assert secret["type"] == "servicebinding.io/stream-api"
    everything = repr([it for place, it in rig.cluster.objects.items() if place[1].name != "mobile-key"])
    assert text not in everything
    assert secret["data"]["key"] not in everything


async def test_a_deleted_key_is_dead_within_two_seconds(rig: Rig) -> None:
    rig.cluster.remove("Key", Name("default", "mobile"))
    await rig.settle(2.0)
    assert len(rig.records()) == 1
    held = next(files for pod, files in rig.held.items() if pod.startswith("orders-gateway"))
    assert b"default/mobile" not in held["keys/default.orders-0.json"]


async def test_a_pod_that_missed_the_nudge_is_nudged_again(rig: Rig) -> None:
    pod = next(name for name in rig.held if name.startswith("orders-gateway"))
    rig.deaf[pod] = 2
    rig.cluster.log.clear()
    rig.cluster.remove("Key", Name("default", "mobile"))
    await rig.settle(3.0)
    assert rig.deaf[pod] == 0
    assert b"default/mobile" not in rig.held[pod]["keys/default.orders-0.json"]
    nudges = [entry for entry in rig.cluster.log if entry == ("annotate", "Pod", pod)]
    assert len(nudges) == 3


@pytest.mark.parametrize("kind", ["Deployment", "Service", "ServiceAccount", "Secret", "ConfigMap"])
async def test_a_deleted_child_comes_back(rig: Rig, kind: str) -> None:
    """O7."""
    before = {name for name in rig.cluster.of(kind) if name.startswith("orders-")}
    for name in before:
        rig.cluster.remove(kind, Name("default", name))
    await rig.settle(10.0)
    assert before <= set(rig.cluster.of(kind))


async def test_a_changed_field_of_ours_is_restored_and_others_stay(rig: Rig) -> None:
    """O7, O8."""

    def change(deployment: dict[str, object]) -> None:
        spec = deployment["spec"]
        assert isinstance(spec, dict)
        spec["replicas"] = 7
        spec["template"]["metadata"]["annotations"]["somebody.example/else"] = "stays"

    rig.cluster.edit("Deployment", Name("default", "orders-gateway"), change)
    await rig.settle(10.0)
    spec = rig.cluster.of("Deployment")["orders-gateway"]["spec"]
    assert spec["replicas"] == 1
    assert spec["template"]["metadata"]["annotations"]["somebody.example/else"] == "stays"


async def test_a_changed_pipeline_rolls_out_and_old_documents_go(rig: Rig) -> None:
    for number in range(5):
        rig.cluster.edit(
            "StreamAPI",
            Name("default", "orders"),
            lambda it, n=number: it["spec"]["streams"][0]["config"]["pipeline"]["processors"].append(  # type: ignore[misc]
                {"mapping": f"root.n = {n}"}
            ),
        )
        await rig.settle(15.0)
    assert rig.condition("StreamAPI", "orders", "Ready")["status"] == "True"
    maps = [name for name in rig.cluster.of("ConfigMap") if name.startswith("orders-gateway-")]
    assert len(maps) == manifests.KEPT
    used = rig.cluster.of("Deployment")["orders-gateway"]["spec"]["template"]["metadata"]["annotations"][manifests.HASH]
    assert f"orders-gateway-{used}" in maps


async def test_a_broken_pipeline_leaves_the_pods_and_access_still_changes(rig: Rig) -> None:
    """O13: the last good document serves on; access never waits for it."""
    before = rig.cluster.of("Deployment")["orders-gateway"]["spec"]

    def break_it(api: dict[str, dict[str, object]]) -> None:
        api["spec"]["streams"] = [{"name": "live", "config": {"input": {"nothing_of_the_kind": {}}}}]
        api["spec"]["state"] = "Disabled"

    rig.cluster.edit("StreamAPI", Name("default", "orders"), break_it)
    await rig.settle(5.0)
    assert rig.condition("StreamAPI", "orders", "Accepted")["status"] == "False"
    assert rig.condition("StreamAPI", "orders", "Stalled")["status"] == "True"
    told = {(it["type"], it["reason"]) for it in rig.cluster.of("Event").values()}
    assert told == {("Normal", "Ready"), ("Warning", "ConfigInvalid")}
    assert rig.cluster.of("Deployment")["orders-gateway"]["spec"] == before
    assert rig.document("orders-access", "default.orders.json")["state"] == "Disabled"


@pytest.mark.parametrize(
    ("kind", "name"), [("Secret", "orders-access"), ("Service", "orders-gateway"), ("Deployment", "orders-gateway")]
)
async def test_a_name_that_is_taken_is_said_and_left_alone(kind: str, name: str) -> None:
    rig = Rig()
    foreign = {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"replicas": 0},
        "data": {"mine": "bWluZQ=="},
    }
    rig.cluster.put(foreign)
    rig.apply()
    before = dict(rig.cluster.of(kind)[name])
    await rig.run()
    assert rig.condition("StreamAPI", "orders", "Accepted")["reason"] == "NameConflict"
    assert name in rig.condition("StreamAPI", "orders", "Accepted")["message"]
    assert rig.cluster.of(kind)[name] == before
    rig.cluster.log.clear()
    await rig.reconciler.prime()
    await rig.settle(20.0)
    assert rig.cluster.log == [], "a conflict that lasts is not written again"
    rig.cluster.remove(kind, Name("default", name))
    await rig.reconciler.prime()
    await rig.settle(20.0)
    assert rig.condition("StreamAPI", "orders", "Ready")["status"] == "True"


async def test_a_foreign_secret_of_a_key_is_left_alone() -> None:
    rig = Rig()
    rig.cluster.put(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "metadata": {"name": "mobile-key"},
            "data": {"a": "YQ=="},
        }
    )
    rig.apply()
    await rig.run()
    assert rig.cluster.of("Secret")["mobile-key"]["data"] == {"a": "YQ=="}
    assert rig.condition("Key", "mobile", "Accepted")["reason"] == "NameConflict"
    rig.cluster.log.clear()
    await rig.reconciler.prime()
    await rig.settle(20.0)
    assert rig.cluster.log == []
    rig.cluster.remove("Secret", Name("default", "mobile-key"))
    await rig.reconciler.prime()
    await rig.settle(10.0)
    assert rig.condition("Key", "mobile", "Ready")["status"] == "True"


async def test_a_lost_credential_is_made_anew_with_an_event(rig: Rig) -> None:
    before = set(rig.records())
    rig.cluster.remove("Secret", Name("default", "mobile-key"))
    await rig.settle(10.0)
    assert len(rig.records()) == 2
    assert len(before & set(rig.records())) == 1, "the old credential is dead"
    about = [it for it in rig.cluster.of("Event").values() if it["regarding"]["kind"] == "Key"]
    assert [it["reason"] for it in about] == ["KeyRegenerated"]


async def test_deleting_a_stream_api_leaves_nothing(rig: Rig) -> None:
    """O9: no finalizer, garbage collection does it."""
    rig.cluster.remove("StreamAPI", Name("default", "orders"))
    await rig.settle(20.0)
    assert [
        place
        for place in rig.cluster.objects
        if place[0] != "Event" and place[1].name.startswith("orders-") and "source" not in place[1].name
    ] == []


async def test_several_replicas_have_a_budget(rig: Rig) -> None:
    def scale(replicas: int) -> None:
        rig.cluster.edit(
            "StreamAPI", Name("default", "orders"), lambda it: it["spec"].update(gateway={"replicas": replicas})
        )

    scale(3)
    await rig.settle(15.0)
    assert set(rig.cluster.of("PodDisruptionBudget")) == {"orders-gateway"}
    assert rig.cluster.of("StreamAPI")["orders"]["status"]["replicas"] == 3
    scale(1)
    await rig.settle(15.0)
    assert rig.cluster.of("PodDisruptionBudget") == {}
