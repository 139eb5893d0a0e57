"""Builds the programs of the testbed from Go modules with pinned versions, and keeps them in a cache outside of the repository.

Each folder below `go/` is a module whose `go.mod` is the only place that names the version. What is built lies in
`${XDG_CACHE_HOME:-~/.cache}/penstock-testbed/<program>-<version>/`; what is there already is not built again. Kubernetes can be
another version than the pinned one: `PENSTOCK_KUBERNETES=1.35.4`. Run as a program (`python -m testbed.binaries`) it builds everything.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed.kafka import Unavailable

GO = Path(__file__).parent / "go"
BUILD_DEADLINE = 1800.0
"""Seconds one program may take to build; the first of Kubernetes pays for what all of them share."""


@dataclass(frozen=True)
class Program:
    """One program: the module that pins it, the Go package it is built from, and about how long that takes from cold caches."""

    name: str
    module: str
    package: str
    seconds: int


KUBERNETES = [
    Program(name, "kubernetes", f"k8s.io/kubernetes/cmd/{name}", seconds)
    for name, seconds in (
        ("kube-apiserver", 200),
        ("kubectl", 20),
        ("kubelet", 50),
        ("kube-controller-manager", 30),
        ("kube-scheduler", 5),
        ("kube-proxy", 10),
    )
]
OTHERS = [
    Program("etcd", "etcd", "go.etcd.io/etcd/server/v3", 30),
    Program("pause", "pause", ".", 5),
    Program("coredns", "coredns", "github.com/coredns/coredns", 60),
    Program("helm3", "helm3", "helm.sh/helm/v3/cmd/helm", 70),
    Program("helm", "helm4", "helm.sh/helm/v4/cmd/helm", 150),
]


def say(line: str) -> None:
    """Tell the person who waits what is going on."""
    print(f"testbed: {line}", file=sys.stderr, flush=True)


def cache() -> Path:
    """The folder of everything that the testbed keeps between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penstock-testbed"


@contextmanager
def alone(name: str) -> Iterator[None]:
    """One process at a time: two test runs that start together build once."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def pinned(module: str) -> str:
    """The version that the module's `go.mod` requires first; `1` for a module that requires nothing."""
    found = re.search(r"^require \S+ v(\S+)$", (GO / module / "go.mod").read_text(), re.MULTILINE)
    return found.group(1) if found else "1"


def version_of(module: str) -> str:
    """The version to build: the pinned one, or for Kubernetes what the environment asks for."""
    asked = os.environ.get("PENSTOCK_KUBERNETES") if module == "kubernetes" else None
    return (asked or pinned(module)).removeprefix("v")


def path(name: str) -> Path:
    """Where a program lies once it is built."""
    program = next(each for each in [*KUBERNETES, *OTHERS] if each.name == name)
    return cache() / f"{program.module}-{version_of(program.module)}" / name


def build(programs: list[Program] | None = None) -> None:
    """Build what is not in the cache, politely: lowest priority, two compilers at most. Raises Unavailable with the compiler's words."""
    wanted = programs if programs is not None else [*KUBERNETES, *OTHERS]
    if all(path(each.name).exists() for each in wanted):
        return
    if shutil.which("go") is None:
        raise Unavailable("Go is not installed (1.26 or newer builds the testbed)")
    with alone("binaries"):
        missing = [each for each in wanted if not path(each.name).exists()]
        for at, program in enumerate(missing, 1):
            _build(program, f"{at}/{len(missing)}")


def _build(program: Program, position: str) -> None:
    version, target = version_of(program.module), path(program.name)
    say(f"building {program.name} {version} ({position}; about {program.seconds} s from cold caches)")
    started = time.monotonic()
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{program.name}.{os.getpid()}")
    flags = " ".join(["-s", "-w", *_stamps(program, version)])
    _go(_source(program.module), "build", "-p", "2", "-trimpath", "-ldflags", flags, "-o", str(fresh), program.package)
    os.replace(fresh, target)
    say(f"built {program.name} in {time.monotonic() - started:.0f} s, {target.stat().st_size / 1e6:.0f} MB")


def _stamps(program: Program, version: str) -> list[str]:
    """Linker flags with the version: without them the API server calls itself v0.0.0-master and charts refuse it."""
    if program.module == "kubernetes":
        major, minor = version.split(".")[:2]
        place = "k8s.io/component-base/version.git"
        return [f"-X {place}Version=v{version}", f"-X {place}Major={major}", f"-X {place}Minor={minor}"]
    if (
        program.module == "helm3"
    ):  # its idea of Kubernetes when it renders without a cluster; Helm 4 reads it from its modules
        minor = version_of("kubernetes").split(".")[1]
        places = ("pkg/chartutil", "pkg/lint/rules")
        numbers = [
            f"-X helm.sh/helm/v3/{place}.k8sVersion{part}" for place in places for part in ("Major=1", f"Minor={minor}")
        ]
        return [f"-X helm.sh/helm/v3/internal/version.version=v{version}", *numbers]
    if program.module == "helm4":
        return [f"-X helm.sh/helm/v4/internal/version.version=v{version}"]
    return []


def _go(folder: Path, *arguments: str) -> str:
    """Run Go in a module's folder; what it prints. `CGO_ENABLED=0`: the programs run in any root file system."""
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}
    command = ["nice", "-n", "19", "go", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=BUILD_DEADLINE, check=False
    )
    if done.returncode:
        raise Unavailable(f"`go {' '.join(arguments)}` failed in {folder}: {(done.stderr + done.stdout)[-1500:]}")
    return done.stdout


def _source(module: str) -> Path:
    """The folder to build in: the committed module, or a copy rewritten for another version of Kubernetes."""
    version = version_of(module)
    if version == pinned(module):
        return GO / module
    folder = cache() / f"{module}-{version}" / "module"
    if (folder / "go.sum").exists():
        return folder
    say(f"resolving Kubernetes {version} (the committed module pins {pinned(module)})")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(GO / module / "tools.go", folder / "tools.go")
    (folder / "go.mod").write_text("module penstock.dev/testbed/kubernetes\n")
    downloaded = json.loads(_go(folder, "mod", "download", "-json", f"k8s.io/kubernetes@v{version}"))
    (folder / "go.mod").write_text(kubernetes_module(Path(downloaded["GoMod"]).read_text(), version))
    _go(folder, "mod", "tidy")
    return folder


def kubernetes_module(upstream: str, version: str) -> str:
    """A `go.mod` for a version of Kubernetes, from its own: each staging module is replaced by its published release v0.x.y."""
    go = re.search(r"^go .*$", upstream, re.MULTILINE)
    staging = re.findall(r"(k8s\.io/[\w.-]+) => \./staging/", upstream)
    release = "v0." + version.split(".", 1)[1]
    lines = ["module penstock.dev/testbed/kubernetes", "", go.group(0) if go else "go 1.26.0", ""]
    lines += [f"require k8s.io/kubernetes v{version}", "", "replace ("]
    lines += [f"\t{name} => {name} {release}" for name in staging]
    return "\n".join([*lines, ")", ""])


if __name__ == "__main__":
    build()
