"""The operator for real: chart, rollout, keys, revocation on every pod, drift, restart, deletion, and what its account asked for."""

from __future__ import annotations

import base64
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed import chart
from testbed.cluster import Cluster
from testbed.cluster_kafka import kafka
from testbed.images import ROOT

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

SAMPLES = ROOT / "config" / "samples"
ACCOUNT = f"system:serviceaccount:{chart.NAMESPACE}:penstock"
ROUNDS = 10
KINDS = "streamapis,policies,keys"


@pytest.fixture(scope="module")
def operated(shared_cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with Kafka, the chart and the samples in their namespace `default`, all Ready."""
    with kafka(shared_cluster):
        chart.install(shared_cluster)
        began = time.monotonic()
        shared_cluster.kubectl("apply", "-f", str(SAMPLES))
        shared_cluster.kubectl("wait", "--for=condition=Ready", KINDS, "--all", "--timeout=60s", timeout=90)
        took = time.monotonic() - began
        print(f"samples ready after {took:.1f} s")
        assert took < 30.0 * 3
        roomy = {"spec": {"limits": {"rate": {"requests": 10000, "window": "1s"}, "quota": None, "connections": 100}}}
        shared_cluster.kubectl("patch", "policy", "gold", "--type=merge", "-p", json.dumps(roomy))
        yield shared_cluster
        shared_cluster.kubectl("delete", KINDS, "--all", "--ignore-not-found")


def key_of(it: Cluster, secret: str = "mobile-key") -> str:
    stored = json.loads(it.kubectl("get", "secret", secret, "-o", "json"))
    return base64.b64decode(stored["data"]["key"]).decode()


def addresses(it: Cluster, api: str = "orders") -> list[str]:
    """The addresses of an API's ready pods."""
    pods = json.loads(it.kubectl("get", "pods", "-l", f"penstock.dev/stream-api={api}", "-o", "json"))["items"]
    return [
        pod["status"]["podIP"]
        for pod in pods
        if "deletionTimestamp" not in pod["metadata"]
        and any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))
    ]


def publish(it: Cluster, address: str, key: str) -> int:
    """The status of a POST to one pod."""
    request = urllib.request.Request(
        f"http://{address}:8080/orders/publish", b'{"id": 1}', {"Authorization": f"Bearer {key}"}, method="POST"
    )
    with it.network():
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


