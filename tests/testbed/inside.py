"""The first process of the cluster's namespaces: makes network and mounts, reaps orphans, ends when whoever started it is gone.

Started by `namespaces.py` as `python -I inside.py FOLDER`, alone in new network, mount and process namespaces. It says `ready` and then
waits for the end of its standard input: with it ends every process inside, even when the test was killed with SIGKILL.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

NODE = "10.97.0.1"
SERVICES = "10.96.0.0/16"
SYSCTLS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
"""What a kubelet sets on the whole machine; inside it gets files that only look like them."""


def main() -> None:
    """Prepare, say so, wait for the end of standard input."""
    folder = Path(sys.argv[1])
    signal.signal(signal.SIGCHLD, lambda *_: None)
    network()
    mounts(folder)
    signal.signal(signal.SIGCHLD, reap)
    print("ready", flush=True)
    while os.read(0, 1):
        pass


def network() -> None:
    """Loopback, a bridge with the node's address, a way to the Services' addresses."""
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "pen0", "type", "bridge")
    run("ip", "address", "add", f"{NODE}/32", "dev", "pen0")
    run("ip", "link", "set", "pen0", "up")
    run("ip", "route", "add", SERVICES, "dev", "pen0", "src", NODE)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def mounts(folder: Path) -> None:
    """Everything a node writes goes to memory: the state below `folder/state`, and what is hard-wired to /run, /var/lib and /var/log."""
    state = folder / "state"
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(state))
    run("mount", "--make-rshared", str(state))
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for name in ("/var/lib", "/var/log"):
        over = state / name.strip("/").replace("/", "-")
        (over / "upper").mkdir(parents=True)
        (over / "work").mkdir()
        options = f"lowerdir={name},upperdir={over}/upper,workdir={over}/work"
        run("mount", "-t", "overlay", "-o", options, "overlay", name)
    run("mount", "--bind", str(folder / "resolv.conf"), str(Path("/etc/resolv.conf").resolve()))
    for number, name in enumerate(SYSCTLS):
        real = Path("/proc/sys") / name
        if real.exists():
            fake = state / f"sysctl-{number}"
            fake.write_text(real.read_text())
            run("mount", "--bind", str(fake), str(real))


def reap(*_: object) -> None:
    """Bury children: orphans of the containers' shims end here."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def run(*command: str) -> None:
    """Run a command, or end with its words."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"`{' '.join(command)}` failed: {done.stderr.strip()}")


if __name__ == "__main__":
    main()
