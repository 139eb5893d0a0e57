"""The operator's runtime on a cluster in memory, in virtual time: watches, kubelets and gateways are played, the rest is real."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from fakes.cluster import FakeCluster, Object
from penstock_gateway import access as gateway_access
from penstock_operator import compiling, manifests, nudge
from penstock_operator.cluster import name_of
from penstock_operator.compiler import Compiler
from penstock_operator.mirror import Mirror
from penstock_operator.reconcile import Reconciler
from penstock_operator.resources.documents import Name
from penstock_operator.workqueue import WorkQueue
from penstock_operator.world import Compiled, Ref, Store

SAMPLES = Path(__file__).parents[2] / "config" / "samples"
STYLE = manifests.Style("penstock/gateway:test")


class InProcess(Compiler):
    """Compiles here and now."""

    async def _compile(self, data: Any, values: Mapping[str, str]) -> Compiled:
        return compiling.compile_stream(data, values)


class Rig:
    """One operator and its cluster. `deaf`: pods of these names ignore that many nudges; `blind`: no watch events arrive."""

    def __init__(self, cluster: FakeCluster | None = None) -> None:
        self.now = 1000.0
        self.cluster = cluster or FakeCluster(self.clock)
        self.cluster.clock = self.clock
        self.cluster.watchers = [self._kubelet, self._watch]
        self.held: dict[str, dict[str, bytes]] = {}
        self.deaf: dict[str, int] = {}
        self.blind = False
        self.start()

    def start(self) -> None:
        """A new operator process, which knows nothing."""
        self.store = Store()
        self.mirror = Mirror(self.store)
        self.queue: WorkQueue[Ref] = WorkQueue(self.clock)
        gateways = nudge.Gateways(self.cluster, self.mirror, self.ask, self.clock)
        counter = iter(range(1, 10**6))
        self.reconciler = Reconciler(
            self.cluster,
            self.mirror,
            self.queue,
            gateways,
            InProcess(),
            STYLE,
            self.clock,
            lambda size: next(counter).to_bytes(size, "big"),
        )

    def clock(self) -> float:
        return self.now

    # --- what others play -----------------------------------------------------------------------------------------------

    def _watch(self, type_: str, document: Object) -> None:
        selector = self.mirror.watched.get(document["kind"])
        labels = document["metadata"].get("labels") or {}
        key, equals, value = (selector or "").partition("=")
        chosen = selector is not None and (not selector or (labels.get(key) == value if equals else key in labels))
        if self.blind or not chosen:
            return
        observe = self.mirror.forget if type_ == "DELETED" else self.mirror.observe
        self.reconciler.enqueue(observe(document))

    def _kubelet(self, type_: str, document: Object) -> None:
        if document["kind"] == "Deployment" and type_ != "DELETED" and "template" in document["spec"]:
            self._roll(document)
        elif document["kind"] == "Pod" and type_ == "MODIFIED":
            name = document["metadata"]["name"]
            if self.deaf.get(name, 0) > 0:
                self.deaf[name] -= 1
            else:
                self.held[name] = self._mounted(document)

    def _roll(self, deployment: Object) -> None:
        """Pods at once, one set for each template."""
        name, template = name_of(deployment), deployment["spec"]["template"]
        digest = template["metadata"]["annotations"][manifests.HASH]
        wanted = {f"{name.name}-{digest}-{number}" for number in range(deployment["spec"]["replicas"])}
        here = {
            pod
            for pod, it in self.cluster.of("Pod").items()
            if it["metadata"]["ownerReferences"][0]["name"] == name.name
        }
        for pod in sorted(wanted - here):
            document = {
                "kind": "Pod",
                "metadata": {
                    "name": pod,
                    "namespace": name.namespace,
                    "labels": template["metadata"]["labels"],
                    "annotations": dict(template["metadata"]["annotations"]),
                    "ownerReferences": [{"name": name.name, "uid": deployment["metadata"]["uid"], "controller": True}],
                },
                "spec": template["spec"],
                "status": {"podIP": pod, "conditions": [{"type": "Ready", "status": "True"}]},
            }
            self.held[pod] = self._mounted(document)
            self.cluster.put(document)
        for pod in sorted(here - wanted):
            self.cluster.remove("Pod", Name(name.namespace, pod))

    def _mounted(self, pod: Object) -> dict[str, bytes]:
        """What a kubelet would put into the pod's folder."""
        found: dict[str, bytes] = {}
        for source in pod["spec"]["volumes"][0]["projected"]["sources"]:
            ((kind, reference),) = source.items()
            place = (
                "Secret" if kind == "secret" else "ConfigMap",
                Name(pod["metadata"]["namespace"], reference["name"]),
            )
            data = (self.cluster.objects.get(place) or {}).get("data", {})
            for item in reference["items"]:
                if item["key"] in data:
                    value = data[item["key"]]
                    found[item["path"]] = base64.b64decode(value) if kind == "secret" else value.encode()
        return found

    async def ask(self, address: str, token: str) -> Mapping[str, Any] | None:
        """A gateway's status; its address is its pod's name."""
        held = self.held[address]
        if json.loads(held["admin.json"])["token"] != token:
            return {}
        hot = {path: body for path, body in held.items() if path.startswith(("access/", "keys/"))}
        pipeline = json.loads(held["pipeline.json"])
        streams = {
            f"{api['namespace']}/{api['name']}": [{"connected": True, "faults": []} for _ in api["streams"]]
            for api in pipeline["apis"]
        }
        return {"ready": True, "access": {"revision": gateway_access.revision(hot)}, "apis": streams}

    # --- running --------------------------------------------------------------------------------------------------------

    def apply(self, *paths: Path) -> None:
        """What `kubectl apply` would do with files."""
        for path in paths or sorted(SAMPLES.glob("*.yaml")):
            for document in yaml.safe_load_all(path.read_text()):
                self.cluster.put(document)

    async def settle(self, seconds: float = 5.0) -> None:
        """Work until nothing is due within that time."""
        end = self.now + seconds
        for _ in range(10_000):
            ref = self.queue.take()
            if ref is not None:
                await self.reconciler.act(ref)
                self.queue.done(ref)
                continue
            due = self.queue.next_due()
            if due is None or self.now + due > end:
                self.now = end
                return
            self.now += due + 1e-6
        raise AssertionError("the operator does not come to rest")

    async def run(self, seconds: float = 5.0) -> None:
        """A fresh process: prime, then work."""
        self.cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "labels": {}}})
        assert await self.reconciler.prime()
        await self.settle(seconds)

    # --- looking --------------------------------------------------------------------------------------------------------

    def condition(self, kind: str, name: str, type_: str) -> dict[str, Any]:
        """One condition of a resource."""
        status = self.cluster.of(kind)[name].get("status", {})
        return next((it for it in status.get("conditions", ()) if it["type"] == type_), {})

    def document(self, secret: str, entry: str) -> Any:
        """What a Secret holds."""
        return json.loads(base64.b64decode(self.cluster.of("Secret")[secret]["data"][entry]))

    def records(self, api: str = "orders") -> dict[str, Any]:
        """The key records of an API, as its Secrets hold them."""
        found: dict[str, Any] = {}
        for name in self.cluster.of("Secret"):
            if name.startswith(f"{api}-keys-"):
                number = name.rpartition("-")[2]
                found |= self.document(name, f"default.{api}-{number}.json")["keys"]
        return found
