"""Children of a StreamAPI as a pod would find them: the folder is one that a gateway can read, and nobody gets more than they need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from fakes.rig import SAMPLES, Rig
from penstock_gateway import streams
from penstock_gateway.http.files import AccessFiles
from penstock_operator import access, manifests, render
from penstock_operator.resources.documents import Name
from penstock_operator.world import USABLE_BY

WITH_REFERENCES = """
apiVersion: penstock.dev/v1alpha1
kind: StreamAPI
metadata: {name: refs}
spec:
  variables:
  - {name: PLAIN, value: here}
  - {name: PASSWORD, valueFrom: {secretKeyRef: {name: kafka, key: password}}}
  files:
  - {name: all, configMapRef: {name: schemas}}
  - {name: some, secretRef: {name: kafka, items: [extra]}}
  streams:
  - name: one
    config:
      input: {generate: {interval: 1s, mapping: 'root = env("PASSWORD")'}}
      output: {http_server: {stream_path: /events, stream_format: event_source}}
  authentication: {methods: []}
---
apiVersion: v1
kind: Secret
type: Opaque
metadata: {name: kafka, labels: {penstock.dev/usable-by: stream-api}}
data: {password: aHVzaA==, extra: bW9yZQ==, other: bm8=}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: schemas, labels: {penstock.dev/usable-by: stream-api}}
data: {a.avsc: "1", b.avsc: "2"}
"""


@pytest.fixture
async def rig() -> Rig:
    rig = Rig()
    rig.apply()
    for document in yaml.safe_load_all(WITH_REFERENCES):
        rig.cluster.put(document)
    await rig.run(30.0)
    return rig


def mounted(rig: Rig, api: str, folder: Path) -> Path:
    """The folder of one of the API's pods."""
    held = next(files for pod, files in sorted(rig.held.items()) if pod.startswith(f"{api}-gateway-"))
    for path, content in held.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


@pytest.mark.parametrize("api", ["orders", "orders-source", "refs"])
async def test_a_gateway_can_read_its_folder(rig: Rig, api: str, tmp_path: Path) -> None:
    folder = mounted(rig, api, tmp_path)
    document = streams.read(folder)
    assert [it.key for it in document.apis] == [f"default/{api}"]
    assert streams.load(document, folder)
    files = AccessFiles(folder)
    table = files.read([f"default/{api}"])
    assert files.faults == {}
    assert table.doors[f"default/{api}"].document is not None
    assert table.revision == rig.store.snapshot().gateways[Name("default", api)].revision
    assert json.loads((folder / "admin.json").read_text())["token"]
    assert json.loads((folder / f"signing/default.{api}.json").read_text())["current"]


async def test_references_are_projected_and_nothing_else_of_them(rig: Rig, tmp_path: Path) -> None:
    folder = mounted(rig, "refs", tmp_path)
    assert (folder / "variables/default.refs/PASSWORD").read_text() == "hush"
    assert sorted(it.name for it in (folder / "files/default.refs/all").iterdir()) == ["a.avsc", "b.avsc"]
    assert sorted(it.name for it in (folder / "files/default.refs/some").iterdir()) == ["extra"]
    everything = repr({place: it for place, it in rig.cluster.objects.items() if place[1].name != "kafka"})
    assert "aHVzaA" not in everything
    assert "hush" not in everything


def deployments(rig: Rig) -> list[dict[str, Any]]:
    return list(rig.cluster.of("Deployment").values())


async def test_pods_have_no_rights_beyond_their_work(rig: Rig) -> None:
    """AC: restricted pod security, no token, no service links, read-only root."""
    for deployment in deployments(rig):
        pod = deployment["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"]
        assert all(mount.get("readOnly") or mount["mountPath"] == "/tmp" for mount in container["volumeMounts"])
    for account in rig.cluster.of("ServiceAccount").values():
        assert account["automountServiceAccountToken"] is False


