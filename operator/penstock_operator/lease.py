"""Leader election by a Lease: 15 s long, renewed every 2 s, given up when 10 s pass without success. Losing it ends the process.

It runs in a thread with a loop of its own, so that a busy operator does not lose its lease. Another holder's lease counts as expired
by our own monotonic clock since its last seen change, never by the clock that wrote it.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from penstock_operator.cluster import ClusterError, Conflict, Exists, Object
from penstock_operator.resources.documents import Name

DURATION, DEADLINE, RETRY = 15.0, 10.0, 2.0
"""Seconds: how long others must wait for a silent leader, how long a leader tries to renew, how often it does."""
NUDGE = 0.5
"""Seconds between two tries of a candidate: a released lease is taken soon."""

_log = logging.getLogger("penstock.operator.lease")


class LeaseCluster(Protocol):
    """What the election needs of a cluster."""

    async def get(self, kind: str, name: Name) -> Object | None:
        """The lease as it is now."""

    async def create(self, body: Object) -> Object:
        """Make it."""

    async def replace(self, body: Object) -> Object:
        """Overwrite the version that was read."""


class Election:
    """One candidate's view of the lease. `monotonic` and `wall` are clocks in seconds."""

    def __init__(
        self,
        cluster: LeaseCluster,
        name: Name,
        identity: str,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._cluster, self._name, self._identity = cluster, name, identity
        self._monotonic, self._wall = monotonic, wall
        self._held: Object | None = None
        self._renewed = float("-inf")
        self._seen: tuple[Any, float] = (None, float("-inf"))

    def holds(self) -> bool:
        """Whether this process may write now."""
        return self._held is not None and self._monotonic() < self._renewed + DEADLINE

    async def attempt(self) -> bool:
        """Take or renew the lease if that is possible; whether it is held. Raises ClusterError."""
        asked = self._monotonic()
        if self._held is not None:
            try:
                self._held = await self._cluster.replace(self._body(self._held))
                self._renewed = asked
                return True
            except Conflict:
                self._held = None
        live = await self._cluster.get("Lease", self._name)
        try:
            if live is None:
                self._held = await self._cluster.create(self._body(None))
            elif self._is_free(live):
                self._held = await self._cluster.replace(self._body(live))
            else:
                return False
        except (Conflict, Exists):
            return False
        self._renewed = asked
        return True

    async def release(self) -> None:
        """Let a successor have it at once."""
        if self._held is None:
            return
        held, self._held = self._held, None
        await self._cluster.replace({**held, "spec": {**held["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}})

    def _is_free(self, live: Object) -> bool:
        spec = live.get("spec") or {}
        if spec.get("holderIdentity") in ("", None, self._identity):
            return True
        mark = (spec.get("holderIdentity"), spec.get("renewTime"))
        if self._seen[0] != mark:
            self._seen = (mark, self._monotonic())
        return self._monotonic() > self._seen[1] + float(spec.get("leaseDurationSeconds") or DURATION)

    def _body(self, live: Object | None) -> Object:
        stamp = datetime.datetime.fromtimestamp(self._wall(), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        before = (live or {}).get("spec") or {}
        same = before.get("holderIdentity") == self._identity
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": int(DURATION),
            "acquireTime": before.get("acquireTime", stamp) if same else stamp,
            "renewTime": stamp,
            "leaseTransitions": int(before.get("leaseTransitions") or 0) + (0 if same or live is None else 1),
        }
        if live is None:
            meta: Object = {"namespace": self._name.namespace, "name": self._name.name}
            return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec}
        return {**live, "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": spec}


class LeaseThread:
    """Holds the lease from a thread of its own. `connect` gives the cluster inside of its loop; `end` ends the process."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Any]],
        name: Name,
        identity: str,
        end: Callable[[], None] = lambda: os._exit(1),
    ) -> None:
        self._connect, self._name, self._identity, self._end = connect, name, identity, end
        self._election: Election | None = None
        self._leading = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def holds(self) -> bool:
        """Whether this process may write now; asked before each write."""
        return self._election is not None and self._leading.is_set() and self._election.holds()

    async def lead(self) -> None:
        """Start, and wait until this process leads."""
        self._thread.start()
        while not self._leading.is_set():  # noqa: ASYNC110 - the event belongs to a thread
            await asyncio.sleep(0.05)

    def stop(self) -> None:
        """Release the lease and end the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def _run(self) -> None:
        try:
            asyncio.run(self._hold())
        except Exception:  # whatever ends this thread, nobody renews the lease any more: the process must not go on
            _log.exception("the lease is lost")
            self._end()

    async def _hold(self) -> None:
        cluster = await self._reach()
        if cluster is None:
            return
        self._election = Election(cluster, self._name, self._identity, time.monotonic, time.time)
        try:
            while not self._stopping.is_set():
                await self._turn(self._election)
            if self._leading.is_set():
                await self._election.release()
        except ClusterError as error:
            _log.warning("the lease was not released: %s", error)
        finally:
            await cluster.close()

    async def _reach(self) -> Any:
        while not self._stopping.is_set():
            try:
                return await self._connect()
            except ClusterError as error:
                _log.warning("waiting for the API server: %s", error)
                await self._rest(RETRY)
        return None

    async def _turn(self, election: Election) -> None:
        try:
            held = await asyncio.wait_for(election.attempt(), DEADLINE / 2)
        except (ClusterError, TimeoutError) as error:
            _log.warning("the lease cannot be renewed now: %s", error)
            held = election.holds()
        if held and not self._leading.is_set():
            _log.info("leading as %s", self._identity)
            self._leading.set()
        if self._leading.is_set() and not election.holds():
            _log.error("the lease is lost: ending")
            self._end()
        await self._rest(RETRY if held else NUDGE)

    async def _rest(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._stopping.is_set():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)
