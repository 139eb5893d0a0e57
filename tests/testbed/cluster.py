"""A whole Kubernetes cluster of one node, isolated from the machine, in about ten seconds; it stops without trace.

    with cluster() as it:
        it.kubectl("apply", "-f", "config/samples/")
        it.run(["penstock", "get", ...])                # any program, inside
        with it.network(): ...                          # asyncio code of this process talks to the cluster

Everything runs for real: etcd, API server, controller manager, scheduler, containerd, kubelet, kube-proxy, CoreDNS.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from testbed import binaries, cgroups, credentials, images, packages, settings
from testbed.inside import NODE
from testbed.kafka import Unavailable
from testbed.namespaces import Namespaces

START_DEADLINE = 120.0
"""Seconds until the node must be ready; a busy machine needs more than the usual ten."""
_numbers = itertools.count()


class Failed(Exception):
    """A command inside the cluster ended with another status than 0; the text has what it printed."""


class Daemon:
    """One program of the cluster. Faults are made with `kill`, `pause`, `resume` and `start`."""

    def __init__(
        self, inside: Namespaces, name: str, command: list[str], log: Path, environment: dict[str, str]
    ) -> None:
        self.name, self.log = name, log
        self._inside, self._command, self._environment = inside, command, environment
        self.start()

    def start(self) -> None:
        """Run it; after `kill` or `stop` it comes back with the state it had."""
        with self.log.open("ab") as log:
            self.process = self._inside.popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment, cwd="/"
            )

    def stop(self, deadline: float = 10.0) -> None:
        """SIGTERM, then SIGKILL."""
        self.process.terminate()
        try:
            self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        """SIGSTOP: it is there and does not answer."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self.process.send_signal(signal.SIGCONT)

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-1500:]


