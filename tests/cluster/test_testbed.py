"""The testbed itself: what a real API server says about our CRDs, that our images run on a real node, names, Kafka, Helm, the end."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cluster.parts import started
from testbed import cgroups
from testbed.cluster import Cluster, Failed, sweep
from testbed.cluster_kafka import kafka
from testbed.images import ROOT, name_of

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(7200)]  # the first run builds everything

CRDS = sorted((ROOT / "crds").glob("*.yaml"))
SECURITY = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


@pytest.fixture(scope="module")
def plain() -> Iterator[Cluster]:
    """A cluster of this module's own: it removes CRDs, which others need."""
    with started() as it:
        yield it


def gateway(name: str, command: list[str]) -> dict[str, object]:
    """A Deployment of the gateway's image with everything a restricted namespace asks for."""
    container = {
        "name": "gateway",
        "image": name_of("gateway"),
        "imagePullPolicy": "Never",
        "command": command,
        "securityContext": SECURITY,
        "readinessProbe": {
            "exec": {"command": ["penstock-gateway", "--help"]},
            "periodSeconds": 1,
            "timeoutSeconds": 10,
        },
    }
    labels = {"app": name}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 0}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": pod},
    }


@pytest.mark.parametrize("path", CRDS, ids=lambda path: path.stem)
@pytest.mark.parametrize("way", ["client-side", "server-side"])
def test_crds_are_accepted_without_a_word_of_complaint(plain: Cluster, path: Path, way: str) -> None:
    it = plain
    document = yaml.safe_load(path.read_text())
    name = document["metadata"]["name"]
    options = ["--server-side"] if way == "server-side" else []
    it.kubectl("delete", "crd", name, "--ignore-not-found", "--wait")
    done = it.run(["kubectl", "apply", "-f", str(path), *options])
    assert done.stderr == ""
    it.kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=30s")
    conditions = json.loads(it.kubectl("get", "crd", name, "-o", "json"))["status"]["conditions"]
    states = {each["type"]: each["status"] for each in conditions}
    assert "NonStructuralSchema" not in states, conditions
    assert states["NamesAccepted"] == "True"
    again = it.run(["kubectl", "apply", "-f", str(path), *options])
    assert "unchanged" in again.stdout or way == "server-side"
    assert path.stat().st_size < 200_000


def test_the_samples_pass_the_api_server_and_can_be_explained(plain: Cluster) -> None:
    it = plain
    it.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    it.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    it.kubectl("create", "namespace", "samples")
    it.kubectl("apply", "-n", "samples", "-f", str(ROOT / "config" / "samples"))
    it.kubectl("apply", "-n", "samples", "--server-side", "--force-conflicts", "-f", str(ROOT / "config" / "samples"))
    assert "orders" in it.kubectl("get", "penstock", "-n", "samples")
    assert "DESCRIPTION" in it.kubectl("explain", "streamapi.spec.streams")
    it.kubectl("delete", "namespace", "samples", "--wait")


def test_the_gateway_image_runs_restricted_and_names_resolve(plain: Cluster) -> None:
    it = plain
    words = "import socket, time; print(socket.getaddrinfo('kubernetes.default.svc', 443)[0][4][0], flush=True); time.sleep(3600)"
    it.apply(gateway("smoke", ["python3", "-c", words]))
    it.kubectl("rollout", "status", "deployment/smoke", "--timeout=60s", timeout=90)
    pods = json.loads(it.kubectl("get", "pods", "-l", "app=smoke", "-o", "json"))["items"]
    assert len(pods) == 2
    name = pods[0]["metadata"]["name"]
    assert it.kubectl("logs", name).strip() == "10.96.0.1"
    assert it.kubectl("exec", name, "--", "id", "-u").strip() == "65532"
    assert "usage" in it.kubectl("exec", name, "--", "penstock-gateway", "--help")
    with pytest.raises(Failed, match="Read-only file system"):
        it.kubectl("exec", name, "--", "touch", "/file")
    strays = (
        r"find / -xdev \( -name .git -o -name conftest.py -o -name Dockerfile -o -path /source \) 2>/dev/null; true"
    )
    assert it.kubectl("exec", name, "--", "sh", "-c", strays) == ""
    it.kubectl("delete", "deployment", "smoke", "--wait")


