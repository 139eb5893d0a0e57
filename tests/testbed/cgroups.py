"""Control groups of the cluster's pods: one parent per cluster in every hierarchy, removed with it."""

from __future__ import annotations

import os
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PREFIX = "penstock-testbed-"


def hierarchies() -> list[Path]:
    """The roots where a group may be made: one per controller with version 1, one in all with version 2."""
    if (ROOT / "cgroup.controllers").exists():
        return [ROOT]
    return [each for each in ROOT.iterdir() if each.is_dir() and not each.is_symlink()]


def create(name: str) -> None:
    """Make the parent. A group of cpuset (version 1) starts without processors, so it gets those of its parent."""
    for root in hierarchies():
        group = root / name
        group.mkdir(exist_ok=True)
        for field in ("cpuset.cpus", "cpuset.mems"):
            if (group / field).exists() and not (group / field).read_text().strip():
                (group / field).write_text((root / field).read_text())


def remove(name: str, deadline: float = 5.0) -> None:
    """Remove the parent and all below it, as soon as the last process has left (its end takes the kernel a moment)."""
    until = time.monotonic() + deadline
    waiting = [root / name for root in hierarchies()]
    while waiting:
        waiting = [group for group in waiting if not _gone(group)]
        if waiting and time.monotonic() > until:
            raise TimeoutError(f"control groups are still in use: {', '.join(map(str, waiting))}")
        if waiting:
            time.sleep(0.05)  # a poll: version 1 has nothing to wait on


def sweep() -> None:
    """Remove what clusters left whose process was killed."""
    for root in hierarchies():
        for group in root.glob(f"{PREFIX}*"):
            if not owned(group.name):
                _gone(group)


def owned(name: str) -> bool:
    """Whether the process that made this still lives."""
    owner = name.removeprefix(PREFIX).split("-")[0]
    return not owner.isdigit() or Path(f"/proc/{owner}").exists()


def _gone(group: Path) -> bool:
    for folder, _, _ in os.walk(group, topdown=False):
        try:
            Path(folder).rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return not group.exists()