class Cluster:
    """A running cluster; made by `cluster()`."""

    def __init__(self) -> None:
        self.name = f"{cgroups.PREFIX}{os.getpid()}-{next(_numbers)}"
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.name}-"))
        self.kubeconfig = self.folder / "admin.kubeconfig"
        """The administrator's."""
        self.kubernetes = binaries.version_of("kubernetes")
        self.daemons: dict[str, Daemon] = {}
        self.timings: dict[str, float] = {}
        """Seconds after the start until: api (answers), node (ready), images (imported), dns (answers)."""
        self._started = time.monotonic()
        self._write()
        sweep()
        cgroups.create(self.name)
        try:
            self.inside = Namespaces(self.folder)
        except BaseException:
            cgroups.remove(self.name)
            shutil.rmtree(self.folder)
            raise

    # --- start ----------------------------------------------------------------------------------------------------------------

    def _write(self) -> None:
        """Everything that must lie on disk before the first program starts."""
        folder = self.folder
        for name in ("state", "cni", "logs", "bin", "home"):
            (folder / name).mkdir()
        files = {
            "resolv.conf": settings.resolver(),
            "Corefile": settings.corefile(folder),
            "audit-policy.json": settings.audit_policy(),
            "containerd.toml": settings.containerd(folder),
            "cni/10-testbed.conflist": settings.cni(),
            "kubelet.json": settings.kubelet(folder, self.name),
            "kube-proxy.json": settings.kube_proxy(folder),
        }
        for name, text in files.items():
            (folder / name).write_text(text)
        credentials.write(folder)
        for program in ("kubectl", "helm", "helm3"):
            (folder / "bin" / program).symlink_to(binaries.path(program))

    def start(self, archives: list[Path]) -> None:
        """Start every program and wait until the node is ready, the images are there and names resolve."""
        for name in ("etcd", "kube-apiserver", "containerd"):
            self._daemon(name)
        with ThreadPoolExecutor(1) as importer:
            imported = importer.submit(self._import, archives)
            self.wait_for(self._api_ready, "the API server")
            self._mark("api")
            for name in ("kube-controller-manager", "kube-scheduler", "kube-proxy", "coredns", "kubelet"):
                self._daemon(name)
            self.wait_for(self._node_ready, "the node")
            self._mark("node")
            self._finish(imported)
        self.wait_for(self._dns_ready, "DNS")
        self._mark("dns")

    def _finish(self, imported: Future[None]) -> None:
        imported.result(START_DEADLINE)
        self._mark("images")

    def _mark(self, stage: str) -> None:
        self.timings[stage] = round(time.monotonic() - self._started, 1)

    def _daemon(self, name: str) -> None:
        program = shutil.which(name) or name if name == "containerd" else str(binaries.path(name))
        command = [program, *settings.commands(self.folder)[name]]
        self.daemons[name] = Daemon(self.inside, name, command, self.folder / "logs" / f"{name}.log", self.environment)

    def _import(self, archives: list[Path]) -> None:
        self.wait_for(lambda: self.run(["ctr", "version"], check=False).returncode == 0, "containerd")
        for archive in archives:
            self.import_image(archive)

    def _api_ready(self) -> bool:
        return self.get("/readyz")[0] == 200

    def _node_ready(self) -> bool:
        """The node is ready and pods may be made: the default namespace has its ServiceAccount."""
        status, node = self.get("/api/v1/nodes/node1")
        if status != 200 or node["spec"].get("taints"):
            return False
        conditions = {each["type"]: each["status"] for each in node["status"]["conditions"]}
        return (
            conditions.get("Ready") == "True"
            and self.get("/api/v1/namespaces/default/serviceaccounts/default")[0] == 200
        )

    def _dns_ready(self) -> bool:
        lookup = ["getent", "ahostsv4", "kubernetes.default.svc.cluster.local"]
        return self.run(lookup, check=False).stdout.startswith("10.96.0.1")

    # --- use ------------------------------------------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        """What commands inside see: KUBECONFIG, kubectl and helm first in PATH, caches in the cluster's folder."""
        home = self.folder / "home"
        path = [
            str(self.folder / "bin"),
            str(Path(sys.executable).parent),
            os.environ.get("PATH", ""),
            "/usr/sbin",
            "/sbin",
        ]
        helm = {f"HELM_{kind}_HOME": str(home / "helm" / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        return {
            **os.environ, **helm, "PATH": ":".join(path), "KUBECONFIG": str(self.kubeconfig),
            "KUBECACHEDIR": str(home / "kube"),
        }  # fmt: skip

    def popen(self, command: list[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a program inside, a child of this process; the arguments are those of subprocess.Popen."""
        options.setdefault("env", self.environment)
        return self.inside.popen(command, **options)

    def run(
        self, command: list[str], *, check: bool = True, timeout: float = 60.0, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program inside to its end, with `text` as its input. Raises Failed unless `check` is off."""
        pipe, entry = subprocess.PIPE, subprocess.DEVNULL if text is None else subprocess.PIPE
        process = self.popen(command, stdin=entry, stdout=pipe, stderr=pipe, text=True)
        try:
            output, errors = process.communicate(text, timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            output, errors = process.communicate()
            raise Failed(f"`{' '.join(command)}` did not end within {timeout:.0f} s:\n{errors}{output}") from None
        if check and process.returncode:
            raise Failed(f"`{' '.join(command)}` ended with {process.returncode}:\n{errors}{output}")
        return subprocess.CompletedProcess(command, process.returncode, output, errors)

    def kubectl(self, *arguments: str, check: bool = True, timeout: float = 60.0, text: str | None = None) -> str:
        """What kubectl prints."""
        return self.run(["kubectl", *arguments], check=check, timeout=timeout, text=text).stdout

    def helm(self, *arguments: str, check: bool = True, timeout: float = 120.0) -> str:
        """What Helm 4 prints."""
        return self.run(["helm", *arguments], check=check, timeout=timeout).stdout

    def helm3(self, *arguments: str, check: bool = True, timeout: float = 120.0) -> str:
        """What Helm 3 prints."""
        return self.run(["helm3", *arguments], check=check, timeout=timeout).stdout

    def apply(self, *documents: dict[str, Any]) -> str:
        """Apply objects server-side."""
        items = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(documents)})
        return self.kubectl("apply", "--server-side", "-f", "-", text=items)

    def network(self) -> AbstractContextManager[None]:
        """Within the block the sockets of this thread are the cluster's."""
        return self.inside.network()

    def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON (or text) of a path of the API server, as the administrator; status 0: it does not answer."""
        return self.inside.call(self._get, path)

    def _get(self, path: str) -> tuple[int, Any]:
        trust = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        connection = http.client.HTTPSConnection(NODE, 6443, timeout=5, context=trust)
        token = json.loads(self.kubeconfig.read_text())["users"][0]["user"]["token"]
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}", "Accept": "application/json"})
            answer = connection.getresponse()
            body = answer.read()
        except OSError:
            return 0, ""
        finally:
            connection.close()
        json_given = (answer.getheader("Content-Type") or "").startswith("application/json")
        return answer.status, json.loads(body) if json_given else body.decode(errors="replace")

    def kubeconfig_of(self, account: str, namespace: str) -> Path:
        """A kubeconfig with a fresh token of a ServiceAccount."""
        token = self.kubectl("create", "token", account, "-n", namespace).strip()
        place = self.folder / f"{namespace}.{account}.kubeconfig"
        place.write_text(credentials.kubeconfig((self.folder / "ca.crt").read_bytes(), token, namespace))
        return place

    def import_image(self, archive: Path) -> None:
        """Give the node the images of a docker-archive."""
        self.run(["ctr", "-n", "k8s.io", "images", "import", str(archive)], timeout=120)

    def audit(self, user: str | None = None) -> list[dict[str, Any]]:
        """The API server's audit log so far: who did what to which object with which status."""
        log = self.folder / "audit.log"
        events = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return [event for event in events if user is None or event["user"].get("username") == user]

    def wait_for(self, condition: Callable[[], bool], what: str, deadline: float = START_DEADLINE) -> None:
        """Ask until it is so. Raises Unavailable with the logs of what has died."""
        until = time.monotonic() + deadline
        while not condition():
            dead = [each for each in self.daemons.values() if each.process.poll() is not None]
            if dead or time.monotonic() > until:
                words = "\n".join(f"--- {each.name}\n{each.last_words()}" for each in dead or self.daemons.values())
                raise Unavailable(f"{what} is not ready after {time.monotonic() - self._started:.0f} s\n{words}")
            time.sleep(0.1)  # a poll of a program that tells nobody when it is ready

    # --- end ------------------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End every process, then remove folder and control groups. `PENSTOCK_KEEP=1` keeps the folder with all logs."""
        self.inside.close()
        cgroups.remove(self.name)
        if os.environ.get("PENSTOCK_KEEP"):
            binaries.say(f"the logs are in {self.folder / 'logs'}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


def sweep() -> None:
    """Remove what is left of clusters whose process was killed; their processes ended with it. Its id is in the name."""
    cgroups.sweep()
    for folder in Path(tempfile.gettempdir()).glob(f"{cgroups.PREFIX}*"):
        if not cgroups.owned(folder.name) and not os.environ.get("PENSTOCK_KEEP"):
            shutil.rmtree(folder, ignore_errors=True)


def prepare() -> list[Path]:
    """Install, build and fetch all that a cluster needs, before its namespaces cut the network off; the archives of the images."""
    if os.geteuid() != 0:
        raise Unavailable("the testbed starts a real kubelet and needs root")
    packages.install()
    binaries.build()
    return images.all_archives()


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster for the length of a block. Raises Unavailable, with the reason, where this machine cannot run one."""
    archives = prepare()
    it = Cluster()
    try:
        it.start(archives)
        yield it
    finally:
        it.close()