def test_pods_reach_kafka_by_its_service(plain: Cluster) -> None:
    it = plain
    program = """
import asyncio
from aiokafka import AIOKafkaProducer
async def main():
    async with AIOKafkaProducer(bootstrap_servers="kafka.default.svc:9092") as producer:
        sent = await producer.send_and_wait("smoke", b"hello")
        print(sent.topic, sent.offset)
asyncio.run(main())
"""
    with kafka(it):
        run = ["run", "once", "-i", "--rm", "--restart=Never", "--quiet", f"--image={name_of('gateway')}"]
        printed = it.kubectl(*run, "--image-pull-policy=Never", "--command", "--", "python3", "-", text=program)
    assert printed.splitlines()[0] == "smoke 0"


def test_both_helms_install_upgrade_and_uninstall(plain: Cluster, tmp_path: Path) -> None:
    it = plain
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: tiny\nversion: 0.1.0\nkubeVersion: '>=1.30.0-0'\n")
    (tmp_path / "templates" / "it.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\ndata: {v: '{{ .Values.v }}'}\n"
    )
    for helm, major in ((it.helm, 4), (it.helm3, 3)):
        release = f"tiny{major}"
        assert re.match(rf"v{major}\.", helm("version", "--template", "{{.Version}}"))
        assert "ConfigMap" in helm("template", str(tmp_path))
        helm("install", release, str(tmp_path), "--wait", "--set", "v=1")
        helm("upgrade", release, str(tmp_path), "--set", "v=2")
        assert it.kubectl("get", "configmap", release, "-o", "jsonpath={.data.v}") == "2"
        helm("uninstall", release)


def test_the_audit_log_says_who_did_what(plain: Cluster) -> None:
    it = plain
    it.kubectl("create", "configmap", "audited")
    done = [event for event in it.audit("testbed-admin") if (event.get("objectRef") or {}).get("name") == "audited"]
    assert [(event["verb"], event["responseStatus"]["code"]) for event in done] == [("create", 201)]


def test_code_of_this_process_talks_to_the_cluster(plain: Cluster) -> None:
    def network() -> str:
        return str(Path("/proc/thread-self/ns/net").readlink())

    before = network()
    with plain.network(), socket.create_connection(("10.97.0.1", 6443), timeout=5):
        assert network() != before
    assert network() == before


def test_two_clusters_do_not_meet_and_leave_nothing(plain: Cluster) -> None:
    with started() as other:
        assert other.name != plain.name
        other.kubectl("create", "namespace", "elsewhere")
        assert "elsewhere" not in plain.kubectl("get", "namespaces")
        folder, first = other.folder, other.inside.pid
    assert not folder.exists()
    assert not Path(f"/proc/{first}").exists()
    assert not [group for root in cgroups.hierarchies() for group in root.glob(f"{other.name}*")]
    assert folder.name not in Path("/proc/self/mounts").read_text()


def test_a_cluster_ends_with_the_process_that_was_killed(plain: Cluster) -> None:
    """SIGKILL of the test's own process: everything inside ends at once; files and groups go with the next cluster's start."""
    program = "from testbed.cluster import Cluster; it = Cluster(); it.start([]); print(it.inside.pid, it.folder, flush=True); input()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    victim = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    with victim:
        assert victim.stdout
        first, folder = victim.stdout.readline().split()
        victim.kill()
        victim.wait()
    until = time.monotonic() + 30
    while Path(f"/proc/{first}").exists():
        assert time.monotonic() < until
        time.sleep(0.05)  # a poll: a process that is nobody's child tells nobody when it ends
    sweep()
    assert not Path(folder).exists()
    assert not [group for root in cgroups.hierarchies() for group in root.glob(f"{cgroups.PREFIX}{victim.pid}-*")]
