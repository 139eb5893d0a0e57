"""Installs the Debian packages that the testbed needs, and says so."""

from __future__ import annotations

import os
import shutil
import subprocess

from testbed.binaries import alone, say
from testbed.kafka import Unavailable

PROGRAMS = {
    "containerd": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "nft": "nftables",
    "conntrack": "conntrack",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "unshare": "util-linux",
    "openssl": "openssl",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
}
"""Program → the Debian package that brings it."""


def missing() -> list[str]:
    """The packages that are not installed, by the programs that are not there."""
    places = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return sorted({package for program, package in PROGRAMS.items() if shutil.which(program, path=places) is None})


def install() -> None:
    """Install what is missing with apt-get. Raises Unavailable where that cannot be done."""
    if not missing():
        return
    with alone("packages"):
        packages = missing()
        if not packages:
            return
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise Unavailable(
                f"these Debian packages are needed: {' '.join(packages)} (apt-get as root would install them)"
            )
        say(f"installing Debian packages: {' '.join(packages)}")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        if not _apt(environment, packages):
            _run(["apt-get", "update", "-qq"], environment)
            if not _apt(environment, packages):
                raise Unavailable(f"apt-get could not install {' '.join(packages)}")


def _apt(environment: dict[str, str], packages: list[str]) -> bool:
    return _run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], environment)


def _run(command: list[str], environment: dict[str, str]) -> bool:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        say(f"{' '.join(command[:3])} failed: {done.stderr.strip()[-300:]}")
    return done.returncode == 0