async def test_children_carry_only_labels_of_our_own_and_their_owner(rig: Rig) -> None:
    def label(api: dict[str, Any]) -> None:
        api["metadata"]["labels"] = {"argocd.argoproj.io/instance": "app", "kustomize.toolkit.fluxcd.io/name": "x"}

    rig.cluster.edit("StreamAPI", Name("default", "orders"), label)
    await rig.settle(10.0)
    uid = rig.cluster.of("StreamAPI")["orders"]["metadata"]["uid"]
    children = [
        it
        for (kind, _), it in rig.cluster.objects.items()
        if kind != "Pod" and any(owner["uid"] == uid for owner in it["metadata"].get("ownerReferences", ()))
    ]
    assert len(children) >= 8
    for child in children:
        assert set(child["metadata"]["labels"]) <= {*manifests.labels(Name("default", "orders")), USABLE_BY}
        (owner,) = child["metadata"]["ownerReferences"]
        assert owner["controller"] is True
        assert owner["blockOwnerDeletion"] is False


async def test_a_key_or_a_policy_never_changes_the_template(rig: Rig) -> None:
    """A rollout for the pipeline only; access is hot."""
    before = {it["metadata"]["name"]: it["spec"]["template"] for it in deployments(rig)}
    rig.cluster.remove("Key", Name("default", "mobile"))
    rig.cluster.edit("Policy", Name("default", "gold"), lambda it: it["spec"].update(state="Denied"))
    rig.cluster.edit("StreamAPI", Name("default", "orders"), lambda it: it["spec"].update(listenPath="/other"))
    await rig.settle(10.0)
    assert {it["metadata"]["name"]: it["spec"]["template"] for it in deployments(rig)} == before


async def test_the_longest_name_fits(rig: Rig) -> None:
    name = "a" * 50
    api = next(
        it for it in yaml.safe_load_all((SAMPLES / "orders.yaml").read_text()) if it["metadata"]["name"] == "orders"
    )
    api["metadata"]["name"] = name
    api["spec"]["listenPath"] = "/long"
    rig.cluster.put(api)
    await rig.settle(10.0)
    assert rig.condition("StreamAPI", name, "Ready")["status"] == "True"
    services = [it for it in rig.cluster.of("Service") if it.startswith(name)]
    assert services
    assert all(len(it) <= 63 for it in services)


async def test_above_the_limit_the_keys_are_in_sixteen_secrets(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "SHARD_LIMIT", 1)
    rig.reconciler.enqueue(rig.mirror.observe(dict(rig.cluster.of("StreamAPI")["orders"])))
    rig.cluster.edit("StreamAPI", Name("default", "orders"), lambda it: it["spec"].update(displayName="again"))
    await rig.settle(10.0)
    shards = {name for name in rig.cluster.of("Secret") if name.startswith("orders-keys-")}
    assert len(shards) == manifests.SHARDED
    assert len(rig.records()) == 2
    monkeypatch.setattr(access, "SHARD_LIMIT", 3000)
    rig.cluster.edit("StreamAPI", Name("default", "orders"), lambda it: it["spec"].update(displayName="once more"))
    await rig.settle(10.0)
    assert {name for name in rig.cluster.of("Secret") if name.startswith("orders-keys-")} == {"orders-keys-0"}
    assert len(rig.records()) == 2
    assert manifests.mounted_shards(rig.cluster.of("Deployment")["orders-gateway"]) == manifests.SHARDED


async def test_pods_mount_sixteen_shards_before_there_are_any(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the day the keys are spread no running pod misses one."""
    monkeypatch.setattr(access, "SHARD_LIMIT", 2)
    rig.cluster.edit("StreamAPI", Name("default", "orders"), lambda it: it["spec"].update(displayName="again"))
    await rig.settle(10.0)
    assert manifests.mounted_shards(rig.cluster.of("Deployment")["orders-gateway"]) == manifests.SHARDED
    assert {name for name in rig.cluster.of("Secret") if name.startswith("orders-keys-")} == {"orders-keys-0"}


def test_the_same_document_always_gives_the_same_text() -> None:
    assert render.encode({"b": 1, "a": [1.5, "ü\ud800"]}) == render.encode({"a": [1.5, "ü\ud800"], "b": 1})
    json.loads(render.encode({"a": "ü\ud800"}))
