"""Namespaces of their own for one cluster: network, mounts and processes that vanish together, and ways to run things inside.

A process started here is a real child of this one: its `pid` can be signalled and waited for from outside.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from testbed.kafka import Unavailable

T = TypeVar("T")
CLONE_NEWNS, CLONE_FS, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x200, 0x20000000, 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _setns(descriptor: int, kind: int) -> None:
    if _libc.setns(descriptor, kind):
        raise OSError(ctypes.get_errno(), f"cannot enter the namespace: {os.strerror(ctypes.get_errno())}")


class Namespaces:
    """One set of namespaces. `folder` holds `resolv.conf` and the empty folder `state`, on which memory is mounted inside."""

    def __init__(self, folder: Path) -> None:
        names = ["--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
        program = [sys.executable, "-I", str(Path(__file__).with_name("inside.py")), str(folder)]
        self._first = subprocess.Popen(
            ["unshare", *names, *program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._first.stdout
        assert self._first.stderr
        if self._first.stdout.readline() != "ready\n":
            words = self._first.stderr.read()
            self.close()
            raise Unavailable(f"no namespaces of our own on this machine: {words[-500:]}")
        outer = self._first.pid
        self.pid = int(Path(f"/proc/{outer}/task/{outer}/children").read_text())
        """The first process inside, as it is numbered outside."""
        self._processes: list[subprocess.Popen[Any]] = []
        self._threads = ThreadPoolExecutor(4, "inside", initializer=self._enter)

    def _enter(self) -> None:
        """Put the current thread inside; what it starts is there too. Such a thread cannot start threads."""
        opened = [(os.open(f"/proc/{self.pid}/ns/{name}", os.O_RDONLY), kind) for name, kind in _KINDS]
        if _libc.unshare(CLONE_FS):  # a thread may change mounts only when it shares no working folder
            raise OSError(ctypes.get_errno(), "cannot leave the shared working folder")
        for descriptor, kind in opened:
            _setns(descriptor, kind)
            os.close(descriptor)

    def call(self, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """The answer of a function that ran inside, in another thread: its sockets, files and child processes are the cluster's."""
        return self._threads.submit(function, *arguments, **named).result()

    def popen(self, command: list[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a process inside; the arguments are those of subprocess.Popen. The working folder is the caller's."""
        options.setdefault("cwd", os.getcwd())
        process: subprocess.Popen[Any] = self.call(subprocess.Popen, command, **options)
        self._processes = [each for each in self._processes if each.poll() is None] + [process]
        return process

    @contextmanager
    def network(self) -> Iterator[None]:
        """Within the block the sockets that *this thread* opens are the cluster's, so asyncio code under test can run in process."""
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        inside = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY)
        try:
            _setns(inside, CLONE_NEWNET)
            yield
        finally:
            _setns(own, CLONE_NEWNET)
            os.close(own)
            os.close(inside)

    def close(self) -> None:
        """End every process inside; network and mounts vanish with the last one."""
        if hasattr(self, "_threads"):
            self._threads.shutdown()
        assert self._first.stdin
        self._first.stdin.close()
        for process in getattr(self, "_processes", []):
            process.wait()  # they are killed with the first one, which in turn is gone only when all of them are buried
        try:
            self._first.wait(10)
        except subprocess.TimeoutExpired:
            self._first.kill()
            self._first.wait()
        for pipe in (self._first.stdout, self._first.stderr):
            if pipe:
                pipe.close()


_KINDS = (("net", CLONE_NEWNET), ("pid", CLONE_NEWPID), ("mnt", CLONE_NEWNS))
