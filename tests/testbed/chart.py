"""Installs the project's chart with the images of the testbed."""

from __future__ import annotations

from testbed.cluster import Cluster, Failed
from testbed.images import ROOT, name_of

CHART = ROOT / "helm" / "penstock"
NAMESPACE = "penstock-system"


def values(tag: str = "test") -> list[str]:
    """Helm's options for the images that the node has: nothing is ever pulled."""
    found = []
    for prefix, target in (("image", "operator"), ("gateway.image", "gateway")):
        repository = name_of(target, tag).rpartition(":")[0]
        found += [f"{prefix}.repository={repository}", f"{prefix}.tag={tag}", f"{prefix}.pullPolicy=Never"]
    return [word for value in found for word in ("--set", value)]


def install(it: Cluster, *options: str, tag: str = "test", helm: str = "helm", wait: bool = True) -> None:
    """Install or upgrade the release `penstock`. Raises Failed with the words of Helm and of the operator."""
    waiting = ["--wait", "--timeout", "90s"] if wait else []
    place = ["--namespace", NAMESPACE, "--create-namespace"]
    command = [helm, "upgrade", "--install", "penstock", str(CHART), *place, *values(tag), *waiting, *options]
    try:
        it.run(command, timeout=150)
    except Failed as reason:
        events = it.kubectl("get", "pods,events", "-n", NAMESPACE, check=False)
        log = it.run(
            ["kubectl", "logs", "-n", NAMESPACE, "-l", "app.kubernetes.io/name=penstock", "--tail=40"], check=False
        )
        raise Failed(f"{reason}\n{events}\n{log.stdout}{log.stderr}") from None