def until(condition: Callable[[], bool], what: str, deadline: float) -> float:
    """Seconds until it is so."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + deadline, f"not within {deadline:.0f} s: {what}"
        time.sleep(0.02)  # a poll of something that tells nobody
    return time.monotonic() - began


class Reader:
    """A consumer of the event stream of one pod, in a thread of its own; `ended` is set when the stream is."""

    def __init__(self, it: Cluster, address: str, key: str) -> None:
        self.first, self.ended = threading.Event(), threading.Event()
        self._it = it
        self._request = urllib.request.Request(
            f"http://{address}:8080/orders/events", headers={"Authorization": f"Bearer {key}"}
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            with self._it.network():
                answer = urllib.request.urlopen(self._request, timeout=60)
            with answer:
                for line in answer:
                    if line.startswith(b"data:"):
                        self.first.set()
        except OSError:
            pass
        finally:
            self.ended.set()


def versions(it: Cluster) -> dict[str, str]:
    """The resourceVersion of everything the operator has to do with."""
    kinds = f"{KINDS},deployments,services,secrets,configmaps,serviceaccounts,poddisruptionbudgets,pods"
    found = json.loads(it.kubectl("get", kinds, "-o", "json"))["items"]
    return {f"{one['kind']}/{one['metadata']['name']}": one["metadata"]["resourceVersion"] for one in found}


def test_a_consumer_reads_with_the_key_of_its_secret(operated: Cluster) -> None:
    (address,) = addresses(operated)
    reader = Reader(operated, address, key_of(operated))
    assert reader.first.wait(20)
    assert publish(operated, address, key_of(operated)) == 200
    assert publish(operated, address, "pen_wrong") == 401


def test_a_revoked_key_is_dead_on_every_pod_within_two_seconds(operated: Cluster) -> None:
    operated.kubectl("scale", "streamapi", "orders", "--replicas=2")
    until(lambda: len(addresses(operated)) == 2, "two ready pods", 60)
    operated.kubectl("wait", "--for=condition=Ready", KINDS, "--all", "--timeout=60s", timeout=90)
    key, pods = key_of(operated), addresses(operated)
    refused: list[float] = []
    closed: list[float] = []
    for _ in range(ROUNDS):
        readers = [Reader(operated, pod, key) for pod in pods]
        assert all(reader.first.wait(20) for reader in readers)
        operated.kubectl("patch", "key", "mobile", "--type=merge", "-p", '{"spec": {"state": "Disabled"}}')
        began = time.monotonic()
        for pod in pods:
            until(lambda pod=pod: publish(operated, pod, key) in (401, 403), "refused", 6)  # type: ignore[misc]
        refused.append(time.monotonic() - began)
        assert all(reader.ended.wait(6) for reader in readers)
        closed.append(time.monotonic() - began)
        operated.kubectl("patch", "key", "mobile", "--type=merge", "-p", '{"spec": {"state": "Active"}}')
        for pod in pods:
            until(lambda pod=pod: publish(operated, pod, key) in (200, 429), "served again", 6)  # type: ignore[misc]
    for name, figures in (("refused", refused), ("closed", closed)):
        print(f"{name}: median {sorted(figures)[len(figures) // 2]:.2f} s, most {max(figures):.2f} s of {len(figures)}")
    assert max(refused) <= 2.0 * 3


def test_a_policy_takes_effect_without_a_restart(operated: Cluster) -> None:
    """No pod is restarted, no stream is cut."""
    operated.kubectl("scale", "streamapi", "orders", "--replicas=1")
    until(lambda: len(addresses(operated)) == 1, "one pod", 120)
    (address,) = addresses(operated)
    pods = operated.kubectl("get", "pods", "-l", "penstock.dev/stream-api=orders", "-o", "name")
    reader = Reader(operated, address, key_of(operated))
    assert reader.first.wait(20)
    limits = {"spec": {"limits": {"rate": {"requests": 1, "window": "10s"}, "connections": 5}}}
    operated.kubectl("patch", "policy", "gold", "--type=merge", "-p", json.dumps(limits))
    key = key_of(operated)
    took = until(lambda: publish(operated, address, key) == 429, "limited", 6)
    print(f"policy in force after {took:.2f} s")
    assert not reader.ended.is_set()
    assert operated.kubectl("get", "pods", "-l", "penstock.dev/stream-api=orders", "-o", "name") == pods


@pytest.mark.parametrize(
    "child", ["service/orders-gateway", "secret/orders-keys-0", "deployment/orders-source-gateway"]
)
def test_a_deleted_child_comes_back_within_ten_seconds(operated: Cluster, child: str) -> None:
    uid = operated.kubectl("get", child, "-o", "jsonpath={.metadata.uid}")
    operated.kubectl("delete", child)

    def is_back() -> bool:
        found = operated.kubectl("get", child, "-o", "jsonpath={.metadata.uid}", check=False)
        return bool(found) and found != uid

    print(f"{child} is back after {until(is_back, 'back', 30):.2f} s")


def test_a_restarted_operator_writes_nothing(operated: Cluster) -> None:
    operated.kubectl("wait", "--for=condition=Ready", KINDS, "--all", "--timeout=60s", timeout=90)
    until(lambda: len(_pods(operated)) == 2, "old pods are gone", 120)
    stable = {name: version for name, version in versions(operated).items() if "partner" not in name}
    place = ["-n", chart.NAMESPACE]
    lease = operated.kubectl("get", "lease", "penstock", *place, "-o", "jsonpath={.spec.holderIdentity}")
    operated.kubectl("delete", "pod", lease, *place, "--grace-period=0", "--force")
    until(
        lambda: (
            operated.kubectl("get", "lease", "penstock", *place, "-o", "jsonpath={.spec.holderIdentity}")
            not in ("", lease)
        ),
        "a successor",
        60,
    )
    operated.kubectl("rollout", "status", "deployment/penstock", *place, "--timeout=60s", timeout=90)
    operated.kubectl("patch", "key", "partner", "--type=merge", "-p", '{"spec": {"displayName": "worked on"}}')
    until(lambda: _observed(operated, "key/partner"), "the successor works", 60)
    after = {name: version for name, version in versions(operated).items() if "partner" not in name}
    assert after == stable


def _pods(it: Cluster) -> list[str]:
    return it.kubectl("get", "pods", "-l", "penstock.dev/stream-api", "-o", "name").split()


def _observed(it: Cluster, resource: str) -> bool:
    found = json.loads(it.kubectl("get", resource, "-o", "json"))
    return bool(found["status"]["observedGeneration"] == found["metadata"]["generation"])


def test_a_changed_pipeline_rolls_out(operated: Cluster) -> None:
    before = addresses(operated)
    api = json.loads(operated.kubectl("get", "streamapi", "orders", "-o", "json"))
    streams = api["spec"]["streams"]
    streams[0]["config"]["pipeline"]["processors"].append({"mapping": "root.edited = true"})
    operated.kubectl("patch", "streamapi", "orders", "--type=merge", "-p", json.dumps({"spec": {"streams": streams}}))
    until(lambda: bool(addresses(operated)) and not set(before) & set(addresses(operated)), "new pods alone", 120)
    operated.kubectl("wait", "--for=condition=Ready", "streamapi/orders", "--timeout=60s", timeout=90)
    assert _observed(operated, "streamapi/orders")


def test_the_account_was_refused_nothing_and_looked_at_no_secret_of_others(operated: Cluster) -> None:
    events = [it for it in operated.audit(ACCOUNT) if it["stage"] == "ResponseComplete"]
    assert events
    refused = [(it["verb"], it.get("requestURI")) for it in events if it["responseStatus"].get("code") in (401, 403)]
    assert refused == []
    read = {
        it["objectRef"].get("name")
        for it in events
        if it.get("objectRef", {}).get("resource") == "secrets" and it["verb"] == "get"
    }
    assert all(name.startswith("orders") or name.endswith("-key") for name in read), read
    listed = [
        it["requestURI"]
        for it in events
        if it.get("objectRef", {}).get("resource") == "secrets" and it["verb"] == "list"
    ]
    assert all("labelSelector=" in uri for uri in listed)


def test_what_is_deleted_leaves_nothing(operated: Cluster, tmp_path: Path) -> None:
    """No finalizer, nothing that waits; deletion ends within thirty seconds."""
    operated.kubectl("delete", KINDS, "--all", "--timeout=30s", timeout=60)

    def left() -> list[Any]:
        kinds = "deployments,services,secrets,configmaps,serviceaccounts,poddisruptionbudgets,pods"
        found = operated.kubectl("get", kinds, "-l", "app.kubernetes.io/managed-by=penstock-operator", "-o", "name")
        return found.split()

    print(f"nothing left after {until(lambda: left() == [], 'nothing left', 120):.1f} s")
